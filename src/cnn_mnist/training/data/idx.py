"""IDX files, the format of MNIST and its family."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.training.data.splits import DataError


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read a gzipped IDX file of bytes (the format is described with MNIST itself).

    Raises:
        DataError: the file is not a whole IDX file of unsigned bytes.
    """
    try:
        raw = gzip.decompress(path.read_bytes())
        zeros, kind, num_dims = struct.unpack(">HBB", raw[:4])
        shape = struct.unpack(f">{num_dims}I", raw[4 : 4 + 4 * num_dims])
        array = np.frombuffer(raw, np.uint8, offset=4 + 4 * num_dims).reshape(shape)
    except (OSError, EOFError, zlib.error, struct.error, ValueError) as error:
        raise DataError(f"{path} is not a whole gzipped IDX file ({error})") from error
    if (zeros, kind) != (0, 8):
        raise DataError(f"{path} does not hold unsigned bytes in IDX format")
    return array.copy()  # frombuffer is read-only, which torch warns about
