"""The networks, and the convolutions that are fast on a CPU."""
