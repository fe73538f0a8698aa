"""The connected components of a mask, by the algorithm that was fastest on large pages."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[Any]  # uint8, 0 or 1

# What is looked at one by one. No page of digits has more; a hostile picture has millions.
MOST, FEW = 2000, 100  # of large pictures, and of any
ROOM = 800  # px of the picture for each of them
OVERLAP = 8  # times the picture may all of their boxes cover; those of digits hardly overlap


@dataclass(frozen=True)
class Components:
    """A mask, the label of each of its pixels (0 = none), and a row a label: x, y, width, height,
    area."""

    mask: Mask
    labels: NDArray[Any]
    stats: NDArray[Any]

    @property
    def sides(self) -> NDArray[Any]:
        """The longer side of each component's box."""
        return np.asarray(self.stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1))

    def only(self, keep: NDArray[np.bool_]) -> "Components":
        """Those components whose label is kept; label 0 never is."""
        if keep[1:].all():
            return self
        kept = keep.astype(np.uint8)
        kept[0] = 0
        return components(kept.take(self.labels))


def components(mask: Mask) -> Components:
    """The components of a uint8 H×W mask; neighbours by a side or a corner belong together."""
    _, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
        mask, 8, cv2.CV_32S, cv2.CCL_GRANA
    )
    return Components(mask, np.asarray(labels), np.asarray(stats))


def most(pixels: int) -> int:
    """How many components of a picture are looked at one by one."""
    return min(max(pixels // ROOM, FEW), MOST)


def crowded(sizes: NDArray[Any], pixels: int) -> bool:
    """Whether boxes (width and height, N×2) are too many to look into each of them."""
    return len(sizes) > most(pixels) or int(sizes.prod(axis=1).sum()) > OVERLAP * pixels
