"""What a training leaves behind: its folder, and everything made from it."""
