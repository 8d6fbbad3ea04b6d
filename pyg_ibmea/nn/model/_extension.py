"""What a trained model needs to encode entities that were not in training."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.nn.encoder.entity_embedding import EntityEmbedding
from pyg_ibmea.problem import (
    entity_counts,
    feature_channels,
    relation_numbers,
    triples_of,
)


def extended_sizes(
    data: HeteroData,
    num_nodes: Mapping[str, int],
    in_channels: Mapping[str, int],
    num_relations: int | None,
) -> dict[str, int]:
    """The number of entities of each graph, if a trained model can encode them.

    Args:
        data (HeteroData): The problem with further entities.
        num_nodes (dict): Entities that the model knows, by graph.
        in_channels (dict): Feature channels that it expects, by modality.
        num_relations (int, optional): Relations that it knows; ``None`` if it does not
            tell them apart.

    Raises:
        ValueError: If the data do not fit the model.
    """
    sizes = entity_counts(data)
    same = list(sizes) == list(num_nodes)
    if not same or any(sizes[kg] < count for kg, count in num_nodes.items()):
        raise ValueError(
            f"the model has the entities {dict(num_nodes)}; with further ones there "
            f"must be the same graphs with at least as many each, got {sizes}"
        )
    found = feature_channels(data)
    if any(found.get(m) != width for m, width in in_channels.items()):
        raise ValueError(
            f"the model has the modalities {dict(in_channels)}, got {found}"
        )
    if num_relations is not None:
        there = relation_numbers(data)[1]
        if there != num_relations:
            raise ValueError(
                f"the model knows {num_relations} relations, the data has {there}"
            )
    return sizes


def extended_embeddings(
    embedding: EntityEmbedding,
    data: HeteroData,
    num_nodes: Mapping[str, int],
    sizes: Mapping[str, int],
) -> tuple[Tensor, Tensor]:
    """Row of every entity in the larger table of embeddings, and that table.

    Args:
        embedding (EntityEmbedding): That of the known entities.
        data (HeteroData): The problem with further entities.
        num_nodes (dict): Known entities by graph.
        sizes (dict): Entities by graph.

    Returns:
        tuple: Long ``[N]`` and ``[R, C]``. A further entity's embedding is the mean of
        those of its known neighbours, and zero where it has none.
    """
    known, own = embedding.row, embedding()
    rows, added = [], []
    begin, table = 0, embedding.weight.size(0)
    for kg, count in num_nodes.items():
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
    return torch.cat(rows), torch.cat([embedding.weight, *added])
