"""Anchors from the features of a modality: rows that are each other's clear best."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pyg_ibmea.anchors._entries import Floats, Ints, Pairs
from pyg_ibmea.large import ranges

_ROWS = 1024
_NEAREST = 5
# Even a clear best may be wrong.
_CLEAREST = 0.8


def by_vectors(source: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> Pairs:
    r"""Rows of two graphs that are each other's clear best by cosine.

    With the cosine :math:`c` of a pair, the next best :math:`c'` of either row and the
    spread :math:`\sigma` of cosines among the nearest five of a row (the median over
    rows), its probability is :math:`0.8\, (1 - e^{-(c - c') / \sigma})`.

    Args:
        source (tuple): Features ``[N, F]``, dense or sparse, and their mask ``[N]``.
        target (tuple): Those of the target graph.

    Returns:
        Pairs: Pairs that are each other's best.
    """
    size = len(source[1]), len(target[1])
    (rows, left), (columns, right) = (_unit_rows(*side) for side in (source, target))
    if min(len(rows), len(columns)) < 2:
        return Pairs.none(size)
    forward, backward = _nearest(left, right), _nearest(right, left)
    best, other = forward[1][:, 0], backward[1][:, 0]
    mutual = np.flatnonzero(other[best] == np.arange(len(rows)))
    margins = [value[:, 0] - value[:, 1] for value, _ in (forward, backward)]
    margin = np.minimum(margins[0][mutual], margins[1][best[mutual]])
    spread = max(float(np.median(np.ptp(forward[0], axis=1))), 1e-6)
    value = _CLEAREST * -np.expm1(-np.maximum(margin, 0) / spread)
    return Pairs.best_of(rows[mutual], columns[best[mutual]], value, size)


def _unit_rows(x: Tensor, mask: Tensor) -> tuple[Ints, Tensor]:
    """Node ids of the rows that are there, and these with unit length."""
    there = mask.cpu().nonzero().flatten()
    x = x.cpu()
    rows = x.index_select(0, there)
    rows = (rows.to_dense() if rows.is_sparse else rows).float()
    length = torch.linalg.vector_norm(rows, dim=1)
    kept = length > 0
    ids: Ints = there[kept].numpy()
    return ids, rows[kept] / length[kept, None]


def _nearest(left: Tensor, right: Tensor) -> tuple[Floats, Ints]:
    """The largest cosines of each row, descending, and whose they are."""
    count = min(_NEAREST, len(right))
    parts = [(left[r] @ right.t()).topk(count, dim=1) for r in ranges(len(left), _ROWS)]
    values, ids = (torch.cat(list(part)).numpy() for part in zip(*parts, strict=True))
    return values.astype(np.float64), ids
