"""Entities of two graphs that have the same key: a form of a label, a URI, a value."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from pyg_ibmea.anchors._entries import Pairs

# A key of more pairs of entities than this identifies none of them.
_MOST_PAIRS = 25


class Keyed(NamedTuple):
    """The pairs of entities that share a key.

    Attributes:
        pairs (Pairs): 1 divided by the number of entities that share the key, in the
            graph that has more of them: 1 where it is unique in both graphs.
        crowded (list): Each key of too many entities to identify any, with their number
            in both graphs together, the most crowded first.
    """

    pairs: Pairs
    crowded: list[tuple[Hashable, int]]


def pairs_by_key(
    source: Sequence[Iterable[Hashable]], target: Sequence[Iterable[Hashable]]
) -> Keyed:
    """Pairs the entities of two graphs by keys.

    Args:
        source (sequence): The keys of each source entity; empty ones do not count.
        target (sequence): The keys of each target entity.

    Returns:
        Keyed: The pairs, and the keys of too many entities.
    """
    left, right = _holders(source), _holders(target)
    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    crowded = []
    for key in left.keys() & right.keys():
        ours, theirs = left[key], right[key]
        if len(ours) * len(theirs) > _MOST_PAIRS:
            crowded.append((key, len(ours) + len(theirs)))
            continue
        for i in ours:
            rows += [i] * len(theirs)
            columns += theirs
        values += [1 / max(len(ours), len(theirs))] * (len(ours) * len(theirs))
    numbers = [np.array(ids, dtype=np.int64) for ids in (rows, columns)]
    size = len(source), len(target)
    found = Pairs.best_of(numbers[0], numbers[1], np.array(values, dtype=float), size)
    return Keyed(found, sorted(crowded, key=lambda c: (-c[1], str(c[0]))))


def _holders(keys: Sequence[Iterable[Hashable]]) -> dict[Hashable, list[int]]:
    found: dict[Hashable, list[int]] = {}
    for entity, own in enumerate(keys):
        for key in dict.fromkeys(own):
            if key:
                found.setdefault(key, []).append(entity)
    return found
