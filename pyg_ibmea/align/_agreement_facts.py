"""Which pairs of neighbours make up the agreement of two neighbourhoods."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from pyg_ibmea.align._sparse_product import Entries
from pyg_ibmea.align.agreement import (
    Edges,
    _alike_features,
    _checked,
    _entries,
    _Features,
    _ranges,
    _relations,
)


class NeighborFacts(NamedTuple):
    """Pairs of facts, one of each side, and what each pair adds to an agreement.

    Attributes:
        pair (torch.Tensor): Which of the asked pairs it is of, ascending, long ``[F]``.
        source_relation (torch.Tensor): Relation to the neighbour, long ``[F]``; from
            the number of relations on, read from tail to head.
        source_neighbor (torch.Tensor): Node id of the neighbour, long ``[F]``.
        target_relation (torch.Tensor): The same on the target side, long ``[F]``.
        target_neighbor (torch.Tensor): The same on the target side, long ``[F]``.
        probability (torch.Tensor): That the neighbours are counterparts, ``[F]``.
        value (torch.Tensor): What it adds to the agreement, double ``[F]``.
    """

    pair: Tensor
    source_relation: Tensor
    source_neighbor: Tensor
    target_relation: Tensor
    target_neighbor: Tensor
    probability: Tensor
    value: Tensor


class AgreementFacts:
    """Takes :func:`neighborhood_agreement` apart: its value for two entities is a sum
    over pairs of facts, each a relation and a neighbour.

    Args:
        matches (torch.Tensor): As for :func:`neighborhood_agreement`, as are the
            others.
        source_edges (tuple): ``edge_index`` ``[2, E]`` and ``edge_type`` ``[E]``.
        target_edges (tuple): The same of the target graph.
        most_shared (int, optional): A fact that more entities share is left out.
            (default: :obj:`100`)

    Raises:
        ValueError: As for :func:`neighborhood_agreement`.

    Example:
        >>> import torch
        >>> path = torch.tensor([[0, 1], [1, 2]]), torch.tensor([0, 1])
        >>> known = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 0]]).to_sparse()
        >>> facts = AgreementFacts(known, path, path).of_pairs(torch.tensor([[1], [1]]))
        >>> facts.source_neighbor.tolist(), facts.value.round(decimals=4).tolist()
        ([0], [0.25])
    """

    def __init__(
        self,
        matches: Tensor,
        source_edges: Edges,
        target_edges: Edges,
        most_shared: int = 100,
    ) -> None:
        self.known, sides = _checked(matches, source_edges, target_edges)
        relations = _relations(self.known, *sides, 0.5)
        self.left, self.right = (_Features.of(side, most_shared) for side in sides)
        self.alike = _in_order(
            _alike_features(self.known, relations, self.left, self.right)
        )

    def of_pairs(self, pairs: Tensor) -> NeighborFacts:
        """The facts of some pairs of entities; those of a pair add up to its agreement.

        Args:
            pairs (torch.Tensor): Node ids, long ``[2, L]``.
        """
        ours, theirs = self.left.of_entity, self.right.of_entity
        which, place = _ranges(ours.row, pairs[0])
        step, entry = _ranges(self.alike.row, ours.column[place])
        one, other = self.alike.row[entry], self.alike.column[entry]
        pair = which[step]
        found = _entries(theirs, pairs[1][pair], other)
        value = ours.value[place[step]] * self.alike.value[entry] * found
        kept = value > 0
        one, other, pair = one[kept], other[kept], pair[kept]
        neighbors = self.left.neighbor[one], self.right.neighbor[other]
        return NeighborFacts(
            pair,
            self.left.relation[one],
            neighbors[0],
            self.right.relation[other],
            neighbors[1],
            _entries(self.known, *neighbors),
            value[kept],
        )


def _in_order(matrix: Entries) -> Entries:
    """The entries of a matrix, row by row and ascending."""
    order = (matrix.row * max(1, matrix.size[1]) + matrix.column).argsort()
    row, column, value = (part[order] for part in matrix[:3])
    return Entries(row, column, value, matrix.size)
