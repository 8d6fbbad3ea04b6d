"""Builds a knowledge graph statement by statement."""

from __future__ import annotations

from array import array
from collections.abc import Collection
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from pyg_ibmea.data.knowledge_graph import KnowledgeGraph

#: The relation of a triple that names none.
UNNAMED = "related"


class GraphBuilder:
    """Collects statements about entities and numbers everything they name.

    Entities, relations and attributes are numbered in the order in which they are
    first named. A statement that is repeated counts once.

    Args:
        name (str): Name of the graph.
        exclude (collection of str, optional): Entities to leave out, with every
            statement that names them. (default: none)

    Example:
        >>> builder = GraphBuilder("en")
        >>> builder.add_triple("Paris", "capital of", "France")
        >>> builder.add_attribute("Paris", "population", "2102650")
        >>> graph = builder.build()
        >>> graph.entities, graph.triples.tolist(), graph.values
        (['Paris', 'France'], [[0, 0, 1]], ['2102650'])
    """

    def __init__(self, name: str, exclude: Collection[str] = ()) -> None:
        self.name = name
        self._exclude = frozenset(exclude)
        self._entities: dict[str, int] = {}
        self._relations: dict[str, int] = {}
        self._attributes: dict[str, int] = {}
        self._values: dict[str, int] = {}
        self._triples = array("q")
        self._facts = array("q")

    def __contains__(self, entity: str) -> bool:
        return entity in self._entities

    def add_entity(self, entity: str) -> None:
        """Adds an entity, which may be in no statement."""
        if entity not in self._exclude:
            self._entities.setdefault(entity, len(self._entities))

    def add_triple(self, head: str, relation: str, tail: str) -> None:
        """Adds a triple."""
        if self._exclude and (head in self._exclude or tail in self._exclude):
            return
        entities = self._entities
        self._triples.extend(
            (
                entities.setdefault(head, len(entities)),
                self._relations.setdefault(relation, len(self._relations)),
                entities.setdefault(tail, len(entities)),
            )
        )

    def add_attribute(self, entity: str, attribute: str, value: str = "") -> None:
        """Adds an attribute of an entity, with its value if it is known."""
        if entity in self._exclude:
            return
        self._facts.extend(
            (
                self._entities.setdefault(entity, len(self._entities)),
                self._attributes.setdefault(attribute, len(self._attributes)),
                self._values.setdefault(value, len(self._values)),
            )
        )

    def build(self) -> KnowledgeGraph:
        """Makes the graph of all statements so far."""
        triples, facts = _without_repeats(self._triples), _without_repeats(self._facts)
        texts = list(self._values)
        return KnowledgeGraph(
            self.name,
            list(self._entities),
            list(self._relations),
            torch.from_numpy(triples),
            attributes=torch.from_numpy(facts[:, :2].T.copy()) if len(facts) else None,
            attribute_names=list(self._attributes),
            values=[texts[i] for i in facts[:, 2].tolist()] if len(facts) else None,
        )


def without_leaves(graph: KnowledgeGraph, keep: Collection[str] = ()) -> KnowledgeGraph:
    """Drops leaves: entities known only as the tail of a single triple, and those
    triples.

    Args:
        graph (KnowledgeGraph): The graph; it is not changed.
        keep (collection of str, optional): Entities to keep in any case, such as those
            with a name. (default: none)

    Example:
        >>> triples = torch.tensor([[0, 0, 1], [2, 0, 1], [0, 0, 3]])
        >>> graph = KnowledgeGraph("en", ["a", "b", "c", "d"], ["in"], triples)
        >>> without_leaves(graph).entities
        ['a', 'b', 'c']
    """
    leaf = torch.bincount(graph.triples[:, 2], minlength=graph.num_nodes) == 1
    leaf[graph.triples[:, 0]] = False
    if graph.attributes is not None:
        leaf[graph.attributes[0]] = False
    for _, mask in graph.features.values():
        leaf &= ~mask
    kept = frozenset(keep)
    leaf &= torch.tensor([entity not in kept for entity in graph.entities])
    number = (~leaf).cumsum(0) - 1
    triples = graph.triples[~leaf[graph.triples[:, 2]]]
    triples[:, [0, 2]] = number[triples[:, [0, 2]]]
    attributes = graph.attributes
    if attributes is not None:
        attributes = torch.stack([number[attributes[0]], attributes[1]])
    assert graph.entity_ids is not None
    return replace(
        graph,
        entities=[e for e, out in zip(graph.entities, leaf, strict=True) if not out],
        triples=triples,
        entity_ids=graph.entity_ids[~leaf],
        attributes=attributes,
        features={m: (x[~leaf], k[~leaf]) for m, (x, k) in graph.features.items()},
    )


def _without_repeats(statements: array[int]) -> NDArray[np.int64]:
    """The distinct rows ``[M, 3]``, in the order of their first occurrence."""
    rows: NDArray[np.int64] = np.array(statements, dtype=np.int64).reshape(-1, 3)
    order = np.lexsort(rows.T)  # Stable: the first of equal rows comes first.
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (np.diff(rows[order], axis=0) != 0).any(axis=1)
    unique: NDArray[np.int64] = rows[np.sort(order[new])]
    return unique
