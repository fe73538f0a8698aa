"""Digits and other signs drawn with pen strokes, for what MNIST does not hold."""
