"""What is worked through piece by piece, as it may not fit into memory at once."""

from __future__ import annotations

import errno
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

LARGE = 100_000
"""Number of entities of all graphs together above which a problem is large."""

CHUNK = 16_384
"""Number of entities of a large problem that are encoded at a time."""

# From this size on, numbers lie in a file.
_MAPPED_BYTES = 2**30
_WRITTEN_BYTES = 2**26


def ranges(size: int, chunk: int = CHUNK) -> Iterator[slice]:
    """Yields ranges of nearly equal size that together hold ``size`` numbers.

    Args:
        size (int): How many there are.
        chunk (int, optional): How many a range holds at most. (default: :obj:`16384`)

    Example:
        >>> [(rows.start, rows.stop) for rows in ranges(10, 4)]
        [(0, 3), (3, 6), (6, 10)]
    """
    count = -(-size // chunk)
    for number in range(count):
        yield slice(number * size // count, (number + 1) * size // count)


def room_for(
    shape: tuple[int, ...],
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
    folder: str | os.PathLike[str] | None = None,
    least: int | None = None,
) -> Tensor:
    """A tensor to be filled. On the CPU, one of a gibibyte or more lies in a file that
    the system reads and writes page by page: it may be larger than memory.

    The file has no name and goes when the tensor does. Its place on the disk is
    taken at once, so that a disk cannot be full later.

    Args:
        shape (tuple): Its shape.
        dtype (torch.dtype, optional): Its type. (default: :obj:`torch.float32`)
        device (torch.device, optional): Where it is. (default: the CPU)
        folder (str or Path, optional): Where the file is.
            (default: the system's folder for temporary files, ``TMPDIR``)
        least (int, optional): From how many bytes on it lies in a file.
            (default: a gibibyte)

    Raises:
        OSError: If the disk has too little room.

    Example:
        >>> room_for((2, 3)).shape
        torch.Size([2, 3])
    """
    size = math.prod(shape) * dtype.itemsize
    if not size or size < (_MAPPED_BYTES if least is None else least):
        return torch.empty(shape, dtype=dtype, device=device)
    if device is not None and device.type != "cpu":
        return torch.empty(shape, dtype=dtype, device=device)
    folder = Path(tempfile.gettempdir() if folder is None else folder)
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            _take(file.fileno(), size)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
                raise
            free = shutil.disk_usage(folder).free
            raise OSError(
                f"the disk of {folder} has {free / 2**30:.1f} GiB left, and "
                f"{size / 2**30:.1f} GiB are needed for what does not fit into memory; "
                "free some, or set TMPDIR to a folder on a larger disk"
            ) from error
        # Bytes: NumPy does not know all of PyTorch's types.
        mapped = np.memmap(file, np.uint8, "r+", shape=(size,))
    return torch.from_numpy(mapped).view(dtype).view(shape)


def _take(file: int, size: int) -> None:
    """Gives an empty file its size in zeros, with its place on the disk."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
        return
    zeros = bytes(min(size, _WRITTEN_BYTES))
    for begin in range(0, size, _WRITTEN_BYTES):
        os.write(file, zeros[: size - begin])
