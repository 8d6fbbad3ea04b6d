"""Contrastive losses over all pairs of a batch, without the matrix of all pairs.

Both losses are sums over the entries of a similarity matrix that is formed a tile
at a time. The gradient is formed from the same tiles, in the forward pass, so
that memory grows with the batch and not with its square. The tiles of a small matrix
are kept in between; those of a large one are formed twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK_ELEMENTS = 2**21
"""Entries of the similarity matrix in memory at a time (8 MiB in float32)."""

GPU_BLOCK_ELEMENTS = 2**26
"""The same on a GPU (256 MiB in float32), where a launch costs more than its work."""

KEPT_ELEMENTS = 2**24
"""Entries of all tiles together up to which they are kept for the gradient (64 MiB in
float32)."""

_ROOM = 7.0
"""Sums may be smaller than their terms' bound by exp(-7), and stay normal numbers."""


def info_nce(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    r"""Symmetric InfoNCE of unit rows ``a`` and ``b``, row i of both a true pair.

    .. math::
        -\frac{1}{2B} \sum_i \left( \log \frac{e^{s_{ii}}}{\sum_j e^{s_{ij}}} +
        \log \frac{e^{s_{ii}}}{\sum_j e^{s_{ji}}} \right), \qquad
        s_{ij} = a_i^\top b_j / \tau
    """
    return _InfoNCE.apply(a, b, temperature)  # type: ignore[no-any-return]


def multi_similarity(
    z: Tensor, scale_pos: float, scale_neg: float, base: float
) -> Tensor:
    r"""Multi-similarity loss (Wang et al., CVPR 2019, without its miner) of ``2B`` unit
    rows, where rows i and B + i are the one positive pair of each other.

    .. math::
        \frac{1}{2B} \sum_i \left[ \frac1\alpha \log \left( 1 + e^{-\alpha
        (s_{i,pos} - \lambda)} \right) + \frac1\beta \log \left( 1 + \sum_{neg}
        e^{\beta (s_{i,neg} - \lambda)} \right) \right]
    """
    return _MultiSimilarity.apply(  # type: ignore[no-any-return]
        z, scale_pos, scale_neg, base
    )


def has_bounded_sums(temperature: float, dtype: torch.dtype) -> bool:
    """Whether sums of exponentials of scores, relative to the highest, need no maximum.

    Scores of unit rows lie within ``1 / temperature`` of 0.
    """
    return 2 / temperature < -math.log(torch.finfo(dtype).tiny) - _ROOM


Tile = tuple[slice, slice]
"""Rows and columns of a matrix."""


def _most_elements(z: Tensor) -> int:
    return GPU_BLOCK_ELEMENTS if z.is_cuda else BLOCK_ELEMENTS


def _tiles(num_rows: int, num_columns: int, most: int) -> Iterator[Tile]:
    """Cuts a matrix into tiles of at most ``most`` entries, row after row.

    Tiles are no wider than it takes for products at full speed: a few whole rows of a
    very wide matrix would read all of the other factor for little work.
    """
    width = min(num_columns, max(1, int((4 * most) ** 0.5)))
    height = max(1, most // max(1, width))
    for top in range(0, num_rows, height):
        rows = slice(top, min(top + height, num_rows))
        for left in range(0, num_columns, width):
            yield rows, slice(left, min(left + width, num_columns))


class _Twice:
    """The tiles of a matrix, to go through twice: kept if they are few entries
    together or only one tile, otherwise formed anew.

    Args:
        form (callable): The entries of a tile, which the caller may overwrite the
            second time.
        tiles (iterator): The tiles.
        again (bool): Whether there is a second time.
    """

    def __init__(self, form: Callable[..., Tensor], tiles: Iterator[Tile], again: bool):
        self.form, self.tiles = form, list(tiles)
        entries = sum(_length(rows) * _length(columns) for rows, columns in self.tiles)
        few = len(self.tiles) == 1 or entries <= KEPT_ELEMENTS
        self.keeps = again and few
        self._kept: list[Tensor] = []

    def first(self) -> Iterator[tuple[slice, slice, Tensor]]:
        """Rows, columns and entries of each tile."""
        for tile in self.tiles:
            entries = self.form(*tile)
            if self.keeps:
                self._kept.append(entries)
            yield (*tile, entries)

    def again(self) -> Iterator[tuple[slice, slice, Tensor]]:
        """The same."""
        self._kept.reverse()
        for tile in self.tiles:
            yield (*tile, self._kept.pop() if self.keeps else self.form(*tile))


def _length(part: slice) -> int:
    length: int = part.stop - part.start
    return length


class _Sums:
    """A vector in parts, to each of which numbers are added one after the other."""

    def __init__(self, add: Callable[[Tensor, Tensor], Tensor] = torch.add):
        self.add, self.parts = add, dict[int, Tensor]()

    def __setitem__(self, part: slice, values: Tensor) -> None:
        known = self.parts.get(part.start)
        self.parts[part.start] = values if known is None else self.add(known, values)

    def joined(self) -> Tensor:
        """The vector; parts were first met in its order."""
        parts = list(self.parts.values())
        return parts[0] if len(parts) == 1 else torch.cat(parts)


class _InfoNCE(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, temperature: float) -> Tensor:
        num_pairs = a.size(0)
        positive = (a * b).sum(dim=1) / temperature
        top = 1 / temperature
        bounded = has_bounded_sums(temperature, a.dtype)

        def scores(rows: slice, columns: slice) -> Tensor:
            score = (a[rows] @ b[columns].t()).div_(temperature)
            return score.sub_(top).exp_() if bounded else score

        has_gradient = any(ctx.needs_input_grad[:2])
        cut = _tiles(num_pairs, num_pairs, _most_elements(a))
        tiles = _Twice(scores, cut, has_gradient)
        add = torch.add if bounded else torch.logaddexp
        sum_over = torch.sum if bounded else torch.logsumexp
        row_sums, column_sums = _Sums(add), _Sums(add)
        for rows, columns, score in tiles.first():
            row_sums[rows] = sum_over(score, dim=1)
            column_sums[columns] = sum_over(score, dim=0)
        row, column = row_sums.joined(), column_sums.joined()
        log_row, log_column = (
            (row.log() + top, column.log() + top) if bounded else (row, column)
        )
        loss = (log_row + log_column - 2 * positive).sum() / (2 * num_pairs)

        if has_gradient:
            grad_a, grad_b = -2 * b, -2 * a
            if bounded:
                row, column = row.reciprocal(), column.reciprocal()
            for rows, columns, score in tiles.again():
                if bounded:
                    weight = score.mul_(row[rows, None] + column[columns])
                else:
                    weight = (score - log_row[rows, None]).exp_()
                    weight += score.sub_(log_column[columns]).exp_()
                grad_a[rows].add_(weight @ b[columns])
                grad_b[columns].add_(weight.t() @ a[rows])
            factor = 1 / (2 * num_pairs * temperature)
            ctx.save_for_backward(grad_a.mul_(factor), grad_b.mul_(factor))
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        grad_a, grad_b = ctx.saved_tensors
        return grad * grad_a, grad * grad_b, None


class _MultiSimilarity(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, z: Tensor, scale_pos: float, scale_neg: float, base: float
    ) -> Tensor:
        num_rows, half = z.size(0), z.size(0) // 2
        counterpart = z.roll(half, dims=0)
        positive = (z * counterpart).sum(dim=1)
        exponent = -scale_pos * (positive - base)

        def similarities(rows: slice, columns: slice) -> Tensor:
            return _negatives(z, rows, columns, scale_neg, base)

        # The matrix is symmetric: tiles of its upper triangle serve both halves.
        cut = _upper_tiles(num_rows, _most_elements(z))
        tiles = _Twice(similarities, cut, ctx.needs_input_grad[0])
        sums = _Sums()
        for rows, columns, similar in tiles.first():
            sums[rows] = similar.sum(dim=1)
            if rows != columns:
                sums[columns] = similar.sum(dim=0)
        neg_sum = sums.joined()
        loss = (
            torch.nn.functional.softplus(exponent).sum() / scale_pos
            + torch.log1p(neg_sum).sum() / scale_neg
        ) / num_rows

        if ctx.needs_input_grad[0]:
            grad_pos = -torch.sigmoid(exponent)
            grad_z = (grad_pos + grad_pos.roll(half))[:, None] * counterpart
            inverse = 1 / (1 + neg_sum)
            for rows, columns, similar in tiles.again():
                similar *= inverse[rows, None] + inverse[columns]
                grad_z[rows].add_(similar @ z[columns])
                if rows != columns:
                    grad_z[columns].add_(similar.t() @ z[rows])
            ctx.save_for_backward(grad_z / num_rows)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (grad_z,) = ctx.saved_tensors
        return grad * grad_z, None, None, None


def _upper_tiles(num_rows: int, most: int) -> Iterator[Tile]:
    """Square tiles of at most ``most`` entries on and above the diagonal of a square
    matrix.
    """
    side = max(1, int(most**0.5))
    cuts = range(0, num_rows, side)
    parts = [slice(start, min(start + side, num_rows)) for start in cuts]
    for i, rows in enumerate(parts):
        for columns in parts[i:]:
            yield rows, columns


def _negatives(
    z: Tensor, rows: slice, columns: slice, scale_neg: float, base: float
) -> Tensor:
    """Exponentials of a tile of similarities, zero for pairs that are not negatives."""
    similar = z[rows] @ z[columns].t()
    similar.sub_(base).mul_(scale_neg).exp_()
    half = z.size(0) // 2
    # A row is not a negative of itself, nor is its counterpart.
    for shift in (0, half, -half):
        first = max(rows.start, columns.start - shift)
        last = min(rows.stop, columns.stop - shift)
        if first < last:
            tile = similar[first - rows.start :, first + shift - columns.start :]
            tile.diagonal()[: last - first] = 0
    return similar
