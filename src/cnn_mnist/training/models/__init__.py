"""The networks, and fast convolutions for the CPU."""
