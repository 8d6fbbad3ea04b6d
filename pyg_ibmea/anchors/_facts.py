"""The facts of a graph, read from both ends, and how much each identifies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.anchors._entries import Floats, Ints
from pyg_ibmea.problem import has_triples, triples_of

Values = tuple[Tensor, Tensor, Sequence[str]]
"""Attribute values of a graph: entity and attribute ids, long ``[A]``, and ``A``
texts."""


class Facts(NamedTuple):
    """What is said of each entity: a relation to a neighbour, or an attribute's value.

    A triple is two facts: one of its head, and one of its tail by the relation read
    backwards, whose number is that of the relation plus the number of relations.
    Attributes are numbered after the relations of both directions, and values, as
    neighbours, after the entities.

    Attributes:
        entity (numpy.ndarray): Whom a fact is about, int64 ``[E]``.
        relation (numpy.ndarray): Int64 ``[E]``.
        neighbor (numpy.ndarray): Int64 ``[E]``.
        num_entities (int): Number of entities.
        num_nodes (int): Number of entities and values.
        num_relations (int): Number of relations in both directions, and of attributes.
        num_directed (int): Number of relations in one direction.
    """

    entity: Ints
    relation: Ints
    neighbor: Ints
    num_entities: int
    num_nodes: int
    num_relations: int
    num_directed: int

    @classmethod
    def of(cls, data: HeteroData, kg: str) -> Facts:
        """The facts of a graph's triples, each once.

        Args:
            data (HeteroData): The problem.
            kg (str): Name of the graph.
        """
        rows = np.empty((0, 3), dtype=np.int64)
        if has_triples(data, kg):
            store = triples_of(data, kg)
            head, tail = store.edge_index.as_subclass(Tensor).cpu()
            columns = [head, store.edge_type.cpu(), tail]
            rows = np.unique(torch.stack(columns, dim=1).numpy(), axis=0)
        head, relation, tail = rows.T
        count = int(relation.max()) + 1 if len(relation) else 0
        size = int(data[kg].num_nodes)
        return cls(
            np.concatenate([head, tail]),
            np.concatenate([relation, relation + count]),
            np.concatenate([tail, head]),
            size,
            size,
            2 * count,
            count,
        )

    def with_values(self, entity: Ints, attribute: Ints, value: Ints) -> Facts:
        """The same with attribute values.

        Args:
            entity (numpy.ndarray): Int64 ``[A]``.
            attribute (numpy.ndarray): Int64 ``[A]``.
            value (numpy.ndarray): Numbers of values, from 0, int64 ``[A]``.
        """
        if not len(entity):
            return self
        rows = np.unique(np.stack([entity, attribute, value], axis=1), axis=0)
        entity, attribute, value = rows.T
        return Facts(
            np.concatenate([self.entity, entity]),
            np.concatenate([self.relation, attribute + self.num_relations]),
            np.concatenate([self.neighbor, value + self.num_entities]),
            self.num_entities,
            self.num_entities + int(value.max()) + 1,
            self.num_relations + int(attribute.max()) + 1,
            self.num_directed,
        )


class Descriptions(NamedTuple):
    """The distinct combinations of a neighbour and a relation, ordered by neighbour.

    Attributes:
        neighbor (numpy.ndarray): Int64 ``[C]``, ascending.
        relation (numpy.ndarray): Int64 ``[C]``.
        identifying (numpy.ndarray): How far a combination identifies its entity,
            ``[C]`` in (0, 1]: the geometric mean of 1 divided by the number of entities
            that it describes, and of the harmonic mean of that number over all
            combinations of the relation.
        of_entity (scipy.sparse.csr_array): 1 where a combination describes an entity,
            ``[N, C]``.
    """

    neighbor: Ints
    relation: Ints
    identifying: Floats
    of_entity: csr_array

    @classmethod
    def of(cls, facts: Facts, most_shared: int) -> Descriptions:
        """Groups facts; combinations that describe more than ``most_shared`` entities
        are left out, for they tell little and would make products dense.
        """
        width = np.int64(max(1, facts.num_relations))
        key, place, shared = np.unique(
            facts.neighbor * width + facts.relation,
            return_inverse=True,
            return_counts=True,
        )
        relation = key % width
        said = np.bincount(relation, minlength=int(width))
        total = np.bincount(facts.relation, minlength=int(width))
        overall = said / np.maximum(total, 1)
        kept = shared <= most_shared
        number = np.cumsum(kept) - 1
        inside = kept[place]
        row, column = facts.entity[inside], number[place[inside]]
        shape = facts.num_entities, int(kept.sum())
        return cls(
            (key // width)[kept],
            relation[kept],
            np.sqrt(overall[relation[kept]] / shared[kept]),
            csr_array((np.ones(len(row)), (row, column)), shape=shape),
        )
