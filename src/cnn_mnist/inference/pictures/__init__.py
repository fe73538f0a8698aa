"""Files → pages: decode safely and turn upright."""
