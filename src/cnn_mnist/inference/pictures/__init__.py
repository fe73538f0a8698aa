"""Files → pages: decode, turn upright, bound."""
