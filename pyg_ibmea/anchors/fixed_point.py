"""A fixed point of matches: each supports those of its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyg_ibmea.anchors._entries import Floats, Ints, Pairs, among_best, one_to_one
from pyg_ibmea.anchors._evidence import evidence
from pyg_ibmea.anchors._facts import Descriptions, Facts
from pyg_ibmea.anchors._inclusion import Inclusion, inclusions

# A pair below the first is forgotten, one below the second supports no other.
_LEAST, _SUPPORTS = 0.02, 0.3
_MOST_SHARED, _MOST_KEPT = 100, 10


@dataclass(frozen=True)
class FixedPoint:
    """What the fixed point found for one pair of graphs.

    Attributes:
        pairs (Pairs): All pairs with their probabilities.
        chosen (numpy.ndarray): Which pairs are matches, one-to-one, bool ``[K]``.
        support (Pairs): The matches of entities and values that support others.
        within (tuple): The inclusions of relations, in both directions.
        sides (tuple): The descriptions of both graphs.
        rounds (int): Number of rounds.
    """

    pairs: Pairs
    chosen: np.ndarray
    support: Pairs
    within: tuple[Inclusion, Inclusion]
    sides: tuple[Descriptions, Descriptions]
    rounds: int

    @property
    def matches(self) -> Pairs:
        """The matches, one-to-one."""
        return self.pairs.take(self.chosen)


def fixed_point(
    prior: Pairs,
    left: Facts,
    right: Facts,
    same: Ints,
    values: Pairs | None = None,
    rounds: int = 10,
    tolerance: float = 0.01,
) -> FixedPoint:
    r"""Lets matches support the matches of their neighbours until nothing changes.

    A round takes the most probable pairs, one-to-one, learns from them how far
    relations are included in each other, and gives every pair of entities

    .. math::
        P = 1 - (1 - P_0) \prod (1 - s)

    with the prior probability :math:`P_0` and the support :math:`s` of each pair of
    facts with matched neighbours (see :func:`evidence`). A probability never falls, so
    that the rounds come to an end. The idea is that of `PARIS
    <https://arxiv.org/abs/1111.7164>`_.

    Args:
        prior (Pairs): Pairs that something else than relations identifies.
        left (Facts): The facts of the source graph.
        right (Facts): The facts of the target graph.
        same (numpy.ndarray): The target relation that has the URI of each source
            relation, int64 ``[R]``, -1 for none.
        values (Pairs, optional): Attribute values of both graphs that are equal, by
            their numbers as neighbours. (default: none)
        rounds (int, optional): Most rounds. (default: :obj:`10`)
        tolerance (float, optional): The rounds end when no probability of a match rises
            by more. (default: :obj:`0.01`)

    Returns:
        FixedPoint: The pairs and the matches among them.
    """
    sides = Descriptions.of(left, _MOST_SHARED), Descriptions.of(right, _MOST_SHARED)
    size = left.num_nodes, right.num_nodes
    values = Pairs.none(size) if values is None else values
    pairs, done = prior, 0
    while True:
        matches = pairs.take(one_to_one(pairs))
        support = _joined(matches.take(matches.value >= _SUPPORTS), values, size)
        within = inclusions(support, left, right, same)
        if done == rounds:
            break
        done += 1
        found = _combined(prior, evidence(support, *sides, within))
        grown = Pairs.best_of(
            np.concatenate([found.row, pairs.row]),
            np.concatenate([found.column, pairs.column]),
            np.concatenate([found.value, pairs.value]),
            pairs.size,
        )
        change = _largest_change(pairs, grown)
        pairs = grown
        if change <= tolerance:
            break
    return FixedPoint(pairs, one_to_one(pairs), support, within, sides, done)


def _joined(matches: Pairs, values: Pairs, size: tuple[int, int]) -> Pairs:
    """Matches of entities and of values, which come after all entities."""
    row = np.concatenate([matches.row, values.row])
    column = np.concatenate([matches.column, values.column])
    return Pairs(row, column, np.concatenate([matches.value, values.value]), size)


def _combined(prior: Pairs, found: Pairs) -> Pairs:
    """Probabilities from the prior ones and minus the logarithms of what facts leave
    open; the most probable few of each entity.
    """
    width = np.int64(max(1, prior.size[1]))
    before = -np.log1p(-np.minimum(prior.value, 1 - 1e-9))
    key, place = np.unique(
        np.concatenate([prior.key(), found.key()]), return_inverse=True
    )
    total = np.bincount(
        place, weights=np.concatenate([before, found.value]), minlength=len(key)
    )
    value: Floats = -np.expm1(-total)
    kept = value >= _LEAST
    row, column, value = key[kept] // width, key[kept] % width, value[kept]
    best = among_best(row, value, _MOST_KEPT) | among_best(column, value, _MOST_KEPT)
    return Pairs(row, column, value, prior.size).take(best)


def _largest_change(before: Pairs, after: Pairs) -> float:
    """By how much the probability of a pair that may be a match rose at most."""
    likely = after.take(after.value >= _SUPPORTS)
    place = np.searchsorted(before.key(), likely.key())
    keys, values = np.append(before.key(), -1), np.append(before.value, 0.0)
    known = np.where(keys[place] == likely.key(), values[place], 0.0)
    return float((likely.value - known).max(initial=0.0))
