"""Candidate pairs: the nearest rows of each side."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pyg_ibmea.align._best import top_columns
from pyg_ibmea.align._blocks import cosine_blocks
from pyg_ibmea.align._bonus import Bonus


class Nearest(NamedTuple):
    """The ``k`` nearest rows of the other side for every row of both sides.

    Attributes:
        pairs (torch.Tensor): Long ``[2, L]``, ascending and without duplicates.
        cosine (torch.Tensor): Their cosines including the bonus, ``[L]``.
        source_nearest (torch.Tensor): Those of each source row alone, descending,
            ``[N, k]``; fewer than ``k`` if the other side has.
        target_nearest (torch.Tensor): The same for the target rows, ``[M, k]``.
    """

    pairs: Tensor
    cosine: Tensor
    source_nearest: Tensor
    target_nearest: Tensor


def nearest_candidates(
    source: Tensor,
    target: Tensor,
    k: int,
    block_size: int | None = None,
    bonus: Bonus | None = None,
) -> Nearest:
    """Finds the ``k`` nearest rows of the other side for every row of both sides, in
    one sweep over the cosines. Of rows that tie, the lower is nearer.

    Args:
        source (torch.Tensor): Unit rows ``[N, C]``.
        target (torch.Tensor): Unit rows ``[M, C]``.
        k (int): Number of nearest rows; all if the other side has fewer.
        block_size (int, optional): See :func:`cosine_blocks`. (default: :obj:`None`)
        bonus (Bonus, optional): Added to the cosines of some pairs.
            (default: :obj:`None`)

    Returns:
        Nearest: The pairs and their cosines.
    """
    width = target.size(0)
    of_source = source.new_empty(source.size(0), min(k, width))
    of_target = _LargestOfColumns(k)
    keys = []
    for rows, cosine in cosine_blocks(source, target, block_size, bonus):
        of_source[rows], column = top_columns(cosine, of_source.size(1))
        row = torch.arange(rows.start, rows.stop, device=source.device)[:, None]
        keys.append((row * width + column).view(-1))
        of_target.update(rows, cosine)
    of_columns, row = of_target.result()
    column = torch.arange(width, device=source.device)[:, None]
    keys.append((row * width + column).view(-1))
    key, inverse = torch.unique(torch.cat(keys), return_inverse=True)
    similarity = torch.empty_like(key, dtype=source.dtype)
    similarity[inverse] = torch.cat([of_source.view(-1), of_columns.reshape(-1)])
    pairs = torch.stack([key // width, key % width])
    return Nearest(pairs, similarity, of_source, of_columns)


class _Later(NamedTuple):
    """Entries of later rows that may be among the largest of their columns.

    Attributes:
        column (torch.Tensor): Long ``[E]``.
        place (torch.Tensor): How many entries of the column come before, long ``[E]``.
        row (torch.Tensor): Long ``[E]``.
        value (torch.Tensor): ``[E]``.
    """

    column: Tensor
    place: Tensor
    row: Tensor
    value: Tensor


class _LargestOfColumns:
    """The k largest entries of every column, over blocks of rows.

    Of later blocks, only entries above the k-th of their column can count. They are
    gathered until they are as many as those kept, and only then merged with them.
    """

    def __init__(self, k: int) -> None:
        self.k = k
        # The largest so far, descending, and their rows, [M, at most k].
        self._value = self._row = torch.empty(0, 0)
        self._later: list[_Later] = []
        self._count = torch.empty(0)  # How many of them each column has, [M].

    def update(self, rows: slice, cosine: Tensor) -> None:
        """Adds the cosines ``[B, M]`` of the next source rows."""
        if self._value.size(1) == self.k:
            self._gather(rows, cosine)
            return
        value, row = top_columns(cosine.t().contiguous(), min(self.k, len(cosine)))
        row = row + rows.start
        if self._value.numel():
            value = torch.cat([self._value, value], dim=1)
            row = torch.cat([self._row, row], dim=1)
            value, place = top_columns(value, min(self.k, value.size(1)))
            row = row.gather(1, place)
        self._value, self._row = value, row
        self._count = torch.zeros_like(row[:, 0])

    def result(self) -> tuple[Tensor, Tensor]:
        """The largest entries of each column and their rows, ``[M, at most k]``."""
        self._merge()
        return self._value, self._row

    def _gather(self, rows: slice, cosine: Tensor) -> None:
        above = cosine > self._value[:, -1]
        column, row = above.t().contiguous().nonzero(as_tuple=True)
        count = torch.bincount(column, minlength=cosine.size(1))
        start = count.cumsum(0) - count - self._count
        place = torch.arange(len(column), device=column.device) - start[column]
        value = cosine[row, column]
        self._later.append(_Later(column, place, row + rows.start, value))
        self._count = self._count + count
        if sum(len(later.column) for later in self._later) >= self._value.numel():
            self._merge()

    def _merge(self) -> None:
        if not self._later:
            return
        changed = self._count.nonzero().view(-1)
        parts = zip(*self._later, strict=True)
        column, place, row, value = (torch.cat(part) for part in parts)
        size = len(changed), self.k + int(self._count.max())
        values = self._value.new_full(size, -torch.inf)
        values[:, : self.k] = self._value[changed]
        every = self._row.new_zeros(size)
        every[:, : self.k] = self._row[changed]
        at = torch.searchsorted(changed, column), self.k + place
        values[at], every[at] = value, row
        values, place = top_columns(values, self.k)
        self._value[changed], self._row[changed] = values, every.gather(1, place)
        self._later, self._count = [], torch.zeros_like(self._count)
