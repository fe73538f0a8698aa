"""The results of a training: its folder, and everything made from it."""
