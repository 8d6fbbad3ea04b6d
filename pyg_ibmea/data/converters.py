"""Knowledge graphs from NetworkX graphs and from HeteroData."""

from __future__ import annotations

from typing import Any

import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.data.builder import UNNAMED, GraphBuilder
from pyg_ibmea.data.knowledge_graph import KnowledgeGraph


def from_networkx(name: str, graph: Any, relation: str = "relation") -> KnowledgeGraph:
    """A knowledge graph from a NetworkX graph.

    Nodes become entities named by their text, and edges become triples, in the order of
    the graph; an undirected edge is one triple, from the node that NetworkX gives
    first. What is stored on a node becomes attributes with their values.

    Args:
        name (str): Name of the graph.
        graph (networkx.Graph): Any NetworkX graph.
        relation (str, optional): Key of the relation on an edge. An edge without it has
            the relation named by its key in a multigraph, if that is a text, else
            ``'related'``. (default: :obj:`"relation"`)

    Raises:
        ValueError: If two nodes have the same text.

    Example:
        >>> import networkx
        >>> graph = networkx.DiGraph([("Paris", "France", {"relation": "in"})])
        >>> from_networkx("en", graph).relations
        ['in']
    """
    builder = GraphBuilder(name)
    nodes: dict[str, Any] = {}
    for node, values in graph.nodes(data=True):
        entity = str(node)
        if entity in nodes:
            raise ValueError(
                f"the nodes {nodes[entity]!r} and {node!r} of graph '{name}' have the "
                f"same text {entity!r}; rename one"
            )
        nodes[entity] = node
        builder.add_entity(entity)
        for attribute, value in values.items():
            builder.add_attribute(entity, str(attribute), str(value))
    for head, tail, *key, values in (
        graph.edges(data=True, keys=True)
        if graph.is_multigraph()
        else graph.edges(data=True)
    ):
        unnamed = key[0] if key and isinstance(key[0], str) else UNNAMED
        builder.add_triple(str(head), str(values.get(relation, unnamed)), str(tail))
    return builder.build()


def from_hetero(name: str, data: HeteroData, uri: str = "uri") -> KnowledgeGraph:
    """A knowledge graph from HeteroData whose node types are kinds of entities.

    Edge types become relations by their middle name. An entity is named by what the
    node store has under :obj:`uri`, a text for each node, else ``'<type>/<number>'``.
    Features ``x`` become the modality ``feature``; they must have the same width in all
    node types that have them, and the other types are masked.

    Args:
        name (str): Name of the graph.
        data (HeteroData): The graph.
        uri (str, optional): Key of the texts that name entities.
            (default: :obj:`"uri"`)

    Raises:
        ValueError: If two nodes have the same text, or features differ in width.

    Example:
        >>> data = HeteroData()
        >>> data["city"].num_nodes, data["land"].num_nodes = 2, 1
        >>> data["city", "in", "land"].edge_index = torch.tensor([[0, 1], [0, 0]])
        >>> from_hetero("en", data).entities
        ['city/0', 'city/1', 'land/0']
    """
    start: dict[str, int] = {}
    entities: list[str] = []
    for kind in data.node_types:
        start[kind] = len(entities)
        size = int(data[kind].num_nodes or 0)
        texts = data[kind].get(uri, [f"{kind}/{i}" for i in range(size)])
        if len(texts) != size:
            raise ValueError(
                f"'{kind}' has {size} nodes, but {len(texts)} texts in '{uri}'"
            )
        entities += [str(text) for text in texts]
    relations: dict[str, int] = {}
    triples = [torch.empty(0, 3, dtype=torch.long)]
    for head, relation, tail in data.edge_types:
        edge_index = data[head, relation, tail].edge_index.cpu()
        number = torch.full(edge_index.shape[1:], relations.setdefault(
            relation, len(relations)
        ))  # fmt: skip
        left, right = edge_index[0] + start[head], edge_index[1] + start[tail]
        triples.append(torch.stack([left, number, right], dim=1))
    graph = KnowledgeGraph(name, entities, list(relations), torch.cat(triples))
    given = {
        k: data[k].x.cpu() for k in data.node_types if data[k].get("x") is not None
    }
    widths = {kind: list(x.shape[1:]) for kind, x in given.items()}
    if len({tuple(width) for width in widths.values()}) > 1:
        raise ValueError(f"features x of graph '{name}' differ in width: {widths}")
    if given:
        width = next(iter(widths.values()))
        features = torch.zeros(len(entities), *width)
        mask = torch.zeros(len(entities), dtype=torch.bool)
        for kind, x in given.items():
            rows = slice(start[kind], start[kind] + len(x))
            features[rows], mask[rows] = x.float(), True
        graph.features["feature"] = features, mask
        graph.__post_init__()
    return graph
