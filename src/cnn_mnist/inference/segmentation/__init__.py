"""A picture → the ink on it, separated from paper, ruling and shadows."""
