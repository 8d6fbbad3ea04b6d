"""Triton kernel of the weighted sums of features."""

from __future__ import annotations

import triton
import triton.language as tl

from pyg_ibmea.nn.conv._triton_pieces import work


@triton.jit
def zeros(NUMBER: tl.constexpr, SHAPE: tl.constexpr, DTYPE: tl.constexpr):
    """A tuple of arrays of zeros."""
    arrays = ()
    for _ in tl.static_range(NUMBER):
        arrays = arrays + (tl.zeros(SHAPE, DTYPE),)  # noqa: RUF005
    return arrays


@triton.jit
def weights(edge, exists, column, alpha, gate, K: tl.constexpr):
    """The coefficients of some edges in one column, with their gate."""
    weight = tl.load(alpha + edge * K + column, mask=exists, other=0.0)
    if gate is not None:
        weight *= tl.load(gate + edge * K + column, mask=exists, other=0.0)
    return weight


@triton.jit
def _accumulate(total, edge, exists, alpha, gate, rows, K: tl.constexpr):
    """Adds the weighted sums of some edges' features to those of each column."""
    sums = ()
    for k in tl.static_range(K):
        weight = weights(edge, exists, k, alpha, gate, K)
        added = total[k] + tl.sum(weight[:, None] * rows, 0)
        sums = sums + (added,)  # noqa: RUF005
    return sums


@triton.jit
def weighted_sums(
    x,
    scale,
    alpha,
    gate,
    source,
    ptr,
    piece_row,
    piece_first,
    out,
    parts,
    num_rows,
    num_pieces,
    C: tl.constexpr,
    K: tl.constexpr,
    HEADS: tl.constexpr,
    LONGEST: tl.constexpr,
    EDGES: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """Outputs of rows, ``[K / HEADS, N, C]``, and parts of them by the pieces of hubs,
    ``[P, K / HEADS, C]``. A program has one piece or row, and ``CHANNELS`` channels.
    """
    number = tl.program_id(0)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    inside = channel < C
    row, begin, end = work(
        number, ptr, piece_row, piece_first, num_rows, num_pieces, LONGEST
    )
    dtype = scale.dtype.element_ty
    total = zeros(K, [CHANNELS], dtype)
    for start in range(begin, end, EDGES):
        edge = start + tl.arange(0, EDGES)
        exists = edge < end
        sender = tl.load(source + edge, mask=exists, other=0).to(tl.int64)
        place = sender[:, None] * C + channel[None, :]
        read = exists[:, None] & inside[None, :]
        rows = tl.load(x + place, mask=read, other=0.0).to(dtype)
        total = _accumulate(total, edge, exists, alpha, gate, rows, K)
    STACKS: tl.constexpr = K // HEADS
    is_piece = number < num_pieces
    is_whole = (row < num_rows) & (number >= num_pieces)
    for stack in tl.static_range(STACKS):
        value = tl.zeros([CHANNELS], dtype)
        for head in tl.static_range(HEADS):
            of_column = scale + (stack * HEADS + head) * C + channel
            w = tl.load(of_column, mask=inside, other=0.0)
            value += w * total[stack * HEADS + head]
        value *= 1 / HEADS
        to = (number.to(tl.int64) * STACKS + stack) * C + channel
        tl.store(parts + to, value, mask=inside & is_piece)
        to = (stack * num_rows + row) * C + channel
        tl.store(out + to, value, mask=inside & is_whole)
