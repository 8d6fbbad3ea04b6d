"""Joining several embeddings of the same entities."""

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
    r"""Joins several embeddings of the rows of one side so that similarities add up.

    If both sides are joined with the same weights :math:`w_v`, the inner product of two
    joined rows is :math:`\sum_v w_v \cos_v` (weights scaled to sum to 1), without any
    matrix of similarities; their cosine is the same if no view is missing. A zero row
    is a missing view: the cosine of two joined rows then depends on the views that both
    have, but is lower in magnitude if a row lacks a view.

    Args:
        views (sequence of torch.Tensor): Embeddings ``[N, C_v]`` of the same rows, of
            any scale.
        weights (sequence of float, optional): Weight of each view, non-negative.
            (default: all equal)

    Returns:
        torch.Tensor: The joined rows ``[N, sum of C_v]``.

    Raises:
        ValueError: If there are no views, they differ in their number of rows, a view
            is not a finite floating-point matrix, or a weight is negative or missing.

    Example:
        >>> by_name = torch.tensor([[1.0, 0.0]])
        >>> by_image = torch.tensor([[0.0, 5.0]])
        >>> join_views([by_name, by_image], weights=[1.0, 3.0])
        tensor([[0.5000, 0.0000, 0.0000, 0.8660]])
    """
    if len(views) == 0:
        raise ValueError("views is empty; pass at least one embedding")
    weights = [1.0] * len(views) if weights is None else list(weights)
    if len(weights) != len(views):
        raise ValueError(
            f"weights must be one per view, got {len(weights)} for {len(views)} views"
        )
    if min(weights) < 0 or not 0 < sum(weights) < float("inf"):
        raise ValueError(
            f"weights must be finite, non-negative and not all zero, got {weights}"
        )
    if len({view.size(0) for view in views}) > 1:
        sizes = [view.size(0) for view in views]
        raise ValueError(f"views must have the same number of rows, got {sizes}")
    dtype = functools.reduce(torch.promote_types, (view.dtype for view in views))
    dtype = torch.promote_types(dtype, torch.float32)
    widths = [view.size(-1) for view in views]
    joined = views[0].new_empty(views[0].size(0), sum(widths), dtype=dtype)
    parts = joined.split(widths, dim=1)
    for v, (view, weight, part) in enumerate(zip(views, weights, parts, strict=True)):
        unit = unit_rows(f"views[{v}]", view)
        torch.mul(unit, (weight / sum(weights)) ** 0.5, out=part)
    return joined
