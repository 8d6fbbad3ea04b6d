"""Labels of entities as text: names in all languages, and synonyms."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from urllib.parse import unquote

from torch_geometric.data import HeteroData

from pyg_ibmea.data.features.literals import NAME_ATTRIBUTES
from pyg_ibmea.data.knowledge_graph import KnowledgeGraph
from pyg_ibmea.problem import set_labels

_OBO = "http://www.geneontology.org/formats/oboInOwl#"
_SKOS = "http://www.w3.org/2004/02/skos/core#"

SYNONYM_ATTRIBUTES = (
    f"{_SKOS}altLabel",
    f"{_SKOS}hiddenLabel",
    f"{_OBO}hasExactSynonym",
    f"{_OBO}hasRelatedSynonym",
    f"{_OBO}hasNarrowSynonym",
    f"{_OBO}hasBroadSynonym",
    "http://schema.org/alternateName",
)
"""Attributes whose values are further names. As relations, they lead to an entity whose
labels are."""

# Whole numbers and other keys say nothing of what an entity is called.
_NO_NAME = re.compile(r"[\W\d_]*")
_BLANK = re.compile(r"_:")


def labels_in(
    graph: KnowledgeGraph,
    names: Mapping[str, str] | None = None,
    attributes: Collection[str] = (*NAME_ATTRIBUTES, *SYNONYM_ATTRIBUTES),
) -> list[list[str]]:
    """The labels that a graph gives its entities.

    Args:
        graph (KnowledgeGraph): The graph.
        names (dict, optional): Names by URI, which come first. (default: none)
        attributes (collection of str, optional): URIs of attributes whose values are
            labels, the preferred ones first; as relations, they lead to an entity that
            carries labels of the first and has none itself.
            (default: :obj:`NAME_ATTRIBUTES`, then :obj:`SYNONYM_ATTRIBUTES`)

    Returns:
        list: The labels of each entity, by node id.

    Example:
        >>> import torch
        >>> graph = KnowledgeGraph(
        ...     "en", ["a"], [], torch.empty(0, 3, dtype=torch.long),
        ...     attributes=torch.tensor([[0, 0], [0, 0]]), attribute_names=["label"],
        ...     values=["Paris", "Lutetia"],
        ... )
        >>> labels_in(graph)
        [['Paris', 'Lutetia']]
    """
    order = {uri: rank for rank, uri in enumerate(attributes)}
    found: list[list[tuple[int, str]]] = [[] for _ in graph.entities]
    if names:
        for labels, uri in zip(found, graph.entities, strict=True):
            labels += [(-1, names[uri])] if names.get(uri) else []
    if graph.attributes is not None and graph.values is not None:
        ranks = [order.get(uri) for uri in graph.attribute_names]
        nodes, kinds = graph.attributes.tolist()
        for node, kind, text in zip(nodes, kinds, graph.values, strict=True):
            rank = ranks[kind]
            if rank is not None and text:
                found[node].append((rank, text))
    own = [[text for _, text in sorted(labels, key=_rank)] for labels in found]
    kinds = [r for r, uri in enumerate(graph.relations) if uri in order]
    further: list[list[str]] = [[] for _ in own]
    carriers: set[int] = set()
    for kind in kinds:
        for head, _, tail in graph.triples[graph.triples[:, 1] == kind].tolist():
            further[head] += own[tail]
            carriers.add(tail)
    for node in carriers:  # They stand for a text and have no names of their own.
        own[node] = []
    return [
        list(dict.fromkeys([*first, *more]))
        for first, more in zip(own, further, strict=True)
    ]


def labels_of_ids(
    graph: KnowledgeGraph, names: Iterable[tuple[int | str, str]]
) -> list[list[str]]:
    """The labels of each entity by node id, from names by published id or by URI, as
    :func:`~pyg_ibmea.data.read_names` reads them.

    Example:
        >>> import torch
        >>> graph = KnowledgeGraph("en", ["a"], [], torch.empty(0, 3).long())
        >>> labels_of_ids(graph, [(0, "Paris"), ("a", "Lutetia"), (7, "Rome")])
        [['Paris', 'Lutetia']]
    """
    assert graph.entity_ids is not None
    place: dict[int | str, int] = {uri: i for i, uri in enumerate(graph.entities)}
    place |= {number: i for i, number in enumerate(graph.entity_ids.tolist())}
    found: list[list[str]] = [[] for _ in graph.entities]
    for key, name in names:
        if key in place:
            found[place[key]].append(name)
    return found


def label_by_uri(data: HeteroData, graphs: Iterable[str] | None = None) -> HeteroData:
    """Takes the last part of URIs for labels, where entities have no others.

    It is for graphs whose URIs are made of names, such as DBpedia. Numbers, blank nodes
    and parts without a letter are no labels.

    Args:
        data (HeteroData): The problem, with ``data.uri``; it is changed in place.
        graphs (iterable of str, optional): Names of the graphs. (default: all that have
            no labels)

    Returns:
        HeteroData: The same data.

    Example:
        >>> data = HeteroData()
        >>> data["en"].num_nodes = 2
        >>> data.uri = {"en": ["http://x/resource/St._Gallen", "http://x/42"]}
        >>> label_by_uri(data).labels
        {'en': ['St. Gallen', '']}
    """
    labels = data.to_dict().get("_global_store", {}).get("labels", {})
    if graphs is None:
        graphs = [kg for kg in data.node_types if not any(labels.get(kg, ()))]
    for kg in graphs:
        set_labels(data, kg, names_in_uris(data.uri[kg]))
    return data


def names_in_uris(uris: Sequence[str]) -> list[list[str]]:
    """What the last part of each URI says, percent-decoded; empty for none.

    Example:
        >>> names_in_uris(["http://x/a#Caf%C3%A9", "Paris", "_:b0x1f", "urn:isbn:12"])
        [['Café'], ['Paris'], [], []]
    """
    found = []
    for uri in uris:
        last = re.split(r"[/#]", uri.rstrip("/#"))[-1]
        if uri.startswith("urn:"):
            last = last.rpartition(":")[2]
        name = unquote(last).replace("_", " ").strip()
        usable = not _NO_NAME.fullmatch(name) and not _BLANK.match(uri)
        found.append([name] if usable and "genid" not in last else [])
    return found


def _rank(label: tuple[int, str]) -> int:
    return label[0]
