"""What the model reads off an alignment problem before it encodes anything."""

from __future__ import annotations

import torch
from torch_geometric import EdgeIndex
from torch_geometric.data import HeteroData


def feature_channels(data: HeteroData) -> dict[str, int]:
    """The feature channels of each modality of an alignment problem.

    Args:
        data (HeteroData): The problem.

    Raises:
        ValueError: If a modality is not on every graph, differs in width between
            graphs, or has no mask.
    """
    channels: dict[str, int] = {}
    for kg in data.node_types:
        for key in data[kg].keys():  # noqa: SIM118 - a store is no dict
            if key.startswith("x_"):
                channels.setdefault(key[2:], data[kg][key].size(1))
    for modality, width in channels.items():
        for kg in data.node_types:
            x = data[kg].get(f"x_{modality}")
            mask = data[kg].get(f"mask_{modality}")
            if x is None or mask is None:
                raise ValueError(
                    f"graph {kg!r} needs both x_{modality} and mask_{modality}; where "
                    "it lacks the modality they are all zero and all False"
                )
            if x.size(1) != width:
                raise ValueError(
                    f"modality {modality!r} has {x.size(1)} channels in graph {kg!r} "
                    f"and {width} in another; both sides share one encoder"
                )
    return channels


def union_graph(data: HeteroData) -> EdgeIndex:
    """All knowledge graphs of an alignment problem as one undirected graph.

    Nodes are numbered graph after graph, parallel edges are merged, and every node has
    a self-loop. ``same_as`` links are left out: no message may pass over them.

    Args:
        data (HeteroData): The problem.

    Returns:
        EdgeIndex: ``[2, E]``, sorted by receiving node, with both sorted forms cached.
    """
    offset = 0
    edges = []
    for kg in data.node_types:
        edges.append(data[kg, "rel", kg].edge_index + offset)
        offset += data[kg].num_nodes
    device = edges[0].device
    source, target = torch.cat(edges, dim=1)
    loop = torch.arange(offset, device=device)
    source, target = (
        torch.cat([source, target, loop]),
        torch.cat([target, source, loop]),
    )
    key = torch.unique(target * offset + source)
    graph = EdgeIndex(
        torch.stack([key % offset, key // offset]),
        sparse_size=(offset, offset),
        sort_order="col",
    )
    return graph.fill_cache_()
