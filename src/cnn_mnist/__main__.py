"""python -m cnn_mnist, which is also how torchrun starts it."""

from cnn_mnist.cli import main

if __name__ == "__main__":
    main()
