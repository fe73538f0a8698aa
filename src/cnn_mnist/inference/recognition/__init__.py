"""The two networks: a line → its signs, a 28×28 frame → a digit."""
