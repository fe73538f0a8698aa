"""Random transforms of batches of images."""
