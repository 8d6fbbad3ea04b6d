"""Checks that edge weights, features and types fit the edges and the layer."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_ibmea.nn.conv._derived import Derived


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
        edge_attr (torch.Tensor or None): ``[E, edge_dim]``; may be left out.
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
    if edge_attr is not None and edge_dim is None:
        raise ValueError(
            "edge_attr is given, but the layer was made without edge_dim; "
            f"pass edge_dim={edge_attr.size(-1)} to it"
        )
    if edge_attr is not None and edge_dim is not None and edge_dim > 0:
        channels = edge_attr.flatten(1).size(1)
        if channels != edge_dim:
            raise ValueError(
                f"edge_attr has {channels} channels, but the layer was made with "
                f"edge_dim={edge_dim}; pass edge_attr [{num_edges}, {edge_dim}]"
            )
    if (edge_type is None) != (num_relations is None):
        raise ValueError(
            f"edge_type and num_relations go together: got "
            f"num_relations={num_relations} "
            f"{'without' if edge_type is None else 'with'} edge_type"
        )
    if edge_type is None or num_relations is None:
        return
    _passed.of(edge_type, num_relations, lambda: _check_types(edge_type, num_relations))


# Of the types that passed the check; it raises for others.
_passed: Derived[None] = Derived()


def _check_types(edge_type: Tensor, num_relations: int) -> None:
    outside = (edge_type < 0) | (edge_type >= num_relations)
    if edge_type.device.type == "cuda":
        # No waiting for the result, as in PyTorch's own indexing.
        torch._assert_async(~outside.any())
    elif outside.any():
        edge = int(outside.nonzero()[0])
        raise ValueError(
            f"edge {edge} has the type {int(edge_type[edge])}, but there are "
            f"{num_relations} relations"
        )
