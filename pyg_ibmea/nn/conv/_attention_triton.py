"""Diagonal attention by Triton kernels, for graphics processors.

Scores and coefficients of all matrices come first; then every row of features is read
once for all of them. No number is added up by two programs at once, so that results
repeat bit for bit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor

from pyg_ibmea.nn.conv import _triton_features as features
from pyg_ibmea.nn.conv import _triton_score_gradients as gradients
from pyg_ibmea.nn.conv import _triton_scores as scores
from pyg_ibmea.nn.conv._derived import Derived
from pyg_ibmea.nn.conv._triton_forward import weighted_sums
from pyg_ibmea.nn.conv._triton_pieces import Pieces, groups, merge

# Edges of a hub that one program reads at most; a power of two.
LONGEST = 256

# Programs that share the senders, each with its part of the gradient of the scale.
MOST_GROUPS = 1024


_pieces: Derived[Pieces] = Derived()
_groups: Derived[Tensor] = Derived()


class _Rows(NamedTuple):
    """The rows of a sorted graph and how programs share them."""

    ptr: Tensor
    pieces: Pieces
    columns: int

    @classmethod
    def of(cls, ptr: Tensor, num_edges: int, columns: int) -> _Rows:
        pieces = _pieces.of(
            ptr, (num_edges, LONGEST), lambda: Pieces.of(ptr, num_edges, LONGEST)
        )
        return cls(ptr, pieces, columns)

    @property
    def number(self) -> int:
        return self.ptr.numel() - 1

    @property
    def arrays(self) -> tuple[Tensor, ...]:
        """What tells a kernel where the edges of rows and pieces are."""
        return (self.ptr, *self.pieces)

    @property
    def sizes(self) -> tuple[int, int]:
        return self.number, self.pieces.number

    @property
    def shape(self) -> tuple[int, int, int]:
        """Columns, their number rounded up to a power of two, longest piece."""
        return self.columns, triton.next_power_of_2(self.columns), LONGEST

    def on_pieces(self, kernel: Any, *args: Any) -> None:
        """Runs a kernel that has the scores of one piece in a program."""
        warps = max(1, min(8, LONGEST * self.shape[1] // 128))
        _launch(kernel, (self.pieces.number,), *args, warps=warps)

    def on_all(self, kernel: Any, *args: Any) -> None:
        """Runs a kernel on scores for the pieces of hubs, and for all other rows."""
        self.on_pieces(kernel, *args, 1, LONGEST, True)
        rows = max(1, min(8, 32 // self.shape[1]))
        _launch(kernel, (triton.cdiv(self.number, rows),), *args, rows, 8, False)

    def merge(self, parts: Tensor, result: Tensor) -> None:
        """Fills the hubs' rows of a result ``[..., N, width]`` from their parts."""
        inner = result.size(-1)
        width = result.numel() // max(self.number, 1)
        _launch(
            merge,
            (self.pieces.number, triton.cdiv(width, 64)),
            *(parts, *self.arrays, result, self.number, width, inner, LONGEST, 64, 8),
        )


def forward(
    x: Tensor,
    scale: Tensor,
    score_src: Tensor,
    score_dst: Tensor | None,
    inner: Tensor | None,
    outer: Tensor | None,
    gate: Tensor | None,
    source: Tensor,
    ptr: Tensor,
    heads: int,
    negative_slope: float,
) -> tuple[Tensor, Tensor]:
    """Outputs ``[K / H, N_t, C]``, in the type of ``x``, and coefficients ``[E, K]``,
    in that of ``scale``, the type in which sums are taken.
    """
    x, scale, score_src, score_dst, inner, outer, gate, source, ptr = _contiguous(
        x, scale, score_src, score_dst, inner, outer, gate, source, ptr
    )
    num_columns, channels = scale.shape
    stacks = num_columns // heads
    with torch.cuda.device_of(x):
        rows = _Rows.of(ptr, source.numel(), num_columns)
        out = x.new_empty(stacks, rows.number, channels)
        alpha = scale.new_empty(source.numel(), num_columns)
        tops = scale.new_empty(rows.pieces.number, num_columns)
        norms = torch.empty_like(tops)
        given = (score_src, score_dst, inner, outer, source, *rows.arrays, tops, norms)
        shape = (*rows.sizes, negative_slope, *rows.shape)
        rows.on_pieces(scores.statistics, *given, *shape)
        rows.on_all(scores.coefficients, *given, alpha, *shape)
        parts = scale.new_empty(rows.pieces.number, stacks, channels)
        width = _width(channels, num_columns)
        _launch(
            weighted_sums,
            (sum(rows.sizes), triton.cdiv(channels, width)),
            *(x, scale, alpha, gate, source, *rows.arrays, out, parts, *rows.sizes),
            *(channels, num_columns, heads, LONGEST, 8, width),
        )
        rows.merge(parts, out)
    return out, alpha


def backward(
    grad: Tensor,
    alpha: Tensor,
    x: Tensor,
    scale: Tensor,
    score_src: Tensor,
    score_dst: Tensor | None,
    inner: Tensor | None,
    gate: Tensor | None,
    source: Tensor,
    ptr: Tensor,
    t_target: Tensor,
    t_ptr: Tensor,
    t_perm: Tensor,
    heads: int,
    negative_slope: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x, scale, score_src, score_dst, inner, outer and gate."""
    grad, alpha, x, scale, score_src, score_dst, inner, gate = _contiguous(
        grad, alpha, x, scale, score_src, score_dst, inner, gate
    )
    source, ptr, t_target, t_ptr, t_perm = _contiguous(
        source, ptr, t_target, t_ptr, t_perm
    )
    num_edges, num_columns = alpha.shape
    with torch.cuda.device_of(x):
        rows = _Rows.of(ptr, num_edges, num_columns)
        of_edges = _edge_gradients(
            *(grad, alpha, x, scale, score_src, score_dst, inner, gate, source),
            *(rows, heads, negative_slope),
        )
        senders = _Rows.of(t_ptr, num_edges, num_columns)
        of_features = _feature_gradients(
            grad, alpha, x, scale, gate, t_target, t_perm, senders, rows.number, heads
        )
        grad_src = _sums(of_edges[0], t_perm, senders)
        grad_dst = _sums(of_edges[0], None, rows)
    return *of_features, grad_src, grad_dst, *of_edges


def _edge_gradients(
    grad: Tensor,
    alpha: Tensor,
    x: Tensor,
    scale: Tensor,
    score_src: Tensor,
    score_dst: Tensor | None,
    inner: Tensor | None,
    gate: Tensor | None,
    source: Tensor,
    rows: _Rows,
    heads: int,
    negative_slope: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of inner, outer and gate."""
    num_columns, channels = scale.shape
    products, grad_inner, grad_outer = (torch.empty_like(alpha) for _ in range(3))
    grad_gate = scale.new_empty(0) if gate is None else torch.empty_like(alpha)
    width = min(64, _width(channels, num_columns))
    # As many edges as registers can hold products of, at 64 a thread.
    edges = max(1, min(8, 2048 // (triton.next_power_of_2(num_columns) * width)))
    _launch(
        features.edge_products,
        (sum(rows.sizes),),
        *(grad, x, scale, source, *rows.arrays, products, *rows.sizes),
        *(channels, num_columns, heads, LONGEST, edges, width),
    )
    parts = scale.new_empty(rows.pieces.number, num_columns)
    rows.on_pieces(
        gradients.means,
        *(products, alpha, gate, *rows.arrays, parts, *rows.sizes, *rows.shape),
    )
    rows.on_all(
        gradients.score_gradients,
        *(score_src, score_dst, inner, gate, source, *rows.arrays),
        *(products, alpha, parts, grad_inner, grad_outer, grad_gate),
        *(*rows.sizes, negative_slope, *rows.shape),
    )
    return grad_inner, grad_outer, grad_gate


def _feature_gradients(
    grad: Tensor,
    alpha: Tensor,
    x: Tensor,
    scale: Tensor,
    gate: Tensor | None,
    t_target: Tensor,
    t_perm: Tensor,
    senders: _Rows,
    num_targets: int,
    heads: int,
) -> tuple[Tensor, Tensor]:
    """Gradients of x and scale."""
    num_columns, channels = scale.shape
    num_groups = min(senders.number, MOST_GROUPS)
    hub_groups = min(senders.pieces.number, MOST_GROUPS)
    grad_x = torch.empty_like(x)
    parts = scale.new_empty(senders.pieces.number, channels)
    scale_parts = scale.new_empty(hub_groups + num_groups, *scale.shape)
    width = _width(channels, num_columns)
    _launch(
        features.feature_gradients,
        (len(scale_parts), triton.cdiv(channels, width)),
        *(grad, x, scale, alpha, gate, t_target, t_perm, *senders.arrays),
        _groups.of(
            senders.ptr,
            (num_groups, LONGEST),
            lambda: groups(senders.ptr, num_groups, LONGEST),
        ),
        *(grad_x, parts, scale_parts, num_targets, *senders.sizes, hub_groups),
        *(channels, num_columns, heads, LONGEST, 8, width),
    )
    senders.merge(parts, grad_x)
    return grad_x, scale_parts.sum(0)


def _sums(values: Tensor, perm: Tensor | None, rows: _Rows) -> Tensor:
    """Sums over the edges of each row, ``[N, K]``."""
    result = values.new_empty(rows.number, rows.columns)
    parts = values.new_empty(rows.pieces.number, rows.columns)
    rows.on_all(
        gradients.sums,
        *(values, perm, *rows.arrays, result, parts, *rows.sizes, *rows.shape),
    )
    rows.merge(parts, result)
    return result


def _width(channels: int, columns: int) -> int:
    """Channels that a program reads at a time: the most that waste the fewest lanes,
    fewer where many sums are held.
    """
    if channels <= 64:
        return max(16, 1 << (channels - 1).bit_length())
    widest = 128 if columns <= 8 else 64
    return min((widest, 64), key=lambda width: -(-channels // width) * width)


def _contiguous(*tensors: Tensor | None) -> list[Any]:
    return [None if tensor is None else tensor.contiguous() for tensor in tensors]


def _launch(kernel: Any, grid: tuple[int, ...], *args: Any, warps: int = 1) -> None:
    if all(size > 0 for size in grid):
        kernel[grid](*args, num_warps=warps)
