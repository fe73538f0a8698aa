"""A page → the places of its lines, cells and numbers."""
