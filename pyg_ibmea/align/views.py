"""Several embeddings of the same entities as one."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from pyg_ibmea.align._blocks import unit_rows


@torch.no_grad()
def join_views(
    views: Sequence[Tensor], weights: Sequence[float] | None = None
) -> Tensor:
    r"""Joins several embeddings of the rows of one side, so that similarities add up.

    If both sides are joined with the same weights :math:`w_v`, the inner product of
    two joined rows is :math:`\sum_v w_v \cos_v` (weights brought to sum 1) without
    any matrix of similarities; and so is their cosine, if no view is missing. A zero
    row is a missing view: the cosine of the joined rows then rests on those that both
    rows have, though a row that lacks one counts for less in it.

    Args:
        views: Embeddings :obj:`[N, C_v]` of the same rows, any scale.
        weights: Weight of each view, not negative. (default: all the same)

    Returns:
        The joined rows :obj:`[N, sum of C_v]`.

    Raises:
        ValueError: If there is no view, views differ in their rows, a view is no
            finite floating matrix, or a weight is negative or missing.

    Example:
        >>> by_name = torch.tensor([[1.0, 0.0]])
        >>> by_image = torch.tensor([[0.0, 5.0]])
        >>> join_views([by_name, by_image], weights=[1.0, 3.0])
        tensor([[0.5000, 0.0000, 0.0000, 0.8660]])
    """
    if len(views) == 0:
        raise ValueError("views is empty: pass at least one embedding.")
    weights = [1.0] * len(views) if weights is None else list(weights)
    if len(weights) != len(views):
        raise ValueError(f"{len(weights)} weights for {len(views)} views.")
    if min(weights) < 0 or not 0 < sum(weights) < float("inf"):
        raise ValueError(
            f"weights must be finite, not negative and not all zero, got {weights}."
        )
    if len({view.size(0) for view in views}) > 1:
        sizes = [view.size(0) for view in views]
        raise ValueError(f"views must have the same rows, got {sizes} rows.")
    dtype = functools.reduce(torch.promote_types, (view.dtype for view in views))
    dtype = torch.promote_types(dtype, torch.float32)
    widths = [view.size(-1) for view in views]
    joined = views[0].new_empty(views[0].size(0), sum(widths), dtype=dtype)
    parts = joined.split(widths, dim=1)
    for v, (view, weight, part) in enumerate(zip(views, weights, parts, strict=True)):
        unit = unit_rows(f"views[{v}]", view)
        torch.mul(unit, (weight / sum(weights)) ** 0.5, out=part)
    return joined
