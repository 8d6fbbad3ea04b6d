"""Diagonal attention by Triton kernels, for graphics processors.

Scores and coefficients of all matrices come first; then every row of features is read
once for all of them. No number is added up by two programs at once, so that results
repeat bit for bit.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor

from pyg_ibmea.nn.conv import _triton_forward as features
from pyg_ibmea.nn.conv import _triton_scores as scores
from pyg_ibmea.nn.conv._triton_pieces import Pieces, merge

# Edges of a hub that one program reads at most; a power of two.
LONGEST = 256


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
    num_edges, num_rows = source.numel(), ptr.numel() - 1
    num_columns, channels = scale.shape
    stacks = num_columns // heads
    out = x.new_empty(stacks, num_rows, channels)
    alpha = scale.new_empty(num_edges, num_columns)
    with torch.cuda.device_of(x):
        pieces = Pieces.of(ptr, num_edges, LONGEST)
        graph = (source, ptr, *pieces)
        sizes = (num_rows, len(pieces))
        tops, norms = scale.new_empty(2, len(pieces), num_columns)
        columns = triton.next_power_of_2(num_columns)
        of_scores = (score_src, score_dst, inner, outer, *graph)
        shape = (negative_slope, num_columns, columns, LONGEST)
        _launch(
            scores.statistics,
            (len(pieces),),
            *(*of_scores, tops, norms, *sizes, *shape),
            warps=_warps(columns),
        )
        _launch_both(
            scores.coefficients,
            *(pieces, num_rows, columns),
            *(*of_scores, tops, norms, alpha, *sizes, *shape),
        )
        parts = scale.new_empty(len(pieces), stacks, channels)
        edges, width = _tile(channels, num_columns)
        tiles = triton.cdiv(channels, width)
        _launch(
            features.weighted_sums,
            (len(pieces) + num_rows, tiles),
            *(x, scale, alpha, gate, *graph, out, parts, *sizes),
            *(channels, num_columns, heads, LONGEST, edges, width),
        )
        _merge(parts, out, ptr, pieces)
    return out, alpha


def _merge(parts: Tensor, result: Tensor, ptr: Tensor, pieces: Pieces) -> None:
    """Fills the rows of hubs in the result ``[..., N, width]`` from their parts."""
    inner, num_rows = result.size(-1), ptr.numel() - 1
    width = result.numel() // max(num_rows, 1)
    _launch(
        merge,
        (len(pieces), triton.cdiv(width, 64)),
        *(parts, ptr, *pieces, result, num_rows, width, inner, LONGEST, 64, 8),
    )


def _launch_both(
    kernel: Any, pieces: Pieces, num_rows: int, columns: int, *args: Any
) -> None:
    """Runs a kernel on scores for the pieces of hubs, then for all other rows."""
    warps = _warps(columns)
    _launch(kernel, (len(pieces),), *args, 1, LONGEST, True, warps=warps)
    rows = max(1, min(8, 64 // columns))
    _launch(kernel, (triton.cdiv(num_rows, rows),), *args, rows, 8, False)


def _warps(columns: int) -> int:
    """Warps for a program that holds the scores of a whole piece."""
    return max(1, min(8, LONGEST * columns // 256))


def _tile(channels: int, columns: int) -> tuple[int, int]:
    """Edges and channels that a program reads at a time.

    The widest tile that wastes the fewest lanes, narrower where many sums are held.
    """
    widest = 128 if columns <= 8 else 64
    if channels <= 64:
        return 8, max(16, triton.next_power_of_2(channels))
    return 8, min((widest, 64), key=lambda width: -(-channels // width) * width)


def _launch(kernel: Any, grid: tuple[int, ...], *args: Any, warps: int = 1) -> None:
    if all(size > 0 for size in grid):
        kernel[grid](*args, num_warps=warps)
