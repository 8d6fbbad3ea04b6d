"""What attribute values add to cosines, with the values that it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.align import value_correspondences
from pyg_ibmea.align._value_facts import ValueFacts
from pyg_ibmea.align._value_learning import ValueCorrespondence
from pyg_ibmea.align.explanation import FACT, Contribution
from pyg_ibmea.problem import Pair, entity_counts, links_of, literals_of
from pyg_ibmea.train._entity_names import short
from pyg_ibmea.train._named_bonus import values_at

_SHOWN = 2


@dataclass(frozen=True, eq=False)
class ValueBonus:
    """Agreement of attribute values: its facts are values of two attributes that
    correspond. What is added is shared among them by the evidence of each.

    Attributes:
        data (HeteroData): The problem of one pair of graphs.
        pair (tuple): Names of the two graphs.
        value (torch.Tensor): The weighted agreement, sparse ``[N, M]``.
    """

    data: HeteroData
    pair: Pair
    value: Tensor
    name: str = "values"

    def facts(self, pairs: Tensor, most: int) -> list[tuple[list[Contribution], int]]:
        """See :class:`~pyg_ibmea.train._named_bonus.NamedBonus`."""
        added = values_at(self.value, pairs).tolist()
        ends = pairs.t().tolist()
        return [
            self._strongest(i, j, value, most)
            for (i, j), value in zip(ends, added, strict=True)
        ]

    @cached_property
    def _learned(self) -> list[ValueCorrespondence]:
        sides = [literals_of(self.data, kg) for kg in self.pair]
        known = torch.cat([links_of(self.data, p) for p in ("train", "val")], dim=1)
        return value_correspondences(sides[0], sides[1], known)

    @cached_property
    def _told(self) -> ValueFacts:
        counts = entity_counts(self.data)
        size = counts[self.pair[0]], counts[self.pair[1]]
        return ValueFacts.of(self._learned, size)

    @cached_property
    def _texts(self) -> list[dict[tuple[int, str], list[str]]]:
        """The values of each graph, as they were written, by entity and attribute."""
        found: list[dict[tuple[int, str], list[str]]] = []
        for kg in self.pair:
            literals = literals_of(self.data, kg)
            texts: dict[tuple[int, str], list[str]] = {}
            columns = literals.entity.tolist(), literals.attribute.tolist()
            for node, number, text in zip(*columns, literals.text, strict=True):
                name = literals.attribute_uri[number]
                texts.setdefault((node, name), []).append(text)
            found.append(texts)
        return found

    def _strongest(
        self, i: int, j: int, value: float, most: int
    ) -> tuple[list[Contribution], int]:
        if not value:
            return [], 0
        used: set[tuple[int, str]] = set()
        kept: list[tuple[ValueCorrespondence, float]] = []
        key = i * entity_counts(self.data)[self.pair[1]] + j
        for number, evidence in self._told.among(key):
            one = self._learned[number]
            ends = {(0, one.source.name), (1, one.target.name)}
            if not ends & used:  # An attribute speaks once.
                used |= ends
                kept.append((one, evidence))
        total = sum(evidence for _, evidence in kept)
        told = [
            self._fact(one, (i, j), value * evidence / total) for one, evidence in kept
        ]
        return told[:most], max(0, len(told) - most)

    def _fact(
        self, one: ValueCorrespondence, nodes: tuple[int, int], value: float
    ) -> Contribution:
        said = []
        for side, (node, name) in enumerate(
            zip(nodes, (one.source.name, one.target.name), strict=True)
        ):
            texts = self._texts[side].get((node, name), [])
            more = "" if len(texts) <= _SHOWN else f" and {len(texts) - _SHOWN} more"
            said.append((name, ", ".join(texts[:_SHOWN]) + more))
        (first, a), (second, b) = said
        first, second = short(first), short(second)
        text = f"{first} {a} = {'' if first == second else f'{second} '}{b}"
        return Contribution(
            self.name, value, text, FACT, *(f"{n} {v}" for n, v in said)
        )
