"""Knowledge graphs in GraphML, as NetworkX, Gephi, yEd and Neo4j write it."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from xml.etree import ElementTree

from pyg_ibmea.data._boundary import check_regular, open_bytes, reading
from pyg_ibmea.data.builder import UNNAMED, GraphBuilder
from pyg_ibmea.data.knowledge_graph import KnowledgeGraph
from pyg_ibmea.data.readers._rdf_guard import check_entities

#: What tells the relation of an edge, the surest first.
_RELATIONS = ("relation", "predicate", "type", "label", "interaction")


def read_graphml(
    name: str, path: str | os.PathLike[str], exclude: Collection[str] = ()
) -> KnowledgeGraph:
    """Reads a knowledge graph from GraphML.

    Nodes become entities by their ids, and what is stored on them becomes attributes
    by the names of their keys, with defaults where the file has any; ``label`` and
    ``name`` among them name the entity, as does the label that yEd draws. An edge is a
    triple, whether directed or not; its relation is what is stored on it as relation,
    predicate, type or label, or its attribute ``label``, else ``'related'``.

    Args:
        name (str): Name of the graph.
        path (str or Path): The file, ``.graphml`` or ``.xml``, also compressed
            (``.gz``, ``.zst``).
        exclude (collection of str, optional): Entities to leave out, with all that is
            said of them. (default: none)

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is malformed (the message names the line), is no
            GraphML, has hyperedges, or declares XML entities that hold others.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import networkx
        >>> graph = networkx.DiGraph([("Paris", "France", {"relation": "in"})])
        >>> with TemporaryDirectory() as folder:
        ...     networkx.write_graphml(graph, f"{folder}/g.graphml")
        ...     found = read_graphml("en", f"{folder}/g.graphml")
        >>> found.entities, found.relations
        (['Paris', 'France'], ['in'])
    """
    path = Path(path)
    check_regular(path)
    builder = GraphBuilder(name, exclude)
    keys: dict[str, ElementTree.Element] = {}
    with reading(path, "cannot be read as GraphML"):
        check_entities(path)
        try:
            with open_bytes(path) as file:
                events = ElementTree.iterparse(file, events=("start", "end"))
                _, root = next(events)
                if _tag(root) != "graphml":
                    raise ValueError(
                        f"{path} begins with <{_tag(root)}> and not with <graphml>; "
                        "is it of another format?"
                    )
                for event, element in events:
                    if event == "end":
                        _take(path, builder, keys, element)
        except ElementTree.ParseError as error:
            line = error.position[0]
            raise ValueError(f"{path}, line {line}: {error.msg}") from error
        return builder.build()


def _take(
    path: Path,
    builder: GraphBuilder,
    keys: dict[str, ElementTree.Element],
    element: ElementTree.Element,
) -> None:
    """Takes what an element says, once all of it was read."""
    tag = _tag(element)
    if tag == "key":
        keys[_needed(path, element, "id")] = element
    elif tag == "node":
        entity = _needed(path, element, "id")
        builder.add_entity(entity)
        for attribute, value in _stored("node", element, keys).items():
            builder.add_attribute(entity, attribute, value)
        element.clear()
    elif tag == "edge":
        head, tail = (_needed(path, element, end) for end in ("source", "target"))
        stored = {k.lower(): v for k, v in _stored("edge", element, keys).items()}
        told = (stored[kind] for kind in _RELATIONS if stored.get(kind))
        relation = next(told, element.get("label") or UNNAMED)
        builder.add_triple(head, relation, tail)
        element.clear()
    elif tag == "hyperedge":
        raise ValueError(
            f"{path} has hyperedges, which no triple can say; write an edge for each "
            "two of their nodes"
        )


def _stored(
    kind: str, element: ElementTree.Element, keys: Mapping[str, ElementTree.Element]
) -> dict[str, str]:
    """What is stored on a node or an edge, by name of the key."""
    found: dict[str, str] = {}
    for number, key in keys.items():
        default = next((child for child in key if _tag(child) == "default"), None)
        if key.get("for") in (kind, "all") and default is not None and default.text:
            found[key.get("attr.name") or number] = default.text.strip()
    for data in element:
        if _tag(data) != "data":
            continue
        number = data.get("key", "")
        known = keys[number].get("attr.name") if number in keys else None
        text, attribute = (data.text or "").strip(), known or number
        for drawn in data.iter():
            if _tag(drawn) in ("NodeLabel", "EdgeLabel"):  # Of yEd.
                text, attribute = (drawn.text or "").strip(), "label"
                break
        if text and attribute:
            found[attribute] = text
    return found


def _needed(path: Path, element: ElementTree.Element, name: str) -> str:
    value = element.get(name)
    if not value:
        about = ", ".join(f'{k}="{v}"' for k, v in element.attrib.items())
        raise ValueError(f"{path}: a {_tag(element)} ({about}) has no {name}")
    return value


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
