"""Work of the Triton kernels: rows of a graph, long ones cut into pieces.

A *row* is the run of edges that share a node in a sorted graph. A row of more edges
than the longest piece belongs to a hub and is cut into such pieces; other rows stay
whole. Programs number their work through: first the pieces, then the rows. How many
pieces there can be follows from the number of edges, so that the host never waits for
the device.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor


class Pieces(NamedTuple):
    """The pieces of a graph's hubs.

    Attributes:
        row (torch.Tensor): Row of each piece, ``[P]``; the number of rows for those
            that are not needed.
        first (torch.Tensor): First piece of each row, ``[N]``.
    """

    row: Tensor
    first: Tensor

    @classmethod
    def of(cls, ptr: Tensor, num_edges: int, longest: int) -> Pieces:
        """Those of the rows that ``ptr`` delimits, ``[N + 1]``."""
        # A hub of longest + 1 edges has two pieces; all others have fewer an edge.
        most = 2 * num_edges // (longest + 1)
        if most == 0:
            empty = ptr.new_empty(0)
            return cls(empty, empty)
        degree = ptr.diff()
        number = torch.where(degree > longest, (degree + longest - 1) // longest, 0)
        ends = number.cumsum(0)
        every = torch.arange(most, dtype=ends.dtype, device=ptr.device)
        row = torch.searchsorted(ends, every, right=True)
        return cls(row, ends - number)

    @property
    def number(self) -> int:
        """How many pieces there may be, ``P``."""
        return self.row.numel()


def groups(ptr: Tensor, number: int, longest: int) -> Tensor:
    """Borders of runs of rows with about as many edges each, those of hubs left out,
    ``[number + 1]``.
    """
    if number == 0:
        return ptr.new_zeros(1)
    degree = ptr.diff()
    # A row costs something too, however few its edges.
    cost = torch.where(degree > longest, 1, degree + 1).cumsum(0)
    goals = torch.arange(number + 1, device=ptr.device) * cost[-1] // number
    return torch.searchsorted(torch.cat([cost.new_zeros(1), cost]), goals)


@triton.jit
def work(
    number,
    ptr,
    piece_row,
    piece_first,
    num_rows,
    num_pieces,
    LONGEST: tl.constexpr,
):
    """Row and edges, from ``begin`` to before ``end``, of pieces and rows by number.

    The row is ``num_rows`` and there is no edge where nothing is to be done: for pieces
    that are not needed, and for hubs as whole rows.
    """
    is_piece = number < num_pieces
    row = tl.load(piece_row + number, mask=is_piece, other=0)
    row = tl.where(is_piece, row, number - num_pieces).to(tl.int64)
    exists = row < num_rows
    begin = tl.load(ptr + row, mask=exists, other=0).to(tl.int64)
    end = tl.load(ptr + row + 1, mask=exists, other=0).to(tl.int64)
    place = number - tl.load(piece_first + row, mask=is_piece & exists, other=0)
    is_hub = end - begin > LONGEST
    begin = tl.where(is_piece & exists, begin + place * LONGEST, begin)
    whole = tl.where(is_hub, begin, end)
    end = tl.where(is_piece, tl.minimum(end, begin + LONGEST), whole)
    row = tl.where(is_hub & (number >= num_pieces), num_rows, row)
    return row, begin, end


@triton.jit
def pieces_of(row, ptr, piece_first, exists, LONGEST: tl.constexpr):
    """First piece of a hub, and the first one that is no longer its own."""
    begin = tl.load(ptr + row, mask=exists, other=0)
    end = tl.load(ptr + row + 1, mask=exists, other=0)
    first = tl.load(piece_first + row, mask=exists, other=0)
    return first, first + (end - begin + LONGEST - 1) // LONGEST


@triton.jit
def merge(
    parts,
    ptr,
    piece_row,
    piece_first,
    result,
    num_rows,
    WIDTH: tl.constexpr,
    INNER: tl.constexpr,
    LONGEST: tl.constexpr,
    COLUMNS: tl.constexpr,
    PIECES: tl.constexpr,
):
    """Sums up the parts ``[P, WIDTH]`` of each hub, in the order of its pieces, into
    its row of the result ``[WIDTH / INNER, N, INNER]``.
    """
    piece = tl.program_id(0)
    row = tl.load(piece_row + piece).to(tl.int64)
    exists = row < num_rows
    first, last = pieces_of(row, ptr, piece_first, exists, LONGEST)
    # The program of a hub's first piece does it.
    last = tl.where(exists & (first == piece), last, first)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    total = tl.zeros([COLUMNS], parts.dtype.element_ty)
    for block in range(first, last, PIECES):
        number = (block + tl.arange(0, PIECES)).to(tl.int64)
        inside = (number < last)[:, None] & (column < WIDTH)[None, :]
        place = number[:, None] * WIDTH + column[None, :]
        total += tl.sum(tl.load(parts + place, mask=inside, other=0.0), 0)
    place = ((column // INNER) * num_rows + row) * INNER + column % INNER
    tl.store(result + place, total, mask=(column < WIDTH) & (last > first))
