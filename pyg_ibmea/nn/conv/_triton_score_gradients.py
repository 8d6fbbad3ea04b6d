"""Triton kernels of the gradients of scores, on blocks as in the softmax."""

from __future__ import annotations

import triton
import triton.language as tl

from pyg_ibmea.nn.conv._triton_pieces import pieces_of, work
from pyg_ibmea.nn.conv._triton_scores import numbers, read_block, read_scores


@triton.jit
def _read_gradients(block, products, gate):
    """The gradients of the coefficients of a block."""
    _, _, place, inside = block
    value = tl.load(products + place, mask=inside, other=0.0)
    if gate is not None:
        value *= tl.load(gate + place, mask=inside, other=0.0)
    return value


@triton.jit
def _mean(block, alpha, products, gate):
    """The mean of the gradients by the coefficients, over the edges of a block."""
    _, _, place, inside = block
    weight = tl.load(alpha + place, mask=inside, other=0.0)
    return tl.sum(weight * _read_gradients(block, products, gate), 1)


@triton.jit
def means(
    products,
    alpha,
    gate,
    ptr,
    piece_row,
    piece_first,
    parts,
    num_rows,
    num_pieces,
    K: tl.constexpr,
    COLUMNS: tl.constexpr,
    LONGEST: tl.constexpr,
):
    """What each piece adds to the mean of its row, ``[P, K]``."""
    number = numbers(num_pieces, 1, True)
    _, begin, end = work(
        number, ptr, piece_row, piece_first, num_rows, num_pieces, LONGEST
    )
    block = read_block(begin, end, 0, K, COLUMNS, LONGEST)
    column = tl.arange(0, COLUMNS)[None, :]
    to = parts + number[:, None].to(tl.int64) * K + column
    tl.store(to, _mean(block, alpha, products, gate), mask=column < K)


@triton.jit
def score_gradients(
    score_src,
    score_dst,
    inner,
    gate,
    source,
    ptr,
    piece_row,
    piece_first,
    products,
    alpha,
    parts,
    grad_inner,
    grad_outer,
    grad_gate,
    num_rows,
    num_pieces,
    SLOPE: tl.constexpr,
    K: tl.constexpr,
    COLUMNS: tl.constexpr,
    LONGEST: tl.constexpr,
    ROWS: tl.constexpr,
    EDGES: tl.constexpr,
    HUBS: tl.constexpr,
):
    """Gradients of all that is given for each edge, from those of the coefficients with
    their gate.
    """
    number = numbers(num_pieces, ROWS, HUBS)
    row, begin, end = work(
        number, ptr, piece_row, piece_first, num_rows, num_pieces, LONGEST
    )
    longest = tl.max(end - begin, 0)
    mean = tl.zeros([ROWS, COLUMNS], alpha.dtype.element_ty)
    if HUBS:
        first, last = pieces_of(row, ptr, piece_first, row < num_rows, LONGEST)
        for start in range(0, tl.max(last - first, 0), 64):
            _, _, place, inside = read_block(first, last, start, K, COLUMNS, 64)
            mean += tl.sum(tl.load(parts + place, mask=inside, other=0.0), 1)
    else:
        for start in range(0, longest, EDGES):
            block = read_block(begin, end, start, K, COLUMNS, EDGES)
            mean += _mean(block, alpha, products, gate)
    for start in range(0, longest, EDGES):
        block = read_block(begin, end, start, K, COLUMNS, EDGES)
        _, _, place, inside = block
        weight = tl.load(alpha + place, mask=inside, other=0.0)
        if gate is not None:
            product = tl.load(products + place, mask=inside, other=0.0)
            tl.store(grad_gate + place, weight * product, mask=inside)
        value = weight * (_read_gradients(block, products, gate) - mean[:, None, :])
        tl.store(grad_outer + place, value, mask=inside)
        before = read_scores(
            block, row, source, score_src, score_dst, inner, K, COLUMNS
        )
        value = -tl.where(before > 0, value, SLOPE * value)
        tl.store(grad_inner + place, value, mask=inside)


@triton.jit
def sums(
    values,
    perm,
    ptr,
    piece_row,
    piece_first,
    result,
    parts,
    num_rows,
    num_pieces,
    K: tl.constexpr,
    COLUMNS: tl.constexpr,
    LONGEST: tl.constexpr,
    ROWS: tl.constexpr,
    EDGES: tl.constexpr,
    HUBS: tl.constexpr,
):
    """Sums of values ``[E, K]`` over the edges of each row, ``[N, K]``, or parts of
    them by the pieces of hubs, ``[P, K]``. ``perm`` says where the edges' values are.
    """
    number = numbers(num_pieces, ROWS, HUBS)
    row, begin, end = work(
        number, ptr, piece_row, piece_first, num_rows, num_pieces, LONGEST
    )
    total = tl.zeros([ROWS, COLUMNS], values.dtype.element_ty)
    column = tl.arange(0, COLUMNS)
    for start in range(0, tl.max(end - begin, 0), EDGES):
        edge, exists, place, inside = read_block(begin, end, start, K, COLUMNS, EDGES)
        if perm is not None:
            edge = tl.load(perm + edge, mask=exists, other=0).to(tl.int64)
            place = edge[:, :, None] * K + column[None, None, :]
        total += tl.sum(tl.load(values + place, mask=inside, other=0.0), 1)
    inside = (column < K)[None, :] & (row < num_rows)[:, None]
    to = parts + number[:, None].to(tl.int64) * K
    if not HUBS:
        to = result + row[:, None] * K
    tl.store(to + column[None, :], total, mask=inside)
