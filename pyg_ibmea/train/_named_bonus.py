"""What is added to cosines, with the facts that it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.align._agreement_facts import AgreementFacts, NeighborFacts
from pyg_ibmea.align.explanation import FACT, Contribution
from pyg_ibmea.problem import Pair, triples_of
from pyg_ibmea.train._entity_names import Names

_AT_A_TIME = 2000


class NamedBonus(Protocol):
    """One of the things that are added to the cosines of some pairs.

    Attributes:
        name (str): What it is called.
        value (torch.Tensor): What is added, by node ids, sparse ``[N, M]``.
    """

    @property
    def name(self) -> str: ...

    @property
    def value(self) -> Tensor: ...

    def facts(self, pairs: Tensor, most: int) -> list[tuple[list[Contribution], int]]:
        """The strongest facts of some pairs, the strongest first, and how many others
        there are; all of a pair add up to its value.

        Args:
            pairs (torch.Tensor): Node ids, long ``[2, L]``.
            most (int): How many facts of a pair, at most.
        """
        ...


@dataclass(frozen=True, eq=False)
class NeighborhoodBonus:
    """Neighbourhood agreement: its facts are pairs of neighbours.

    Attributes:
        data (HeteroData): The problem of one pair of graphs.
        pair (tuple): Names of the two graphs.
        value (torch.Tensor): The weighted agreement, sparse ``[N, M]``.
        matches (torch.Tensor): What it was computed from, sparse ``[N, M]``.
        weight (float): Factor of the agreement.
        names (Names): What entities are called.
    """

    data: HeteroData
    pair: Pair
    value: Tensor
    matches: Tensor
    weight: float
    names: Names
    name: str = "neighbourhood"

    @cached_property
    def _told(self) -> AgreementFacts:
        stores = [triples_of(self.data, kg) for kg in self.pair]
        edges = [(store.edge_index, store.edge_type) for store in stores]
        return AgreementFacts(self.matches, edges[0], edges[1])

    def facts(self, pairs: Tensor, most: int) -> list[tuple[list[Contribution], int]]:
        """See :class:`NamedBonus`."""
        found: list[tuple[list[Contribution], int]] = []
        for some in pairs.split(_AT_A_TIME, dim=1):
            found += self._strongest(self._told.of_pairs(some), some.size(1), most)
        return found

    def _strongest(
        self, facts: NeighborFacts, size: int, most: int
    ) -> list[tuple[list[Contribution], int]]:
        # Pair by pair, and the strongest of each first.
        order = facts.value.argsort(descending=True, stable=True)
        order = order[facts.pair[order].argsort(stable=True)]
        count = torch.bincount(facts.pair, minlength=size)
        rank = torch.arange(order.numel(), device=order.device)
        rank -= (count.cumsum(0) - count).repeat_interleave(count)
        kept = order[rank < most]
        told: list[list[Contribution]] = [[] for _ in range(size)]
        columns = (part[kept].tolist() for part in facts)
        for pair, r, n, q, m, probability, value in zip(*columns, strict=True):
            told[pair].append(self._fact((r, n), (q, m), probability, value))
        others = (count - most).clamp(min=0).tolist()
        return list(zip(told, others, strict=True))

    def _fact(
        self, left: tuple[int, int], right: tuple[int, int], sure: float, value: float
    ) -> Contribution:
        sides = list(zip(self.pair, (left, right), strict=True))
        ours, theirs = (self.names.fact(kg, *fact) for kg, fact in sides)
        full = [self.names.fact(kg, *fact, full=True) for kg, fact in sides]
        said = f"both {ours}" if ours == theirs else f"{ours} = {theirs}"
        how = "known pair" if sure >= 1 else f"probability {sure:.2f}"
        text = f"{said} ({how})"
        return Contribution(self.name, self.weight * value, text, FACT, *full)


def values_at(matrix: Tensor, pairs: Tensor) -> Tensor:
    """The entries of a sparse matrix ``[N, M]`` at pairs ``[2, L]``, double ``[L]``; 0
    where there is none.
    """
    matrix = matrix.to_sparse_coo().coalesce()
    row, column = matrix.indices()
    keys, wanted = row * matrix.size(1) + column, pairs[0] * matrix.size(1) + pairs[1]
    values = matrix.values().double()
    if not keys.numel():
        return values.new_zeros(wanted.numel())
    place = torch.searchsorted(keys, wanted).clamp(max=keys.numel() - 1)
    return torch.where(keys[place] == wanted, values[place], 0.0)
