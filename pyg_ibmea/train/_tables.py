"""Room for tables as long as the graphs: memory, or files where they are large."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from pyg_ibmea.large import room_for

# Tables of more bytes lie in files, whose pages the system writes back when memory is
# short.
_LARGE = 1 << 30
# The embeddings, their average, the best of them and two moments.
_TABLES = 5
# The one that is written beside the last two.
_CHECKPOINTS = 3


class Tables:
    """Makes tensors of the size of the table of embeddings.

    Large ones on the CPU are mapped from files without a name, so that nothing is left
    of them when the process ends, however it ends.

    Args:
        folder (Path, optional): Where the files lie, the run folder.
            (default: that of the system for temporary files)
        large (int, optional): The number of bytes above which a tensor is mapped.
            (default: 1 GiB)

    Example:
        >>> Tables(large=100).copy(torch.arange(1000.0)).sum()
        tensor(499500.)
    """

    def __init__(self, folder: Path | None = None, large: int = _LARGE):
        self.folder = folder
        self.large = large

    def check_room(self, table: Tensor) -> None:
        """Looks whether there is room for the tables and checkpoints of a training.

        Args:
            table (torch.Tensor): The table of embeddings.

        Raises:
            OSError: If the disk has less free space than they take.
        """
        if not self._is_mapped(table):
            return
        kept = _TABLES * _CHECKPOINTS if self.folder is not None else 0
        needed = table.nbytes * (_TABLES + kept)
        place = self._place()
        while not place.exists():
            place = place.parent
        free = shutil.disk_usage(place).free
        if free < needed:
            raise OSError(
                f"training {len(table)} embeddings of {table.size(1)} channels takes "
                f"{_gib(needed)} of disk in {place}, of which {_gib(free)} are "
                "free; choose a folder on another disk, or fewer --graph-channels"
            )

    def zeros_like(self, tensor: Tensor) -> Tensor:
        """Zeros of the shape and type of a tensor."""
        if not self._is_mapped(tensor):
            return torch.zeros_like(tensor)
        return self._mapped(tensor)

    def copy(self, tensor: Tensor) -> Tensor:
        """A copy of a tensor."""
        if not self._is_mapped(tensor):
            return tensor.detach().clone()
        return self._mapped(tensor).copy_(tensor.detach())

    def _is_mapped(self, tensor: Tensor) -> bool:
        return tensor.device.type == "cpu" and tensor.nbytes > self.large

    def _place(self) -> Path:
        return self.folder or Path(tempfile.gettempdir())

    def _mapped(self, tensor: Tensor) -> Tensor:
        """Zeros of the shape and type of a tensor, in a file."""
        place = self._place()
        place.mkdir(parents=True, exist_ok=True)
        return room_for(tuple(tensor.shape), tensor.dtype, folder=place, least=0)


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
