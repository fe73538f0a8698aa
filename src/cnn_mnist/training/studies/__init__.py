"""One recipe, many seeds."""
