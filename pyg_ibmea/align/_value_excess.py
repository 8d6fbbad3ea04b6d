"""Which attributes of two graphs correspond, judged by their values alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from pyg_ibmea.align._value_closeness import (
    LEVELS,
    close_pairs,
    comparable,
    scaled,
    shifted,
)
from pyg_ibmea.align._value_columns import Column, Floats
from pyg_ibmea.align._value_learning import ValueCorrespondence

# Fewer values than this tell nothing, and fewer than that no unit.
_LEAST_VALUES = 20
_LEAST_FOR_UNITS = 100
# A value that more share is no sign of anything; of numbers and texts, far fewer: many
# are round, or said of many.
_MOST = 10
_RARE = 2
_FACTORS = (60.0, 1e3, 1e6, 100.0, 3600.0)
# Moved by so many units of the last digit, years or degrees, values agree by chance.
_MOVES = (-20.0, -10.0, 10.0, 20.0)
# Standard deviations above chance, and the share of the values that must agree.
_LEAST_SURPRISE = 6.0
_LEAST_SHARE = 0.02
# Up to which level values that agree by chance are counted.
_EXACT = {"number": 1, "date": 3, "point": 2, "text": 1}


def excess_correspondences(
    sources: Sequence[Column], targets: Sequence[Column]
) -> list[ValueCorrespondence]:
    """The pairs of attributes of which more values are the same than when those of one
    are moved a little. Numbers that are only close do not count.

    Args:
        sources (sequence of Column): The source's columns.
        targets (sequence of Column): The target's columns.
    """
    found = []
    for one in sources:
        for other in targets:
            if not comparable(one, other):
                continue
            if min(one.num_entities, other.num_entities) < _LEAST_VALUES:
                continue
            tried = [_tried(*units, other) for units in _units(one, other)]
            told = [learned for learned in tried if learned is not None]
            if told:
                found.append(max(told, key=lambda learned: learned.gain))
    return found


def _units(one: Column, other: Column) -> Iterator[tuple[Column, float, int]]:
    """The column in the units that it may be in, with their factor and months."""
    yield one, 1.0, 0
    if min(one.num_entities, other.num_entities) < _LEAST_FOR_UNITS:
        return
    if one.kind[0] == "date":
        for months in (-1, 1):
            yield shifted(one, months), 1.0, months
    elif one.kind[0] == "number":
        for factor in _FACTORS:
            for scale in (factor, 1 / factor):
                yield scaled(one, scale), scale, 0


def _tried(
    one: Column, scale: float, months: int, other: Column
) -> ValueCorrespondence | None:
    """What the values tell; ``None`` if they do not agree more often than by chance."""
    size, exact = LEVELS[one.kind[0]], _EXACT[one.kind[0]]
    seen = _counts(one, other, exact)
    least = max(5.0, _LEAST_SHARE * min(one.num_entities, other.num_entities))
    if seen.sum() < least:
        return None
    moves = [_counts(moved, other, exact) for moved in _moved(one)]
    control = np.mean(moves, axis=0) if moves else np.zeros(exact)
    excess = seen - control
    surprise = excess.sum() / np.sqrt(control.sum() + 1.0)
    if surprise < _LEAST_SURPRISE or excess.sum() < least:
        return None
    # At most as many as the shorter of both has.
    count = min(one.num_entities, other.num_entities)
    agreeing = np.full(size + 1, 1e-9)
    agreeing[:exact] = np.clip(excess / max(count, excess.sum()), 1e-9, 1.0)
    agreeing[-1] = max(1e-9, 1 - agreeing[:-1].sum())
    chance = np.full(size + 1, 1e-9)
    chance[:exact] = (control + 0.5) / (one.num_entities * other.num_entities)
    chance[-1] = 1 - chance[:-1].sum()
    return ValueCorrespondence(
        one, other, scale, months, 0, agreeing, chance, float(surprise)
    )


def _counts(one: Column, other: Column, exact: int) -> Floats:
    """Number of pairs of entities whose values are the same, by level."""
    most = _MOST
    if one.kind[0] in ("number", "text"):
        one, other, most = _rare(one), _rare(other), _RARE
    if not len(one.entity) or not len(other.entity):
        return np.zeros(exact)
    close = close_pairs(one, other, most)
    found = np.bincount(close.level, minlength=exact)[:exact]
    return found.astype(np.float64)


def _rare(column: Column) -> Column:
    """The values that few entities of the graph share."""
    _, place, shared = np.unique(column.low, return_inverse=True, return_counts=True)
    kept = shared[place] <= _RARE
    return replace(
        column,
        entity=column.entity[kept],
        low=column.low[kept],
        high=column.high[kept],
    )


def _moved(one: Column) -> Iterator[Column]:
    """The column with other values as they might have been."""
    for move in _MOVES:
        if one.kind[0] == "number":
            far = move * (one.high - one.low)
            yield replace(one, low=one.low + far, high=one.high + far)
        elif one.kind[0] == "date":
            far = np.full(len(one.low), np.sign(move) * (abs(move) / 10 + 1))
            yield replace(one, low=one.low + far, high=one.high + far)
        elif one.kind[0] == "point":
            yield replace(one, high=one.high + move / 5)
