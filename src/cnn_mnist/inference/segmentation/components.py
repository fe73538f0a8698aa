"""The connected components of a mask, by the algorithm that is fastest on large pages."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.percentiles import weighted_median

Mask = NDArray[Any]  # uint8, 0 or 1

# Limits on the parts examined individually. No page of digits has more; hostile pictures do.
MAX_MARKS, FEW = 2000, 100  # of large pictures, and of any
ROOM = 800  # px of the picture for each of them
OVERLAP = 8  # maximum total area of their boxes, in pictures; boxes of digits hardly overlap

LONG = 6  # times the writing's size: a rule, an axis or a curve
WRITING = 0.5  # of such a mark's length, of all shorter marks together; dust is less


class Components(NamedTuple):
    """The connected components of a mask.

    The mask, the label of each pixel (0 = none), and one row per label: x, y, width, height, area.
    """

    mask: Mask
    labels: NDArray[Any]
    stats: NDArray[Any]

    @property
    def sides(self) -> NDArray[Any]:
        """The longer side of each component's box."""
        return np.asarray(self.stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1))

    @property
    def num_borders(self) -> NDArray[np.int64]:
        """How many of the mask's four borders each component touches."""
        touched = np.zeros(len(self.stats), np.int64)
        for border in (self.labels[0], self.labels[-1], self.labels[:, 0], self.labels[:, -1]):
            touched[border] += 1  # once for each component: numpy adds to an index once
        return touched

    def pixels(self, keep: NDArray[np.bool_]) -> Mask:
        """A mask of the components whose label is kept; label 0 never is."""
        kept = keep.astype(np.uint8)
        kept[0] = 0
        return np.asarray(kept.take(self.labels))

    def only(self, keep: NDArray[np.bool_]) -> "Components":
        """The components whose label is kept; label 0 never is."""
        if keep[1:].all():
            return self
        kept = np.append(0, np.flatnonzero(keep[1:]) + 1)
        numbers = np.zeros(len(keep), np.int32)
        numbers[kept] = np.arange(len(kept))
        labels = numbers.take(self.labels)
        return Components((labels > 0).astype(np.uint8), labels, self.stats[kept])


def components(mask: Mask) -> Components:
    """The components of a uint8 H×W mask, 8-connected."""
    _, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
        mask, 8, cv2.CV_32S, cv2.CCL_GRANA
    )
    return Components(mask, np.asarray(labels), np.asarray(stats))


def most(pixels: int) -> int:
    """How many components of a picture are examined individually."""
    return min(max(pixels // ROOM, FEW), MAX_MARKS)


def crowded(sizes: NDArray[Any], pixels: int) -> bool:
    """Whether there are too many boxes (width and height, N×2) to examine each of them."""
    return len(sizes) > most(pixels) or int(sizes.prod(axis=1).sum()) > OVERLAP * pixels


def typical_side(marks: Components, some: NDArray[np.bool_]) -> float:
    """The median of some marks' sides, weighted by their ink: dust and thin lines hardly count."""
    some = some & (np.arange(len(some)) > 0)
    return weighted_median(marks.sides[some], marks.stats[some, cv2.CC_STAT_AREA])


def much_longer(sides: NDArray[Any]) -> NDArray[np.bool_]:
    """Which components are much longer than the typical mark of the writing, if there is any.

    Args:
        sides: the longer side of each; the first is not of a component.
    """
    writing = np.append(0, np.sort(sides[1:]))
    total = np.cumsum(writing)
    shorter = total[np.searchsorted(writing, sides / 2) - 1]
    typical = writing[np.searchsorted(total, shorter / 2)]
    found = (sides > LONG * typical) & (shorter > WRITING * sides)
    found[0] = False
    return np.asarray(found)
