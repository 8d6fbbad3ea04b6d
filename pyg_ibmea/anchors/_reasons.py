"""What made a match, in words: the anchor it is, and the surest facts."""

from __future__ import annotations

import numpy as np
from torch_geometric.data import HeteroData

from pyg_ibmea.anchors._entries import Ints, spans
from pyg_ibmea.anchors._evidence import LEAST, support
from pyg_ibmea.anchors._facts import Descriptions
from pyg_ibmea.anchors._normal import in_any_order, plain, without_brackets
from pyg_ibmea.anchors.anchors import Anchors
from pyg_ibmea.anchors.fixed_point import FixedPoint
from pyg_ibmea.problem import labels_of

# A probability that only adds to the facts is no reason by itself.
_TOLD = 0.1


def reasons_of(
    data: HeteroData, anchors: Anchors, found: FixedPoint, most: int
) -> list[str]:
    """A text for each match of a fixed point.

    Args:
        data (HeteroData): The problem.
        anchors (Anchors): The anchors that it began with.
        found (FixedPoint): The fixed point.
        most (int): Most facts to name.
    """
    matches = found.matches
    key = anchors.source * np.int64(max(1, matches.size[1])) + anchors.target
    place = np.searchsorted(key, matches.key())
    padded = np.append(key, -1)
    there = padded[place] == matches.key()
    texts: list[list[str]] = [[] for _ in matches.row]
    labels = [labels_of(data, kg) for kg in anchors.graphs]
    for i in np.flatnonzero(there).tolist():
        at = int(place[i])
        if anchors.probability[at] >= _TOLD:
            kind = anchors.kinds[anchors.kind[at]]
            ids = int(matches.row[i]), int(matches.column[i])
            texts[i].append(_with_labels(kind, labels[0][ids[0]], labels[1][ids[1]]))
    named = _Names(data, anchors)
    for i, fact, other in zip(*facts_of(found, most), strict=True):
        texts[i].append(named.fact(found, fact, other))
    return ["; ".join(text) for text in texts]


def facts_of(found: FixedPoint, most: int) -> tuple[list[int], list[int], list[int]]:
    """The surest facts of each match: its number and the descriptions in both graphs.

    Args:
        found (FixedPoint): The fixed point.
        most (int): Most facts of a match.
    """
    matches, (left, right) = found.matches, found.sides
    support_of = np.full(found.support.size[0], -1, dtype=np.int64)
    support_of[found.support.row] = found.support.column
    sure = np.zeros(found.support.size[0])
    sure[found.support.row] = found.support.value
    match, ours = _described(left, matches.row)
    other, theirs = _described(right, matches.column)
    # Descriptions of both entities of a match whose neighbours are matched.
    width = np.int64(found.support.size[1] + 1)
    counterpart = support_of[left.neighbor[ours]]
    wanted = np.where(counterpart >= 0, match * width + counterpart, -1)
    keys = other * width + right.neighbor[theirs]
    order = np.argsort(keys, kind="stable")
    which, place = spans(keys[order], wanted)
    match, ours, theirs = match[which], ours[which], theirs[order[place]]
    value = sure[left.neighbor[ours]]
    strength = support(value, ours, theirs, left, right, found.within)
    kept = strength > LEAST
    match, ours, theirs = match[kept], ours[kept], theirs[kept]
    strength = strength[kept]
    # A description counts once, by the surest relation of the other graph.
    order = np.lexsort((theirs, -strength, ours, match))
    first = np.ones(len(order), dtype=bool)
    same = (np.diff(match[order]) == 0) & (np.diff(ours[order]) == 0)
    first[1:] = ~same
    order = order[first]
    order = order[np.lexsort((ours[order], -strength[order], match[order]))]
    rank = np.arange(len(order)) - np.searchsorted(match[order], match[order])
    order = order[rank < most]
    return match[order].tolist(), ours[order].tolist(), theirs[order].tolist()


def _described(side: Descriptions, entities: Ints) -> tuple[Ints, Ints]:
    """The place of each entity and its descriptions, one after the other."""
    rows = side.of_entity[entities].tocoo()
    return rows.row.astype(np.int64), rows.col.astype(np.int64)


class _Names:
    """How relations and neighbours are called."""

    def __init__(self, data: HeteroData, anchors: Anchors) -> None:
        store = data.to_dict().get("_global_store", {})
        self.graphs = anchors.graphs
        self.facts = anchors.values.facts
        self.uris = [store.get("uri", {}).get(kg, ()) for kg in self.graphs]
        self.relations = [
            store.get("relation_uri", {}).get(kg, ()) for kg in self.graphs
        ]
        self.values = anchors.values.texts

    def fact(self, found: FixedPoint, fact: int, other: int) -> str:
        """Such as ``'both are <in> of France = Frankrijk'``."""
        relation, neighbor = [], []
        for side, at in enumerate((fact, other)):
            relation.append(self._relation(side, int(found.sides[side].relation[at])))
            neighbor.append(self._neighbor(side, int(found.sides[side].neighbor[at])))
        how = relation[0] if relation[0] == relation[1] else " / ".join(relation)
        what = neighbor[0] if neighbor[0] == neighbor[1] else " = ".join(neighbor)
        return f"both {how} {what}"

    def _relation(self, side: int, number: int) -> str:
        count = self.facts[side].num_directed
        if number >= 2 * count:
            return "have the value"
        back, place = divmod(number, max(1, count))
        known = self.relations[side]
        name = _short(known[place]) if place < len(known) else str(place)
        return f"are <{name}> of" if back else f"have <{name}>"

    def _neighbor(self, side: int, number: int) -> str:
        count = self.facts[side].num_entities
        if number >= count:
            return repr(self.values[number - count])
        known = self.uris[side]
        return _short(known[number]) if number < len(known) else str(number)


def _short(uri: str) -> str:
    """The last part of a URI."""
    return uri.rstrip("/#").replace("#", "/").rpartition("/")[2] or uri


def _with_labels(kind: str, ours: tuple[str, ...], theirs: tuple[str, ...]) -> str:
    if not ours or not theirs or "label" not in kind:
        return kind
    pairs = [(one, other) for one in ours for other in theirs]
    one, other = max(pairs, key=lambda pair: _alike(*pair))
    return f"{kind} ({one!r}, {other!r})"


def _alike(one: str, other: str) -> tuple[bool, bool, float]:
    """How alike two labels are, to choose those to show."""
    grams = [
        {text[i : i + 3] for i in range(max(1, len(text) - 2))}
        for text in map(plain, (one, other))
    ]
    return (
        in_any_order(one) == in_any_order(other),
        without_brackets(one) == without_brackets(other),
        len(grams[0] & grams[1]) / len(grams[0] | grams[1]),
    )
