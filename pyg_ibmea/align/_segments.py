"""Reductions over the entries of each row of a sparse matrix."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_ibmea.align._best import top_columns

_BLOCK_ENTRIES = 2**22


class Segments(NamedTuple):
    """Where the entries of each row are among all entries.

    Reductions work on dense blocks of rows with about the same number of entries, so
    that they need no more than a block beyond their result.

    Attributes:
        pointer (torch.Tensor): Number of entries before each row, and of all, long
            ``[R + 1]``.
        order (torch.Tensor, optional): Places of the entries, row by row, ``[L]``;
            :obj:`None` if they already are in the order of rows.
    """

    pointer: Tensor
    order: Tensor | None = None

    @classmethod
    def of_sorted(cls, index: Tensor, size: int) -> Segments:
        """Groups entries that are in the order of their rows.

        Args:
            index (torch.Tensor): Row of each entry, ascending, ``[L]``.
            size (int): Number of rows.
        """
        rows = torch.arange(size + 1, device=index.device, dtype=index.dtype)
        return cls(torch.searchsorted(index.contiguous(), rows))

    @classmethod
    def of(cls, index: Tensor, size: int) -> Segments:
        """Groups entries in any order; those of a row keep theirs.

        Args:
            index (torch.Tensor): Row of each entry, ``[L]``.
            size (int): Number of rows.
        """
        index, order = index.sort(stable=True)
        fits = order.numel() <= torch.iinfo(torch.int32).max
        return cls(
            cls.of_sorted(index, size).pointer,
            order.to(torch.int32) if fits else order,
        )

    @property
    def size(self) -> int:
        """The number of rows."""
        return self.pointer.numel() - 1

    def blocks(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yields rows with entries, those with few of them first.

        Yields:
            tuple: Row numbers ``[B]``; places of their entries, long ``[B, W]``, 0
            where a row has fewer than ``W``; and where it has one, bool ``[B, W]``.
        """
        count, row = self.pointer.diff().sort(stable=True)
        widths = count.tolist()
        start = bisect.bisect_right(widths, 0)
        while start < len(widths):
            first = start

            def entries(stop: int, first: int = first) -> int:
                return int((stop - first) * widths[stop - 1])

            stops = range(start + 1, len(widths) + 1)
            fitting = bisect.bisect_right(stops, _BLOCK_ENTRIES, key=entries)
            stop = start + max(1, fitting)
            rows = row[start:stop]
            inside = torch.arange(widths[stop - 1], device=row.device)
            there = inside < count[start:stop, None]
            place = (self.pointer[rows, None] + inside).mul_(there)
            if self.order is not None:
                found = self.order.index_select(0, place.view(-1))
                place = found.view_as(place).long()
            yield rows, place, there
            start = stop

    def padded(self, values: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yields the values of rows with entries.

        Args:
            values (torch.Tensor): A value for each entry, ``[L]``.

        Yields:
            tuple: Row numbers ``[B]``; places of their entries, ``[B, W]``, -1 where a
            row has fewer than ``W``; and their values, there ``-inf``.
        """
        for rows, place, there in self.blocks():
            block = values.index_select(0, place.view(-1)).view_as(place)
            block.masked_fill_(~there, -torch.inf)
            yield rows, place.masked_fill_(~there, -1), block

    def best(self, values: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
        """The ``k`` best values of each row; the first of those that tie wins.

        Args:
            values (torch.Tensor): A value for each entry, ``[L]``.
            k (int, optional): Their number. (default: :obj:`1`)

        Returns:
            tuple: Values ``[R, k]``, sorted descending, and their places, long
            ``[R, k]``; ``-inf`` and -1 where a row has fewer entries.
        """
        best = values.new_full((self.size, k), -torch.inf)
        places = torch.full_like(best, -1, dtype=torch.long)
        for rows, place, block in self.padded(values):
            few = min(k, block.size(1))
            value, column = top_columns(block, few)
            best[rows, :few] = value
            places[rows, :few] = place.gather(1, column)
        return best, places

    def mean_of_best(self, values: Tensor, k: int) -> Tensor:
        """The mean of the ``k`` best values of each row, of all if it has fewer; 0 if
        it has none. ``[R]``.
        """
        means = values.new_zeros(self.size)
        for rows, _, block in self.padded(values):
            few = min(k, block.size(1))
            best = block.topk(few, dim=1, sorted=False)[0]
            missing = best == -torch.inf
            best.masked_fill_(missing, 0.0)
            means[rows] = best.sum(dim=1) / (few - missing.sum(dim=1))
        return means

    def largest(self, values: Tensor) -> Tensor:
        """The largest value of each row, ``[R]``; ``-inf`` if it has none."""
        if self.order is not None:
            values = values.index_select(0, self.order)
        largest: Tensor = torch.segment_reduce(
            values, "max", offsets=self.pointer, initial=-torch.inf
        )
        return largest

    def log_sum_exp(self, values: Tensor) -> Tensor:
        """The logarithm of the sum of the exponentials of each row, ``[R]``; ``-inf``
        if it has none.
        """
        sums = values.new_full((self.size,), -torch.inf)
        for rows, _, block in self.padded(values):
            sums[rows] = block.logsumexp(dim=1)
        return sums
