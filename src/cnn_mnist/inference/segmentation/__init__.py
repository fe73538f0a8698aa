"""A picture → the ink on it, apart from its paper, its rules and its shadows."""
