"""The graphs that messages pass over, built from an alignment problem."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.data import HeteroData

from pyg_ibmea.problem import (
    entity_counts,
    first_numbers,
    relation_numbers,
    triples_of,
)


def union_graph(data: HeteroData) -> EdgeIndex:
    """All knowledge graphs of an alignment problem as one undirected graph.

    Nodes are numbered graph after graph, parallel edges are merged, and every node has
    a self-loop. ``same_as`` links are left out: no message may pass over them.

    Args:
        data (HeteroData): The problem.

    Returns:
        EdgeIndex: ``[2, E]``, sorted by receiving node, with both sorted forms cached.
    """
    counts = entity_counts(data)
    size = sum(counts.values())
    edges = [
        triples_of(data, kg).edge_index + first
        for kg, first in first_numbers(counts).items()
    ]
    device = edges[0].device
    source, target = torch.cat(edges, dim=1)
    loop = torch.arange(size, device=device)
    source, target = (
        torch.cat([source, target, loop]),
        torch.cat([target, source, loop]),
    )
    key = torch.unique(target * size + source)
    graph = EdgeIndex(
        torch.stack([key % size, key // size]),
        sparse_size=(size, size),
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
    """

    edge_index: EdgeIndex
    edge_type: Tensor
    incidence: EdgeIndex


def relational_graph(data: HeteroData) -> RelationalGraph:
    """All knowledge graphs of an alignment problem as one graph of typed edges.

    Nodes are numbered graph after graph. A repeated triple counts once, and the only
    self-loops are triples themselves. ``same_as`` links are left out: no message may
    pass over them.

    Args:
        data (HeteroData): The problem.
    """
    numbers, num_relations = relation_numbers(data)
    counts = entity_counts(data)
    size = sum(counts.values())
    triples = []
    for kg, first in first_numbers(counts).items():
        store = triples_of(data, kg)
        head, tail = store.edge_index + first
        triples.append(torch.stack([tail, head, numbers[kg][store.edge_type]]))
    tail, head, relation = torch.cat(triples, dim=1)
    num_types = max(1, 2 * num_relations)  # To divide by.
    # Sorted by receiver, then by type, then by sender.
    key = torch.cat(
        [
            (tail * num_types + relation) * size + head,
            (head * num_types + relation + num_relations) * size + tail,
        ]
    ).unique()
    source, key = key % size, key // size
    edge_type, target = key % num_types, key // num_types
    edge_index = EdgeIndex(
        torch.stack([source, target]), sparse_size=(size, size), sort_order="col"
    )
    incidence = EdgeIndex(
        torch.stack([edge_type, target]),
        sparse_size=(2 * num_relations, size),
        sort_order="col",
    )
    return RelationalGraph(edge_index.fill_cache_(), edge_type, incidence.fill_cache_())
