"""One person's digits → the released classifier, taught to read them too."""
