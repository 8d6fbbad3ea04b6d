"""Attribute values that two graphs share: identifiers, links to elsewhere, numbers."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from pyg_ibmea.anchors._entries import Ints, Pairs
from pyg_ibmea.anchors._facts import Facts, Values
from pyg_ibmea.anchors._keys import pairs_by_key
from pyg_ibmea.anchors._normal import plain

VALUE = "a shared identifier"

# An attribute identifies if its values are held by this share of one entity each, and
# a value if it is at least so long; others only count with all other facts.
_FUNCTIONAL, _LENGTH, _PROBABILITY = 0.95, 5, 0.85


class ByValues(NamedTuple):
    """What attribute values say.

    Attributes:
        facts (tuple): The facts of both graphs, values among them.
        equal (Pairs): Values of both graphs that are equal, by their numbers as
            neighbours, each with 1.
        anchors (Pairs): Entities that alone have a value of an attribute that
            identifies, with their probability.
        texts (tuple): The shared values by number.
    """

    facts: tuple[Facts, Facts]
    equal: Pairs
    anchors: Pairs
    texts: tuple[str, ...]


def by_values(
    left: Facts, right: Facts, source: Values | None, target: Values | None
) -> ByValues:
    """Adds the values that both graphs have to their facts.

    Args:
        left (Facts): The facts of the source graph.
        right (Facts): The facts of the target graph.
        source (tuple or None): Its values: entity and attribute ids, long ``[A]``, and
            ``A`` texts; nothing is added if one graph has none.
        target (tuple or None): Those of the target graph.
    """
    size = left.num_entities, right.num_entities
    if source is None or target is None:
        nodes = left.num_nodes, right.num_nodes
        return ByValues((left, right), Pairs.none(nodes), Pairs.none(size), ())
    texts = [[canonical(text) for text in given[2]] for given in (source, target)]
    number = {
        text: i for i, text in enumerate(sorted({*texts[0]} & {*texts[1]} - {""}))
    }
    facts, keys = [], []
    for graph, given, own in zip((left, right), (source, target), texts, strict=True):
        entity, attribute = (ids.cpu().numpy() for ids in given[:2])
        keys.append(_identifiers(entity, attribute, own, graph.num_entities))
        place = np.array([number.get(text, -1) for text in own], dtype=np.int64)
        shared = place >= 0
        facts.append(
            graph.with_values(entity[shared], attribute[shared], place[shared])
        )
    every = np.arange(len(number))
    rows, columns = (every + graph.num_entities for graph in (left, right))
    nodes = facts[0].num_nodes, facts[1].num_nodes
    equal = Pairs(rows, columns, np.ones(len(number)), nodes)
    pairs = pairs_by_key(*keys).pairs
    unique = pairs.take(pairs.value == 1.0)
    anchors = unique._replace(value=_PROBABILITY * unique.value)
    return ByValues((facts[0], facts[1]), equal, anchors, tuple(number))


def canonical(text: str) -> str:
    """The form in which values are compared: numbers as such, other texts as labels.

    Example:
        >>> canonical("1,50"), canonical("+1.50e0"), canonical(" ISBN 3-7643")
        ('1 50', '1.5', 'isbn 3 7643')
    """
    try:
        number = float(text)
    except ValueError:
        return plain(text)
    return repr(number) if np.isfinite(number) else plain(text)


def _identifiers(
    entity: Ints, attribute: Ints, texts: list[str], size: int
) -> list[list[str]]:
    """The values of each entity by attributes that identify."""
    distinct = {*zip(entity.tolist(), attribute.tolist(), texts, strict=True)}
    stated = Counter(a for _, a, _ in distinct)
    values = Counter(a for a, _ in {(a, text) for _, a, text in distinct})
    keys: list[list[str]] = [[] for _ in range(size)]
    for e, a, text in sorted(distinct):
        if (
            values[a] >= _FUNCTIONAL * stated[a]
            and len(text.removesuffix(".0")) >= _LENGTH
        ):
            keys[e].append(text)
    return keys
