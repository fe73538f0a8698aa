"""IDX files, the format of MNIST and its family."""

import gzip
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.training.data.splits import DataError

KINDS = {8: "u1", 12: ">i4"}  # numpy's names of bytes and of QMNIST's labels


def read_idx(path: Path) -> NDArray[Any]:
    """Read an IDX file, gzipped or not (the MNIST site describes the format).

    Raises:
        DataError: the file is not a complete IDX file of unsigned bytes or 32-bit integers.
    """
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
        zeros, kind, num_dims = struct.unpack(">HBB", raw[:4])
        shape = struct.unpack(f">{num_dims}I", raw[4 : 4 + 4 * num_dims])
        if zeros or kind not in KINDS:
            raise ValueError("it does not hold bytes or 32-bit integers")
        array = np.frombuffer(raw, KINDS[kind], offset=4 + 4 * num_dims).reshape(shape)
    except (OSError, EOFError, zlib.error, struct.error, ValueError) as error:
        raise DataError(f"{path} is not a complete IDX file ({error})") from error
    return np.array(array)  # frombuffer is read-only, which torch warns about
