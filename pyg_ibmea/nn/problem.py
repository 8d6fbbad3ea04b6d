"""What the model reads off an alignment problem before it encodes anything."""

from __future__ import annotations

from typing import NamedTuple

import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.data import HeteroData

from pyg_ibmea.nn._neighbors import NeighborFeatures


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


class RelationalGraph(NamedTuple):
    """All knowledge graphs of an alignment problem as one graph that keeps relations.

    Attributes:
        edge_index (EdgeIndex): Every triple in both directions, ``[2, E]``, sorted by
            receiving entity, with both sorted forms cached.
        edge_type (torch.Tensor): Long ``[E]``; a relation read from tail to head has a
            type of its own.
        incidence (EdgeIndex): From edge types to the entities that receive over them,
            ``[2, E]``, edge by edge as in ``edge_index``.
        neighbors (dict, optional): What the neighbours of each entity have of each
            modality, for a model that looks at it.
    """

    edge_index: EdgeIndex
    edge_type: Tensor
    incidence: EdgeIndex
    neighbors: NeighborFeatures | None = None


def relation_ids(data: HeteroData) -> tuple[dict[str, Tensor], int]:
    """Numbers the relations of all graphs of an alignment problem together.

    A relation that has the same URI in two graphs (``data.relation_uri``) is one;
    without URIs every graph has relations of its own.

    Args:
        data (HeteroData): The problem.

    Returns:
        tuple: For each graph the common number of each of its relations, and how many
        there are in all.

    Raises:
        ValueError: If a triple has a relation that the graph does not list.
    """
    numbers: dict[object, int] = {}
    ids = {}
    uris = data.to_dict().get("_global_store", {}).get("relation_uri", {})
    for kg in data.node_types:
        edge_type = data[kg, "rel", kg].edge_type
        used = int(edge_type.max()) + 1 if edge_type.numel() else 0
        names = uris.get(kg, [(kg, relation) for relation in range(used)])
        if used > len(names):
            raise ValueError(
                f"graph {kg!r} has a triple of relation {used - 1}, but lists "
                f"{len(names)} relations"
            )
        ids[kg] = torch.tensor(
            [numbers.setdefault(name, len(numbers)) for name in names],
            dtype=torch.long,
            device=edge_type.device,
        )
    return ids, len(numbers)


def relational_graph(data: HeteroData) -> RelationalGraph:
    """All knowledge graphs of an alignment problem as one graph of typed edges.

    Nodes are numbered graph after graph. A triple that is there twice counts once;
    there are no self-loops but those of the triples. ``same_as`` links are left out:
    no message may pass over them.

    Args:
        data (HeteroData): The problem.
    """
    ids, num_relations = relation_ids(data)
    offset = 0
    triples = []
    for kg in data.node_types:
        store = data[kg, "rel", kg]
        head, tail = store.edge_index + offset
        triples.append(torch.stack([tail, head, ids[kg][store.edge_type]]))
        offset += data[kg].num_nodes
    tail, head, relation = torch.cat(triples, dim=1)
    num_types = max(1, 2 * num_relations)
    # Sorted by receiver, then by type, then by sender.
    key = torch.cat(
        [
            (tail * num_types + relation) * offset + head,
            (head * num_types + relation + num_relations) * offset + tail,
        ]
    ).unique()
    source, key = key % offset, key // offset
    edge_type, target = key % num_types, key // num_types
    edge_index = EdgeIndex(
        torch.stack([source, target]), sparse_size=(offset, offset), sort_order="col"
    )
    incidence = EdgeIndex(
        torch.stack([edge_type, target]),
        sparse_size=(num_types, offset),
        sort_order="col",
    )
    return RelationalGraph(edge_index.fill_cache_(), edge_type, incidence.fill_cache_())


def seed_rows(data: HeteroData) -> Tensor:
    """Numbers the entities so that those joined by seed pairs have one number.

    Only training pairs (``train_mask``) join; where links have no split, none do.

    Args:
        data (HeteroData): The problem.

    Returns:
        torch.Tensor: Long ``[N]``, for all entities, graph after graph: the row of a
        table that they share with the entities they are known to equal.
    """
    offset, start = 0, {}
    for kg in data.node_types:
        start[kg] = offset
        offset += data[kg].num_nodes
    pairs = [torch.empty(2, 0, dtype=torch.long)]
    for a, relation, b in data.edge_types:
        store = data[a, relation, b]
        if relation == "same_as" and "train_mask" in store:
            source, target = store.edge_index[:, store.train_mask].cpu()
            pairs.append(torch.stack([source + start[a], target + start[b]]))
    source, target = torch.cat(pairs, dim=1).numpy()
    joined = coo_matrix(([True] * len(source), (source, target)), (offset, offset))
    return torch.from_numpy(connected_components(joined, directed=False)[1]).long()


def linked_nodes(edge_index: EdgeIndex, num_nodes: int) -> Tensor:
    """Which nodes have a neighbour other than themselves.

    Args:
        edge_index (EdgeIndex): The graph, ``[2, E]``.
        num_nodes (int): Number of nodes :math:`N`.

    Returns:
        torch.Tensor: Bool ``[N]``.
    """
    source, target = edge_index.as_tensor()
    linked = torch.zeros(num_nodes, dtype=torch.bool, device=source.device)
    linked[target[source != target]] = True
    return linked
