"""Triton kernels of the softmax of scores over the edges of a row.

Programs work on blocks of ``ROWS`` rows, ``EDGES`` edges of each at a time and all
``K`` columns; those on hubs take one piece at a time, whole.
"""

from __future__ import annotations

import triton
import triton.language as tl

from pyg_ibmea.nn.conv._triton_pieces import pieces_of, work


@triton.jit
def numbers(num_pieces, ROWS: tl.constexpr, HUBS: tl.constexpr):
    """Numbers of the work of a program: one piece of a hub, or some rows."""
    number = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    if not HUBS:
        number += num_pieces
    return number


@triton.jit
def read_block(begin, end, start, K, COLUMNS: tl.constexpr, EDGES: tl.constexpr):
    """Edges of a block and whether they exist, ``[ROWS, EDGES]``; places in an array
    ``[E, K]`` and whether they exist, ``[ROWS, EDGES, COLUMNS]``.
    """
    edge = (begin + start)[:, None] + tl.arange(0, EDGES)[None, :]
    exists = edge < end[:, None]
    column = tl.arange(0, COLUMNS)[None, None, :]
    return (
        edge,
        exists,
        edge[:, :, None] * K + column,
        exists[:, :, None] & (column < K),
    )


@triton.jit
def read_scores(
    block, row, source, score_src, score_dst, inner, K, COLUMNS: tl.constexpr
):
    """The scores of a block before the nonlinearity, ``[ROWS, EDGES, COLUMNS]``."""
    edge, exists, place, inside = block
    column = tl.arange(0, COLUMNS)[None, None, :]
    sender = tl.load(source + edge, mask=exists, other=0).to(tl.int64)
    value = tl.load(score_src + sender[:, :, None] * K + column, mask=inside, other=0.0)
    if score_dst is not None:
        at_row = score_dst + row[:, None, None] * K + column
        value += tl.load(at_row, mask=inside, other=0.0)
    if inner is not None:
        value += tl.load(inner + place, mask=inside, other=0.0)
    return value


@triton.jit
def _read_logits(
    block,
    row,
    source,
    score_src,
    score_dst,
    inner,
    outer,
    SLOPE: tl.constexpr,
    K: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """What enters the softmax; minus infinity where there is no edge."""
    before = read_scores(block, row, source, score_src, score_dst, inner, K, COLUMNS)
    _, _, place, inside = block
    value = -tl.where(before > 0, before, SLOPE * before)
    if outer is not None:
        value += tl.load(outer + place, mask=inside, other=0.0)
    return tl.where(inside, value, float("-inf"))


@triton.jit
def _merged(top, norm, other_top, other_norm):
    """Largest score and sum of exponentials of two sets of edges together."""
    high = tl.maximum(top, other_top)
    # Nothing but minus infinity so far: its exponentials count as zero.
    base = tl.where(high == float("-inf"), 0.0, high)
    norm = norm * tl.exp(top - base) + other_norm * tl.exp(other_top - base)
    return high, norm


@triton.jit
def _set_statistics(logits):
    """Largest score and sum of exponentials over the edges of a block."""
    top = tl.max(logits, 1)
    base = tl.where(top == float("-inf"), 0.0, top)
    return top, tl.sum(tl.exp(logits - base[:, None, :]), 1)


@triton.jit
def statistics(
    score_src,
    score_dst,
    inner,
    outer,
    source,
    ptr,
    piece_row,
    piece_first,
    tops,
    norms,
    num_rows,
    num_pieces,
    SLOPE: tl.constexpr,
    K: tl.constexpr,
    COLUMNS: tl.constexpr,
    LONGEST: tl.constexpr,
):
    """Largest score and sum of exponentials of each piece, ``[P, K]``."""
    number = numbers(num_pieces, 1, True)
    row, begin, end = work(
        number, ptr, piece_row, piece_first, num_rows, num_pieces, LONGEST
    )
    block = read_block(begin, end, 0, K, COLUMNS, LONGEST)
    logits = _read_logits(
        block, row, source, score_src, score_dst, inner, outer, SLOPE, K, COLUMNS
    )
    top, norm = _set_statistics(logits)
    column = tl.arange(0, COLUMNS)[None, :]
    to = number[:, None].to(tl.int64) * K + column
    tl.store(tops + to, top, mask=column < K)
    tl.store(norms + to, norm, mask=column < K)


@triton.jit
def coefficients(
    score_src,
    score_dst,
    inner,
    outer,
    source,
    ptr,
    piece_row,
    piece_first,
    tops,
    norms,
    alpha,
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
    """Softmax of the scores over the edges of each row, ``[E, K]``."""
    number = numbers(num_pieces, ROWS, HUBS)
    row, begin, end = work(
        number, ptr, piece_row, piece_first, num_rows, num_pieces, LONGEST
    )
    dtype = alpha.dtype.element_ty
    longest = tl.max(end - begin, 0)
    top = tl.full([ROWS, COLUMNS], float("-inf"), dtype)
    norm = tl.zeros([ROWS, COLUMNS], dtype)
    if HUBS:
        column = tl.arange(0, COLUMNS)[None, None, :]
        first, last = pieces_of(row, ptr, piece_first, row < num_rows, LONGEST)
        for start in range(0, tl.max(last - first, 0), 64):
            piece = (first + start)[:, None, None] + tl.arange(0, 64)[None, :, None]
            theirs = (piece < last[:, None, None]) & (column < K)
            at = piece.to(tl.int64) * K + column
            piece_top = tl.load(tops + at, mask=theirs, other=float("-inf"))
            piece_norm = tl.load(norms + at, mask=theirs, other=0.0)
            high = tl.max(piece_top, 1)
            base = tl.where(high == float("-inf"), 0.0, high)
            piece_norm *= tl.exp(piece_top - base[:, None, :])
            top, norm = _merged(top, norm, high, tl.sum(piece_norm, 1))
    else:
        for start in range(0, longest, EDGES):
            block = read_block(begin, end, start, K, COLUMNS, EDGES)
            logits = _read_logits(
                block,
                row,
                source,
                score_src,
                score_dst,
                inner,
                outer,
                SLOPE,
                K,
                COLUMNS,
            )
            block_top, block_norm = _set_statistics(logits)
            top, norm = _merged(top, norm, block_top, block_norm)
    for start in range(0, longest, EDGES):
        block = read_block(begin, end, start, K, COLUMNS, EDGES)
        logits = _read_logits(
            block, row, source, score_src, score_dst, inner, outer, SLOPE, K, COLUMNS
        )
        value = tl.exp(logits - top[:, None, :]) / norm[:, None, :]
        tl.store(alpha + block[2], value, mask=block[3])
