"""Which images all models miss, and the errors without the labels known to be wrong."""

import numpy as np
import torch

import misread
from cnn_mnist.training.data import Split

SPLIT = Split(torch.zeros(4, 28, 28, dtype=torch.uint8), torch.tensor([1, 2, 3, 4]), (3,))
GIVEN = {"one": np.array([1, 7, 0, 9]), "other": np.array([1, 2, 5, 9])}


def test_only_what_all_miss_is_shown() -> None:
    assert misread.missed_by_all(GIVEN, SPLIT) == [2, 3]
    assert misread.title(2, GIVEN, SPLIT) == "2\n3, read 0/5"
    assert misread.title(3, GIVEN, SPLIT) == "3*\n4, read 9"


def test_errors_are_counted_with_and_without_wrong_labels() -> None:
    found = misread.errors(GIVEN["one"], SPLIT)
    assert (found["errors"], found["errors_clean"]) == (3, 2)
    assert (found["accuracy"], round(found["accuracy_clean"], 3)) == (0.25, 0.333)
