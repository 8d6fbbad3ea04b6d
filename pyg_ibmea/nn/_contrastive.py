"""Contrastive losses over all pairs of a batch, without the matrix of all pairs.

Both losses are sums over the entries of a similarity matrix that is formed a block of
rows at a time. The gradient is formed from the same blocks, in the forward pass, so
that memory grows with the batch and not with its square.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK_ELEMENTS = 2**21
"""Entries of the similarity matrix in memory at a time (8 MiB in float32)."""


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


def _row_blocks(num_rows: int, num_columns: int) -> Iterator[slice]:
    step = max(1, BLOCK_ELEMENTS // max(1, num_columns))
    for start in range(0, num_rows, step):
        yield slice(start, min(start + step, num_rows))


class _InfoNCE(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, temperature: float) -> Tensor:
        num_pairs = a.size(0)
        positive = (a * b).sum(dim=1) / temperature
        lse_row = torch.empty_like(positive)
        lse_column = torch.full_like(positive, -torch.inf)
        for rows in _row_blocks(num_pairs, num_pairs):
            score = (a[rows] @ b.t()) / temperature
            lse_row[rows] = score.logsumexp(dim=1)
            lse_column = torch.logaddexp(lse_column, score.logsumexp(dim=0))
        loss = (lse_row + lse_column - 2 * positive).sum() / (2 * num_pairs)

        if any(ctx.needs_input_grad[:2]):
            grad_a, grad_b = -2 * b, -2 * a
            for rows in _row_blocks(num_pairs, num_pairs):
                score = (a[rows] @ b.t()) / temperature
                weight = (score - lse_row[rows, None]).exp_()
                weight += (score - lse_column).exp_()
                grad_a[rows] += weight @ b
                grad_b += weight.t() @ a[rows]
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
        # The matrix is symmetric: blocks of its upper triangle serve both halves.
        neg_sum = torch.zeros_like(positive)
        for rows, columns in _upper_blocks(num_rows):
            similar = _negatives(z, rows, columns, scale_neg, base)
            neg_sum[rows] += similar.sum(dim=1)
            tail = rows.stop - rows.start
            neg_sum[rows.stop :] += similar[:, tail:].sum(dim=0)
        loss = (
            torch.nn.functional.softplus(exponent).sum() / scale_pos
            + torch.log1p(neg_sum).sum() / scale_neg
        ) / num_rows

        if ctx.needs_input_grad[0]:
            grad_pos = -torch.sigmoid(exponent)
            grad_z = (grad_pos + grad_pos.roll(half))[:, None] * counterpart
            inverse = 1 / (1 + neg_sum)
            for rows, columns in _upper_blocks(num_rows):
                similar = _negatives(z, rows, columns, scale_neg, base)
                similar *= inverse[rows, None] + inverse[columns]
                grad_z[rows] += similar @ z[columns]
                tail = rows.stop - rows.start
                grad_z[rows.stop :] += similar[:, tail:].t() @ z[rows]
            ctx.save_for_backward(grad_z / num_rows)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (grad_z,) = ctx.saved_tensors
        return grad * grad_z, None, None, None


def _upper_blocks(num_rows: int) -> Iterator[tuple[slice, slice]]:
    for rows in _row_blocks(num_rows, num_rows):
        yield rows, slice(rows.start, num_rows)


def _negatives(
    z: Tensor, rows: slice, columns: slice, scale_neg: float, base: float
) -> Tensor:
    """Exponentials of a block of similarities, zero where the pair is no negative."""
    similar = z[rows] @ z[columns].t()
    similar.sub_(base).mul_(scale_neg).exp_()
    row = torch.arange(rows.start, rows.stop, device=z.device)
    half = z.size(0) // 2
    local = row - rows.start
    similar[local, row - columns.start] = 0
    forward = row[row < half]
    similar[forward - rows.start, forward + half - columns.start] = 0
    backward = row[(row >= half) & (row - half >= columns.start)]
    similar[backward - rows.start, backward - half - columns.start] = 0
    return similar
