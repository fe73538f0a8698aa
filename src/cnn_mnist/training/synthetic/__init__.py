"""Digits and other signs drawn with pen strokes, to supplement MNIST."""
