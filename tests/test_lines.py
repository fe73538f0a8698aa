"""The line network and the picture that it is shown."""

import numpy as np
import torch

from cnn_mnist.inference.line import HEIGHT, normalized
from cnn_mnist.training.lines.loss import greedy
from cnn_mnist.training.lines.network import BLANK, NUM_CLASSES, LineNet


def test_a_line_is_brought_to_the_height_with_its_ink_positive() -> None:
    grey = np.full((80, 300), 200, np.uint8)
    grey[20:60, 140:160] = 40
    line = normalized(grey)
    assert line.shape == (2, HEIGHT, 150)
    assert (line[:, 20, 75] > 0.4).all()
    assert abs(line[0, 5, 10]) < 0.05


def test_every_second_column_of_a_line_is_answered() -> None:
    logits, boxes = LineNet().eval()(torch.zeros(3, 2, HEIGHT, 90))
    assert logits.shape == (3, NUM_CLASSES, 45)
    assert boxes.shape == (3, 4, 45)
    assert ((boxes > 0) & (boxes < 1)).all()


def test_the_best_path_loses_repetitions_and_blanks() -> None:
    path = torch.tensor([BLANK, 3, 3, BLANK, 3, 5, 5, BLANK, 7])
    logits = torch.nn.functional.one_hot(path, NUM_CLASSES).T[None].float()
    assert greedy(logits, torch.tensor([8])) == [[3, 3, 5]]
