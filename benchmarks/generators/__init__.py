"""Pictures to read whose truth is known, most of them made from MNIST test digits."""
