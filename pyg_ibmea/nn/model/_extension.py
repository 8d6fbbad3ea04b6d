"""What a trained model needs to encode entities that were not in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.problem import (
    entity_counts,
    feature_channels,
    relation_numbers,
    triples_of,
)

if TYPE_CHECKING:
    from pyg_ibmea.nn.model.ibmea import IBMEA


def extended(
    model: IBMEA, options: Mapping[str, Any], data: HeteroData
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The arguments and the weights of the model with further entities.

    Raises:
        ValueError: If the data do not fit the model.
    """
    sizes = entity_counts(data)
    same = list(sizes) == list(model.num_nodes)
    if not same or any(sizes[kg] < count for kg, count in model.num_nodes.items()):
        raise ValueError(
            f"the model has the entities {model.num_nodes}; with further ones there "
            f"must be the same graphs with at least as many each, got {sizes}"
        )
    found, wanted = feature_channels(data), options["in_channels"]
    if any(found.get(m) != width for m, width in wanted.items()):
        raise ValueError(f"the model has the modalities {dict(wanted)}, got {found}")
    if model.relational and model.graph_encoder is not None:
        known, there = options["num_edge_types"] // 2, relation_numbers(data)[1]
        if there != known:
            raise ValueError(f"the model knows {known} relations, the data {there}")
    state = model.state_dict()
    if model.embedding is not None:
        rows, weight = _embedding(model, data, sizes)
        state["embedding.seed_row"] = state["embedding.row"] = rows
        state["embedding.weight"] = weight
    return {**options, "num_nodes": sizes}, state


def _embedding(
    model: IBMEA, data: HeteroData, sizes: Mapping[str, int]
) -> tuple[Tensor, Tensor]:
    """Row of every entity in the larger table of embeddings, and that table."""
    assert model.embedding is not None
    known, own = model.embedding.row, model.embedding()
    rows, added = [], []
    begin, table = 0, model.embedding.weight.size(0)
    for kg, count in model.num_nodes.items():
        new = sizes[kg] - count
        rows.append(known[begin : begin + count])
        rows.append(torch.arange(table, table + new, device=known.device))
        head, tail = triples_of(data, kg).edge_index.to(known.device)
        near = torch.stack([torch.cat([head, tail]), torch.cat([tail, head])])
        near = near[:, (near[0] >= count) & (near[1] < count)].unique(dim=1)
        total = own.new_zeros(new, own.size(1))
        total.index_add_(0, near[0] - count, own[begin + near[1]])
        degree = torch.bincount(near[0] - count, minlength=new).clamp(min=1)
        added.append(total / degree[:, None])
        begin, table = begin + count, table + new
    return torch.cat(rows), torch.cat([model.embedding.weight, *added])
