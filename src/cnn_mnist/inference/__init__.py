"""Reading digits from pictures: the ground floor, which never imports torch."""
