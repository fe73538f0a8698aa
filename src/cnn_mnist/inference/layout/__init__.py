"""A page → where its lines, cells and numbers are."""
