"""Reading digits from pictures: the lowest layer, which never imports torch."""
