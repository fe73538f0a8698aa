"""One person's digits → the released classifier, trained to read them too."""
