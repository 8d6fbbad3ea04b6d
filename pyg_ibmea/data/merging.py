"""Merges aligned graphs into one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.data.knowledge_graph import KnowledgeGraph
from pyg_ibmea.problem import triples_of

ENTITY = "entity"
"""Node type of a merged graph."""


def merge_graphs(
    graphs: Sequence[KnowledgeGraph], clusters: Tensor, name: str = "merged"
) -> tuple[KnowledgeGraph, list[list[str]]]:
    """Makes one graph of several; entities that are the same become one.

    An entity of the result has the URI of its first member, in the order of the graphs;
    if a different entity already has that URI, it is prefixed with the name of its
    graph and ``'/'``. Relations and attributes with the same URI become one, and a
    statement that several graphs make occurs once. Features are means over the members
    that have them; a modality whose width differs between graphs is left out.

    Args:
        graphs (sequence of KnowledgeGraph): The graphs, with different names.
        clusters (torch.Tensor): Long ``[C, K]``: node ids of the entities that are the
            same, a column for each graph, -1 for none; no entity may occur twice.
            Entities in no row stay as they are.
        name (str, optional): Name of the result. (default: :obj:`"merged"`)

    Returns:
        The graph, and for each node the URIs of all its members.

    Raises:
        ValueError: If the clusters do not fit the graphs.

    Example:
        >>> en = KnowledgeGraph("en", ["Paris", "Rome"], [], torch.empty(0, 3).long())
        >>> nl = KnowledgeGraph("nl", ["Parijs"], [], torch.empty(0, 3).long())
        >>> merge_graphs([en, nl], torch.tensor([[0, 0]]))[1]
        [['Paris', 'Parijs'], ['Rome']]
    """
    node = _numbers(graphs, clusters)
    count = 1 + max((int(ids.max()) for ids in node if ids.numel()), default=-1)
    members: list[list[str]] = [[] for _ in range(count)]
    origin = [""] * count
    for graph, ids in zip(graphs, node, strict=True):
        for uri, at in zip(graph.entities, ids.tolist(), strict=True):
            origin[at] = origin[at] or graph.name
            if uri not in members[at]:
                members[at].append(uri)
    uris: list[str] = []
    taken: set[str] = set()
    for kg, uri in zip(origin, (those[0] for those in members), strict=True):
        while uri in taken:
            uri = f"{kg}/{uri}"
        taken.add(uri)
        uris.append(uri)
    relations: dict[str, int] = {}
    attributes: dict[str, int] = {}
    triples, has, values = [], [], []
    for graph, ids in zip(graphs, node, strict=True):
        types = _numbered(relations, graph.relations)
        head, relation, tail = graph.triples.t()
        triples.append(torch.stack([ids[head], types[relation], ids[tail]], dim=1))
        if graph.attributes is not None:
            kinds = _numbered(attributes, graph.attribute_names)
            entity, kind = graph.attributes
            has.append(torch.stack([ids[entity], kinds[kind]]))
            values += graph.values or [""] * entity.numel()
    stated: dict[tuple[int, int, str], None] = {}
    if has:
        rows = torch.cat(has, dim=1).t().tolist()
        stated = dict.fromkeys(
            (i, a, v) for (i, a), v in zip(rows, values, strict=True)
        )
    listed = torch.tensor([[i, a] for i, a, _ in stated], dtype=torch.long)
    merged = KnowledgeGraph(
        name,
        uris,
        list(relations),
        _first_of_each(torch.cat(triples)),
        attributes=listed.view(-1, 2).t().contiguous() if has else None,
        attribute_names=list(attributes),
        values=[v for _, _, v in stated] if any(g.values for g in graphs) else None,
        features=_features(graphs, node, count),
    )
    return merged, members


def single_hetero_data(graph: KnowledgeGraph) -> HeteroData:
    """One knowledge graph as HeteroData, with the node type ``'entity'``.

    The stores are those of :func:`~pyg_ibmea.data.to_hetero_data`, without links.

    Example:
        >>> graph = KnowledgeGraph("en", ["a", "b"], ["in"], torch.tensor([[0, 0, 1]]))
        >>> single_hetero_data(graph)["entity", "rel", "entity"].edge_index.tolist()
        [[0], [1]]
    """
    data = HeteroData()
    data[ENTITY].num_nodes = graph.num_nodes
    for modality, (x, mask) in graph.features.items():
        data[ENTITY][f"x_{modality}"] = x
        data[ENTITY][f"mask_{modality}"] = mask
    store = triples_of(data, ENTITY)
    store.edge_index = graph.triples[:, [0, 2]].t().contiguous()
    store.edge_type = graph.triples[:, 1].contiguous()
    data.uri = {ENTITY: list(graph.entities)}
    data.relation_uri = {ENTITY: list(graph.relations)}
    return data


def _numbers(graphs: Sequence[KnowledgeGraph], clusters: Tensor) -> list[Tensor]:
    """The node of the result for each entity of each graph."""
    if clusters.dim() != 2 or clusters.size(1) != len(graphs):
        raise ValueError(
            f"clusters must be long [C, {len(graphs)}], got {list(clusters.shape)}"
        )
    number: list[Tensor] = []
    count = 0
    place: dict[int, int] = {}  # The node of each cluster, that of its first member.
    for k, graph in enumerate(graphs):
        there = (clusters[:, k] >= 0).nonzero().flatten()
        ids = clusters[there, k]
        if ids.numel() and int(ids.max()) >= graph.num_nodes:
            raise ValueError(
                f"clusters name node {int(ids.max())} of '{graph.name}', which has "
                f"{graph.num_nodes} nodes"
            )
        if ids.unique().numel() < ids.numel():
            raise ValueError(f"an entity of '{graph.name}' is in two clusters")
        row_of = dict(zip(ids.tolist(), there.tolist(), strict=True))
        nodes = []
        for entity in range(graph.num_nodes):
            row = row_of.get(entity, -1)
            node = place.get(row, count)
            if row >= 0:
                place[row] = node
            count += node == count
            nodes.append(node)
        number.append(torch.tensor(nodes, dtype=torch.long))
    return number


def _numbered(index: dict[str, int], names: Sequence[str]) -> Tensor:
    """The numbers of names in a common index, to which new names are added."""
    ids = [index.setdefault(name, len(index)) for name in names]
    return torch.tensor(ids, dtype=torch.long)


def _first_of_each(rows: Tensor) -> Tensor:
    """The distinct rows, in the order of their first occurrence."""
    found = dict.fromkeys(map(tuple, rows.tolist()))
    return torch.tensor(list(found), dtype=torch.long).view(-1, 3)


def _features(
    graphs: Sequence[KnowledgeGraph], node: Sequence[Tensor], count: int
) -> dict[str, tuple[Tensor, Tensor]]:
    """Means of the members' features."""
    merged = {}
    for modality in dict.fromkeys(m for graph in graphs for m in graph.features):
        given = [
            (ids, *graph.features[modality])
            for graph, ids in zip(graphs, node, strict=True)
            if modality in graph.features
        ]
        widths = {x.size(1) for _, x, _ in given}
        if len(widths) > 1:
            continue
        total = torch.zeros(count, widths.pop())
        number = torch.zeros(count)
        for ids, x, mask in given:
            dense = x.to_dense() if x.is_sparse else x
            total.index_add_(0, ids[mask], dense[mask].float())
            number.index_add_(0, ids[mask], torch.ones(int(mask.sum())))
        mean = total / number.clamp(min=1)[:, None]
        merged[modality] = mean, number > 0
    return merged
