"""Checks that edge weights, features and types fit the edges and the layer."""

from __future__ import annotations

import torch
from torch import Tensor


def check_edge_inputs(
    num_edges: int,
    edge_weight: Tensor | None,
    edge_attr: Tensor | None,
    edge_type: Tensor | None,
    edge_dim: int | None,
    num_relations: int | None,
) -> None:
    """Raises ValueError if an edge input does not fit.

    Args:
        num_edges (int): Number of edges :math:`E`.
        edge_weight (torch.Tensor or None): ``[E]``.
        edge_attr (torch.Tensor or None): ``[E, edge_dim]`` or ``[E]``.
        edge_type (torch.Tensor or None): Long ``[E]``, below ``num_relations``.
        edge_dim (int or None): The layer's option.
        num_relations (int or None): The layer's option.
    """
    given = {
        "edge_weight": edge_weight,
        "edge_attr": edge_attr,
        "edge_type": edge_type,
    }
    for name, value in given.items():
        if value is not None and value.size(0) != num_edges:
            raise ValueError(f"{name} has {value.size(0)} rows for {num_edges} edges")
    for name, value, option, wanted in (
        ("edge_attr", edge_attr, "edge_dim", edge_dim),
        ("edge_type", edge_type, "num_relations", num_relations),
    ):
        if (value is None) != (wanted is None):
            raise ValueError(
                f"{name} and {option} go together: got {option}={wanted} "
                f"{'without' if value is None else 'with'} {name}"
            )
    if edge_type is None or num_relations is None or torch.compiler.is_compiling():
        return
    outside = (edge_type < 0) | (edge_type >= num_relations)
    if outside.any():
        edge = int(outside.nonzero()[0])
        raise ValueError(
            f"edge {edge} has the type {int(edge_type[edge])}, but there are "
            f"{num_relations} relations"
        )
