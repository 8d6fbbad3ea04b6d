"""Triton kernels of the gradients that need features: by edges, and of the features."""

from __future__ import annotations

import triton
import triton.language as tl

from pyg_ibmea.nn.conv._triton_forward import weights, zeros
from pyg_ibmea.nn.conv._triton_pieces import work


@triton.jit
def _multiplied(
    total,
    rows,
    grad,
    scale,
    row,
    channel,
    num_rows,
    C: tl.constexpr,
    K: tl.constexpr,
    HEADS: tl.constexpr,
):
    """Adds the products of features and gradients, channel by channel, to each
    column's ``[EDGES, CHANNELS]``.
    """
    inside = channel < C
    products = ()
    for stack in tl.static_range(K // HEADS):
        of_row = grad + (stack * num_rows + row) * C + channel
        at_row = tl.load(of_row, mask=inside, other=0.0).to(scale.dtype.element_ty)
        for head in tl.static_range(HEADS):
            of_column = scale + (stack * HEADS + head) * C + channel
            scaled = at_row * tl.load(of_column, mask=inside, other=0.0)
            added = total[stack * HEADS + head] + scaled[None, :] * rows
            products = products + (added,)  # noqa: RUF005
    return products


@triton.jit
def edge_products(
    grad,
    x,
    scale,
    source,
    ptr,
    piece_row,
    piece_first,
    products,
    num_rows,
    num_pieces,
    C: tl.constexpr,
    K: tl.constexpr,
    HEADS: tl.constexpr,
    LONGEST: tl.constexpr,
    EDGES: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """Gradients of the coefficients with their gate, ``[E, K]``. A program has one
    piece or row.
    """
    row, begin, end = work(
        *(tl.program_id(0), ptr, piece_row, piece_first),
        *(num_rows, num_pieces, LONGEST),
    )
    dtype = scale.dtype.element_ty
    for start in range(begin, end, EDGES):
        edge = start + tl.arange(0, EDGES)
        exists = edge < end
        sender = tl.load(source + edge, mask=exists, other=0).to(tl.int64)
        total = zeros(K, [EDGES, CHANNELS], dtype)
        for first in range(0, C, CHANNELS):
            channel = first + tl.arange(0, CHANNELS)
            read = exists[:, None] & (channel < C)[None, :]
            place = sender[:, None] * C + channel[None, :]
            rows = tl.load(x + place, mask=read, other=0.0).to(dtype)
            total = _multiplied(
                total, rows, grad, scale, row, channel, num_rows, C, K, HEADS
            )
        for k in tl.static_range(K):
            value = tl.sum(total[k], 1) * (1 / HEADS)
            tl.store(products + edge * K + k, value, mask=exists)


@triton.jit
def _accumulate(
    total,
    grad,
    receiver,
    edge,
    exists,
    channel,
    alpha,
    gate,
    num_targets,
    C: tl.constexpr,
    K: tl.constexpr,
    HEADS: tl.constexpr,
):
    """Adds the weighted sums of some edges' gradients to those of each column."""
    read = exists[:, None] & (channel < C)[None, :]
    added = ()
    for stack in tl.static_range(K // HEADS):
        place = (stack * num_targets + receiver)[:, None] * C + channel[None, :]
        rows = tl.load(grad + place, mask=read, other=0.0).to(total[0].dtype)
        for head in tl.static_range(HEADS):
            k = stack * HEADS + head
            weight = weights(edge, exists, k, alpha, gate, K)
            part = total[stack * HEADS + head] + tl.sum(weight[:, None] * rows, 0)
            added = added + (part,)  # noqa: RUF005
    return added


@triton.jit
def _add_scaled(of_scale, total, at_x, K: tl.constexpr):
    """Adds the features times the sums of gradients to each column's."""
    added = ()
    for k in tl.static_range(K):
        added = added + (of_scale[k] + at_x * total[k],)  # noqa: RUF005
    return added


@triton.jit
def feature_gradients(
    grad,
    x,
    scale,
    alpha,
    gate,
    t_target,
    t_perm,
    t_ptr,
    piece_row,
    piece_first,
    borders,
    grad_x,
    parts,
    scale_parts,
    num_targets,
    num_rows,
    num_pieces,
    num_hub_groups,
    C: tl.constexpr,
    K: tl.constexpr,
    HEADS: tl.constexpr,
    LONGEST: tl.constexpr,
    EDGES: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """Gradients of features and scales, sender by sender.

    A program has ``CHANNELS`` channels and either every ``num_hub_groups``-th piece or
    a run of rows. Gradients of features go to the rows, ``[N, C]``, or are parts by
    pieces, ``[P, C]``; those of scales are parts by programs, ``[G, K, C]``.
    """
    program = tl.program_id(0)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    inside = channel < C
    on_hubs = program < num_hub_groups
    border = borders + tl.maximum(program - num_hub_groups, 0)
    first = tl.where(on_hubs, program, num_pieces + tl.load(border)).to(tl.int64)
    last = tl.where(on_hubs, num_pieces, num_pieces + tl.load(border + 1)).to(tl.int64)
    step = tl.where(on_hubs, num_hub_groups, 1).to(tl.int64)
    dtype = scale.dtype.element_ty
    of_scale = zeros(K, [CHANNELS], dtype)
    for number in range(first, last, step):
        row, begin, end = work(
            number, t_ptr, piece_row, piece_first, num_rows, num_pieces, LONGEST
        )
        total = zeros(K, [CHANNELS], dtype)
        for start in range(begin, end, EDGES):
            place = start + tl.arange(0, EDGES)
            exists = place < end
            receiver = tl.load(t_target + place, mask=exists, other=0).to(tl.int64)
            edge = tl.load(t_perm + place, mask=exists, other=0).to(tl.int64)
            total = _accumulate(
                *(total, grad, receiver, edge, exists, channel, alpha, gate),
                *(num_targets, C, K, HEADS),
            )
        used = inside & (row < num_rows)
        value = tl.zeros([CHANNELS], dtype)
        for k in tl.static_range(K):
            w = tl.load(scale + k * C + channel, mask=inside, other=0.0)
            value += w * total[k]
        value *= 1 / HEADS
        is_piece = number < num_pieces
        tl.store(parts + number * C + channel, value, mask=used & is_piece)
        at_row = row * C + channel
        tl.store(grad_x + at_row, value, mask=used & (number >= num_pieces))
        at_x = tl.load(x + at_row, mask=used, other=0.0).to(dtype) * (1 / HEADS)
        of_scale = _add_scaled(of_scale, total, at_x, K)
    for k in tl.static_range(K):
        to = (program.to(tl.int64) * K + k) * C + channel
        tl.store(scale_parts + to, of_scale[k], mask=inside)
