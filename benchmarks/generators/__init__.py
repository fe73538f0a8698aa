"""Pictures to read, made from MNIST test digits: their truth is known."""
