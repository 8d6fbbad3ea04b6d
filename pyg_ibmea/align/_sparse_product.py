"""Products of sparse matrices, where they are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor


class Entries(NamedTuple):
    """A sparse matrix on any device.

    Attributes:
        row (torch.Tensor): Long ``[E]``.
        column (torch.Tensor): Long ``[E]``.
        value (torch.Tensor): ``[E]``; entries at the same place add up.
        size (tuple): Rows and columns.
    """

    row: Tensor
    column: Tensor
    value: Tensor
    size: tuple[int, int]

    def t(self) -> Entries:
        """The transposed matrix."""
        return Entries(self.column, self.row, self.value, self.size[::-1])

    def to_torch(self, dtype: torch.dtype) -> Tensor:
        """The matrix as ``torch.sparse_coo``."""
        index = torch.stack([self.row, self.column])
        values = self.value.to(dtype)
        return torch.sparse_coo_tensor(index, values, self.size, check_invariants=False)


def product(left: Entries, right: Entries) -> Entries:
    """The product of two sparse matrices: by SciPy on the CPU, whose products take a
    fraction of the time of PyTorch's, and by PyTorch on any other device.

    Args:
        left (Entries): ``[N, K]``.
        right (Entries): ``[K, M]``.

    Returns:
        Entries: ``[N, M]``.
    """
    if left.value.device.type == "cpu":
        found = (_scipy(left) @ _scipy(right)).tocoo()
        row, column = (
            torch.from_numpy(index.astype(np.int64)) for index in (found.row, found.col)
        )
        size = left.size[0], right.size[1]
        return Entries(row, column, torch.from_numpy(found.data), size)
    return sparse_product(left, right)


def sparse_product(left: Entries, right: Entries) -> Entries:
    """The same by PyTorch."""
    dtype = left.value.dtype
    sides = [side.to_torch(dtype).coalesce() for side in (left, right)]
    found = torch.sparse.mm(*sides).coalesce()
    row, column = found.indices()
    return Entries(row, column, found.values(), (left.size[0], right.size[1]))


def _scipy(matrix: Entries) -> csr_array:
    row, column, value = (part.numpy() for part in matrix[:3])
    return csr_array((value, (row, column)), shape=matrix.size)
