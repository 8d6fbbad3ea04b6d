"""Kernels of diagonal attention for the CPU, compiled by numba on their first use.

Each reads a neighbour's features once for all attention matrices. Work is cut into
pieces of about equal numbers of edges; every number is summed up by one thread in a
fixed order, so that results do not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from pyg_ibmea.nn.conv._compiled import compiled
from pyg_ibmea.nn.conv._prefetch import prefetch

Array = Any  # numpy arrays; empty ones stand for what is not given

_NUM_PIECES = 64
_AHEAD = 4  # edges between asking for a row and reading it


def pieces(ptr: Array) -> Array:
    """Borders of the pieces: nodes ``[65]``, of about as many edges each."""
    # A node costs something too, however few its edges.
    cost = ptr + np.arange(len(ptr))
    goals = np.linspace(0, cost[-1], _NUM_PIECES + 1)
    borders = np.searchsorted(cost, goals)
    borders[0], borders[-1] = 0, len(ptr) - 1
    return borders


# Sums may be regrouped, but NaN and infinity keep their meaning.
_compiled = compiled(parallel=True, fastmath={"nsz", "contract", "reassoc"})


@_compiled
def forward(
    x: Array,
    scale: Array,
    score_src: Array,
    score_dst: Array,
    inner: Array,
    outer: Array,
    gate: Array,
    source: Array,
    ptr: Array,
    borders: Array,
    negative_slope: float,
    heads: int,
    out: Array,
    alpha: Array,
) -> None:
    """Fills ``alpha`` with the coefficients and ``out`` with the weighted sums."""
    num_columns, channels = scale.shape
    share = x.dtype.type(1 / heads)
    slope = x.dtype.type(negative_slope)
    for piece in numba.prange(len(borders) - 1):
        total = np.empty((num_columns, channels), x.dtype)
        end = ptr[borders[piece + 1]]
        for i in range(borders[piece], borders[piece + 1]):
            first, last = ptr[i], ptr[i + 1]
            for k in range(num_columns):
                largest = x.dtype.type(-np.inf)
                for e in range(first, last):
                    score = score_src[source[e], k]
                    if score_dst.size > 0:
                        score += score_dst[i, k]
                    if inner.size > 0:
                        score += inner[e, k]
                    score = -score if score > 0 else -slope * score
                    if outer.size > 0:
                        score += outer[e, k]
                    alpha[e, k] = score
                    largest = max(largest, score)
                norm = x.dtype.type(0)
                for e in range(first, last):
                    alpha[e, k] = np.exp(alpha[e, k] - largest)
                    norm += alpha[e, k]
                for e in range(first, last):
                    alpha[e, k] /= norm
            total[:] = 0
            for e in range(first, last):
                if e + _AHEAD < end:
                    prefetch(x, source[e + _AHEAD])
                    prefetch(score_src, source[e + _AHEAD])
                j = source[e]
                for k in range(num_columns):
                    weight = alpha[e, k]
                    if gate.size > 0:
                        weight *= gate[e, k]
                    for c in range(channels):
                        total[k, c] += weight * x[j, c]
            for stack in range(out.shape[0]):
                for c in range(channels):
                    out[stack, i, c] = 0
                for k in range(stack * heads, (stack + 1) * heads):
                    for c in range(channels):
                        out[stack, i, c] += share * scale[k, c] * total[k, c]


@_compiled
def backward_scores(
    grad: Array,
    x: Array,
    scale: Array,
    score_src: Array,
    score_dst: Array,
    inner: Array,
    gate: Array,
    alpha: Array,
    source: Array,
    ptr: Array,
    borders: Array,
    negative_slope: float,
    heads: int,
    grad_inner: Array,
    grad_outer: Array,
    grad_gate: Array,
    grad_dst: Array,
) -> None:
    """The gradients of all that enters the softmax, edge by edge."""
    num_columns, channels = scale.shape
    share = x.dtype.type(1 / heads)
    slope = x.dtype.type(negative_slope)
    for piece in numba.prange(len(borders) - 1):
        scaled = np.empty((num_columns, channels), x.dtype)
        end = ptr[borders[piece + 1]]
        for i in range(borders[piece], borders[piece + 1]):
            first, last = ptr[i], ptr[i + 1]
            for k in range(num_columns):
                for c in range(channels):
                    scaled[k, c] = share * scale[k, c] * grad[k // heads, i, c]
            for e in range(first, last):
                if e + _AHEAD < end:
                    prefetch(x, source[e + _AHEAD])
                    prefetch(score_src, source[e + _AHEAD])
                j = source[e]
                for k in range(num_columns):
                    product = x.dtype.type(0)
                    for c in range(channels):
                        product += scaled[k, c] * x[j, c]
                    if gate.size > 0:
                        grad_gate[e, k] = product * alpha[e, k]
                        product *= gate[e, k]
                    grad_outer[e, k] = product
            for k in range(num_columns):
                mean = x.dtype.type(0)
                for e in range(first, last):
                    mean += alpha[e, k] * grad_outer[e, k]
                at_target = x.dtype.type(0)
                for e in range(first, last):
                    value = alpha[e, k] * (grad_outer[e, k] - mean)
                    grad_outer[e, k] = value
                    score = score_src[source[e], k]
                    if score_dst.size > 0:
                        score += score_dst[i, k]
                    if inner.size > 0:
                        score += inner[e, k]
                    value = -value if score > 0 else -slope * value
                    grad_inner[e, k] = value
                    at_target += value
                grad_dst[i, k] = at_target


@_compiled
def backward_features(
    grad: Array,
    x: Array,
    scale: Array,
    gate: Array,
    alpha: Array,
    grad_inner: Array,
    t_target: Array,
    t_ptr: Array,
    t_perm: Array,
    borders: Array,
    heads: int,
    grad_x: Array,
    grad_scale: Array,
    grad_src: Array,
) -> None:
    """The gradients of features and scales, sender by sender; ``grad_scale`` has a
    part for each piece, to be summed by the caller.
    """
    num_columns, channels = scale.shape
    share = x.dtype.type(1 / heads)
    for piece in numba.prange(len(borders) - 1):
        total = np.empty((num_columns, channels), x.dtype)
        end = t_ptr[borders[piece + 1]]
        for j in range(borders[piece], borders[piece + 1]):
            total[:] = 0
            for k in range(num_columns):
                grad_src[j, k] = 0
            for position in range(t_ptr[j], t_ptr[j + 1]):
                if position + _AHEAD < end:
                    ahead = t_perm[position + _AHEAD]
                    prefetch(alpha, ahead)
                    prefetch(grad_inner, ahead)
                    for stack in range(grad.shape[0]):
                        prefetch(grad[stack], t_target[position + _AHEAD])
                i, e = t_target[position], t_perm[position]
                for k in range(num_columns):
                    grad_src[j, k] += grad_inner[e, k]
                    weight = alpha[e, k]
                    if gate.size > 0:
                        weight *= gate[e, k]
                    for c in range(channels):
                        total[k, c] += weight * grad[k // heads, i, c]
            for c in range(channels):
                grad_x[j, c] = 0
            for k in range(num_columns):
                for c in range(channels):
                    grad_x[j, c] += share * scale[k, c] * total[k, c]
                    grad_scale[piece, k, c] += share * x[j, c] * total[k, c]
