"""The line reader: lines as people write and photograph them, and a network that reads them.

It owns the generator, the network and its training, and knows nothing of the digit classifier.
"""
