"""How far a relation of one graph is included in one of another, given matches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pyg_ibmea.anchors._entries import Floats, Ints, Pairs, spans
from pyg_ibmea.anchors._facts import Facts

# What is expected of two relations before anything is known, of two with one URI, and
# for how many facts the expectation counts.
ANY, SAME_URI, WEIGHT = 0.1, 0.8, 5.0


class Inclusion(NamedTuple):
    r"""The share of the facts of a relation that another relation repeats.

    Of the facts :math:`r(x, y)` whose two entities are matched, with the product of the
    probabilities of both matches, :math:`d(r)` is the sum and :math:`n(r, r')` that of
    those for which the other graph states :math:`r'` between the counterparts:

    .. math::
        I(r \subseteq r') = \frac{n(r, r') + w\, e(r, r')}{d(r) + w}

    where :math:`e` is what is expected before anything is known: 0.8 of relations with
    the same URI, else 0.1, which counts as much as :math:`w = 5` facts.

    Attributes:
        cell (numpy.ndarray): Number of each pair of relations that joins the same
            entities, ascending, int64 ``[K]``.
        both (numpy.ndarray): :math:`n` of these, ``[K]``.
        facts (numpy.ndarray): :math:`d`, ``[R]``.
        same (numpy.ndarray): The relation of the other graph with the same URI, int64
            ``[R]``, -1 for none.
        width (int): Number of relations of the other graph.
    """

    cell: Ints
    both: Floats
    facts: Floats
    same: Ints
    width: int

    def at(self, ours: Ints, theirs: Ints) -> Floats:
        """:math:`I` of pairs of relations.

        Args:
            ours (numpy.ndarray): Relations of the graph, int64 ``[L]``.
            theirs (numpy.ndarray): Relations of the other graph, int64 ``[L]``.

        Returns:
            numpy.ndarray: ``[L]`` in [0, 1].
        """
        wanted = ours * np.int64(self.width) + theirs
        place = np.searchsorted(self.cell, wanted)
        # One more, which no cell is, for those that are past the end.
        cell, both = np.append(self.cell, -1), np.append(self.both, 0.0)
        repeated = np.where(cell[place] == wanted, both[place], 0.0)
        expected = np.where(self.same[ours] == theirs, SAME_URI, ANY)
        found: Floats = repeated + WEIGHT * expected
        found /= self.facts[ours] + WEIGHT
        return found


def inclusions(
    matches: Pairs, left: Facts, right: Facts, same: Ints
) -> tuple[Inclusion, Inclusion]:
    """The inclusion of the relations of each graph in those of the other.

    Args:
        matches (Pairs): One-to-one matches of what the facts are about.
        left (Facts): The facts of the source graph.
        right (Facts): The facts of the target graph.
        same (numpy.ndarray): The target relation that has the URI of each source
            relation, int64 ``[R]``, -1 for none.

    Returns:
        tuple: Of source relations in target relations, and the reverse.
    """
    back = np.full(right.num_relations, -1)
    named = np.flatnonzero(same >= 0)
    back[same[named]] = named
    turned = Pairs(matches.column, matches.row, matches.value, matches.size[::-1])
    return (
        _inclusion(matches, left, right, same),
        _inclusion(turned, right, left, back),
    )


def _inclusion(matches: Pairs, ours: Facts, theirs: Facts, same: Ints) -> Inclusion:
    counterpart = np.full(matches.size[0], -1)
    counterpart[matches.row] = matches.column
    probability = np.zeros(matches.size[0])
    probability[matches.row] = matches.value
    entity, neighbor = counterpart[ours.entity], counterpart[ours.neighbor]
    known = np.flatnonzero((entity >= 0) & (neighbor >= 0))
    sure = probability[ours.entity[known]] * probability[ours.neighbor[known]]
    relation = ours.relation[known]
    facts = np.bincount(relation, weights=sure, minlength=ours.num_relations)
    width = np.int64(max(1, matches.size[1]))
    stated = theirs.entity * width + theirs.neighbor
    order = np.argsort(stated, kind="stable")
    wanted = entity[known] * width + neighbor[known]
    which, place = spans(stated[order], wanted)
    every = np.int64(max(1, theirs.num_relations))
    cells = relation[which] * every + theirs.relation[order[place]]
    cell, number = np.unique(cells, return_inverse=True)
    both = np.bincount(number, weights=sure[which], minlength=len(cell))
    counts = both.astype(np.float64), facts.astype(np.float64)
    return Inclusion(cell, *counts, same, int(every))
