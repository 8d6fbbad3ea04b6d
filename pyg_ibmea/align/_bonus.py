"""Sparse values that are added to cosines."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Bonus(NamedTuple):
    """Values to add to the cosines of some pairs, in the order of their source rows.

    Attributes:
        row (torch.Tensor): Source rows, ascending, long ``[E]``.
        column (torch.Tensor): Target rows, ascending within a source row, long ``[E]``.
        value (torch.Tensor): Values to add, ``[E]``.
        size (tuple): Number of source and target rows.
    """

    row: Tensor
    column: Tensor
    value: Tensor
    size: tuple[int, int]

    @classmethod
    def of(cls, matrix: Tensor | None, source: Tensor, target: Tensor) -> Bonus | None:
        """Makes a bonus from a sparse matrix; :obj:`None` gives :obj:`None`.

        Args:
            matrix (torch.Tensor, optional): Sparse ``[N, M]``, in any layout.
            source (torch.Tensor): Unit rows ``[N, C]``.
            target (torch.Tensor): Unit rows ``[M, C]``.

        Raises:
            ValueError: If the matrix is dense, has another size, is on another device,
                or holds NaN or infinity.
        """
        if matrix is None:
            return None
        size = source.size(0), target.size(0)
        if matrix.layout == torch.strided or tuple(matrix.shape) != size:
            raise ValueError(
                f"bonus must be a sparse matrix {list(size)}, got "
                f"{matrix.layout} {list(matrix.shape)}"
            )
        if matrix.device != source.device:
            raise ValueError(
                f"bonus is on {matrix.device} and z_source on {source.device}; move "
                "both to the same device"
            )
        matrix = matrix.to_sparse_coo().coalesce()
        if not bool(matrix.values().isfinite().all()):
            raise ValueError("bonus holds NaN or infinity")
        row, column = matrix.indices()
        dtype = torch.promote_types(source.dtype, torch.float32)
        return cls(row, column, matrix.values().to(dtype), size)

    def add_(self, cosine: Tensor, rows: slice) -> None:
        """Adds to the cosines ``[B, M]`` of some source rows, in place."""
        ends = torch.tensor([rows.start, rows.stop], device=self.row.device)
        start, stop = torch.searchsorted(self.row, ends).tolist()
        place = self.row[start:stop] - rows.start, self.column[start:stop]
        cosine[place] += self.value[start:stop]

    def t(self) -> Bonus:
        """The bonus with source and target swapped."""
        order = self.column.argsort(stable=True)
        row, column = self.column[order], self.row[order]
        return Bonus(row, column, self.value[order], self.size[::-1])

    def select(self, query: Tensor) -> Bonus:
        """The bonus of some source rows, ascending; they are renumbered from 0."""
        kept = torch.isin(self.row, query)
        row = torch.searchsorted(query, self.row[kept])
        size = query.numel(), self.size[1]
        return Bonus(row, self.column[kept], self.value[kept], size)

    def of_pairs(self, pairs: Tensor) -> Tensor:
        """The values to add to the cosines of pairs ``[2, L]``."""
        if self.row.numel() == 0:
            return self.value.new_zeros(pairs.size(1))
        keys = self.row * self.size[1] + self.column
        wanted = pairs[0] * self.size[1] + pairs[1]
        place = torch.searchsorted(keys, wanted).clamp(max=keys.numel() - 1)
        return torch.where(keys[place] == wanted, self.value[place], 0.0)
