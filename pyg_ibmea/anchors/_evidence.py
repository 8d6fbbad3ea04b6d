"""What the matches of neighbours say about a pair of entities."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from pyg_ibmea.anchors._entries import Floats, Ints, Pairs, spans
from pyg_ibmea.anchors._facts import Descriptions
from pyg_ibmea.anchors._inclusion import Inclusion

# A fact below this says nothing; one fact alone is never sure.
LEAST, MOST = 0.01, 0.99


def evidence(
    matches: Pairs,
    left: Descriptions,
    right: Descriptions,
    within: tuple[Inclusion, Inclusion],
) -> Pairs:
    r"""Minus the logarithm of the probability that no fact identifies the pair, for
    each pair of entities that share some.

    Facts :math:`r(x, y)` and :math:`r'(x', y')` whose neighbours match with the
    probability :math:`p` support the match of :math:`x` and :math:`x'` by

    .. math::
        1 - (1 - p\, I(r \subseteq r')\, f(r, y)) (1 - p\, I(r' \subseteq r)\,
        f(r', y'))

    where :math:`f` says how far the relation and the neighbour identify an entity.

    Args:
        matches (Pairs): Matches of neighbours.
        left (Descriptions): Those of the source graph.
        right (Descriptions): Those of the target graph.
        within (tuple): :math:`I(r \subseteq r')` and :math:`I(r' \subseteq r)`.

    Returns:
        Pairs: Sums over all facts of both entities.
    """
    first, ours = spans(left.neighbor, matches.row)
    second, theirs = spans(right.neighbor, matches.column[first])
    ours, value = ours[second], matches.value[first[second]]
    both = support(value, ours, theirs, left, right, within)
    kept = both > LEAST
    weight = -np.log1p(-both[kept])
    shape = len(left.neighbor), len(right.neighbor)
    alike = csr_array((weight, (ours[kept], theirs[kept])), shape=shape)
    found = (left.of_entity @ alike @ right.of_entity.T).tocoo()
    row, column = found.row.astype(np.int64), found.col.astype(np.int64)
    return Pairs.best_of(row, column, found.data, found.shape)


def support(
    value: Floats,
    ours: Ints,
    theirs: Ints,
    left: Descriptions,
    right: Descriptions,
    within: tuple[Inclusion, Inclusion],
) -> Floats:
    """How far single facts support the match of what they are about, at most 0.99.

    Args:
        value (numpy.ndarray): Probability that the neighbours match, ``[L]``.
        ours (numpy.ndarray): Descriptions of the source graph, int64 ``[L]``.
        theirs (numpy.ndarray): Descriptions of the target graph, int64 ``[L]``.
        left (Descriptions): Those of the source graph.
        right (Descriptions): Those of the target graph.
        within (tuple): The inclusions of relations.
    """
    r, s = left.relation[ours], right.relation[theirs]
    one = value * within[0].at(r, s) * left.identifying[ours]
    other = value * within[1].at(s, r) * right.identifying[theirs]
    found: Floats = np.minimum(1.0 - (1.0 - one) * (1.0 - other), MOST)
    return found
