"""How close values of two attributes are, and which entities have close ones."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pyg_ibmea.align._value_columns import Column, Floats, Ids

# From the closest level on: relative differences of numbers, degrees of coordinates.
_NUMBERS = (1e-3, 1e-2, 0.05, 0.2)
_POINTS = np.radians((0.01, 0.05, 0.2, 1.0))
_DAY, _MONTH, _YEAR = 1.5 / 365, 32 / 365, 1.0

LEVELS = {"number": 5, "date": 5, "point": 4, "text": 1}
"""Number of levels of closeness, by kind; one more stands for values far apart.

- numbers: the same as far as they are written; up to 0.1, 1, 5 and 20 % apart
- dates: the same day, month, year as far as they are written; different months of a
  year; up to a year apart
- coordinates: up to 0.01, 0.05, 0.2 and 1 degree apart
- texts: the same
"""

# How far from a value to look, from far to near, and which levels that finds in full.
_REACH = {
    "number": ((0.2, 5), (0.05, 4), (0.01, 3), (1e-3, 2)),
    "date": ((1.5, 5), (0.55, 3), (_MONTH, 2), (_DAY, 1)),
    "text": ((0.0, 1),),
}


class Close(NamedTuple):
    """Pairs of entities with close values, each once.

    Attributes:
        source (numpy.ndarray): Node ids of the source graph, ``[L]``.
        target (numpy.ndarray): Node ids of the target graph, ``[L]``.
        level (numpy.ndarray): The closest level of their values, ``[L]``.
    """

    source: Ids
    target: Ids
    level: NDArray[np.int64]


def comparable(one: Column, other: Column) -> bool:
    """Whether the values of two columns can be close. A unit may be missing."""
    units = one.kind[1], other.kind[1]
    return one.kind[0] == other.kind[0] and (units[0] == units[1] or "" in units)


def scaled(column: Column, scale: float) -> Column:
    """The column with its numbers multiplied."""
    if scale == 1.0:
        return column
    return replace(column, low=column.low * scale, high=column.high * scale)


def shifted(column: Column, months: int) -> Column:
    """The column with its dates moved by some months. A year may be a year or, where
    others write a month as a fraction of it, that month: it is made longer.
    """
    if not months:
        return column
    moved = np.full(len(column.low), months / 12)
    wide = column.high - column.low > 2 * _MONTH
    low = column.low + np.where(wide, np.minimum(moved, 0), moved)
    high = column.high + np.where(wide, np.maximum(moved, 0), moved)
    return replace(column, low=low, high=high)


def levels(one: Column, a: Ids, other: Column, b: Ids) -> NDArray[np.int64]:
    """The level of closeness of values at given places of two columns.

    Args:
        one (Column): One column.
        a (numpy.ndarray): Places in it, ``[L]``.
        other (Column): The other column, of the same kind.
        b (numpy.ndarray): Places in it, ``[L]``.
    """
    kind = one.kind[0]
    ends = one.low[a], one.high[a], other.low[b], other.high[b]
    if kind == "text":
        return _ids(ends[0] != ends[2])
    if kind == "point":
        apart = np.linalg.norm(_on_sphere(*ends[:2]) - _on_sphere(*ends[2:]), axis=1)
        return _ids(np.searchsorted(2 * np.sin(_POINTS / 2), apart))
    widths = ends[1] - ends[0], ends[3] - ends[2]
    common = np.minimum(ends[1], ends[3]) - np.maximum(ends[0], ends[2])
    # Of what is known better, half must be in what is known worse.
    overlap = common >= np.minimum(*widths) / 2
    if kind == "date":
        wide = np.maximum(*widths)
        known = np.searchsorted((_DAY, _MONTH), wide)
        year = np.floor(ends[0] + 1e-9) == np.floor(ends[2] + 1e-9)
        middle = np.abs(ends[0] + ends[1] - ends[2] - ends[3]) / 2
        near = np.where(middle <= _YEAR, 4, 5)
        return _ids(np.where(overlap, known, np.where(year, 3, near)))
    apart = np.abs(_logs(*ends[:2]) - _logs(*ends[2:]))
    return _ids(np.where(overlap, 0, 1 + np.searchsorted(_NUMBERS, apart)))


def close_pairs(one: Column, other: Column, most: int) -> Close:
    """The pairs of entities that have close values.

    Where more than ``most`` values of the other column are within a level of a value,
    only closer ones count: what so many share tells little.

    Args:
        one (Column): The source's column.
        other (Column): The target's column, in the same units.
        most (int): Number of values of the other column, at most.
    """
    kind = one.kind[0]
    a, b, limit = (_near_points if kind == "point" else _near)(one, other, most)
    level = levels(one, a, other, b)
    kept = level < limit
    width = 1 + int(other.entity[-1])
    pair = one.entity[a[kept]] * width + other.entity[b[kept]]
    level = level[kept]
    order = np.lexsort((level, pair))
    pair, level = pair[order], level[order]
    first = np.ones(len(pair), dtype=bool)
    first[1:] = pair[1:] != pair[:-1]
    return Close(pair[first] // width, pair[first] % width, level[first])


def _near(one: Column, other: Column, most: int) -> tuple[Ids, Ids, Ids]:
    """Places of values that may be close, and below which level they are all there."""
    kind = one.kind[0]
    mine, theirs = _line(one), _line(other)
    order = np.argsort(theirs, kind="stable")
    theirs = theirs[order]
    start = np.zeros(len(mine), dtype=np.int64)
    count, limit = start.copy(), start.copy()
    for reach, below in _REACH[kind]:
        # Of numbers, what is the same as written may be further apart than any reach.
        slack = reach + (_slack(one) if kind == "number" else 0.0) + 1e-9
        begin = np.searchsorted(theirs, mine - slack)
        found = np.searchsorted(theirs, mine + slack, side="right") - begin
        fits = (limit == 0) & (found <= most)
        start, count = np.where(fits, begin, start), np.where(fits, found, count)
        limit = np.where(fits, below, limit)
    a = np.repeat(np.arange(len(mine)), count)
    inside = np.arange(len(a)) - np.repeat(np.cumsum(count) - count, count)
    return a, order[np.repeat(start, count) + inside], np.repeat(limit, count)


def _near_points(one: Column, other: Column, most: int) -> tuple[Ids, Ids, Ids]:
    sides = [_on_sphere(column.low, column.high) for column in (one, other)]
    apart, place = cKDTree(sides[1]).query(
        sides[0], k=most + 1, distance_upper_bound=2 * np.sin(_POINTS[-1] / 2)
    )
    apart, place = apart.reshape(len(sides[0]), -1), place.reshape(len(sides[0]), -1)
    there = np.isfinite(apart)
    # If there are more, the level of the last may lack some.
    full = there.sum(axis=1) <= most
    last = np.searchsorted(2 * np.sin(_POINTS / 2), apart[:, -1])
    limit = np.where(full, len(_POINTS), np.minimum(last, len(_POINTS)))
    a = np.repeat(np.arange(len(there)), there.sum(axis=1))
    return a, place[there], limit[a]


def _ids(found: NDArray[np.intp] | NDArray[np.bool_]) -> Ids:
    ids: Ids = np.asarray(found, dtype=np.int64)
    return ids


def _line(column: Column) -> Floats:
    """Where values stand on a line on which close ones are near each other."""
    if column.kind[0] == "number":
        return _logs(column.low, column.high)
    middle: Floats = (column.low + column.high) / 2
    return middle


def _logs(low: Floats, high: Floats) -> Floats:
    """Logarithms of numbers; negative ones are far from positive ones, 0 from both."""
    middle = (low + high) / 2
    size = np.log(np.maximum(np.abs(middle), 1e-300)) + 1e3
    signed: Floats = np.sign(middle) * size
    return signed


def _slack(column: Column) -> Floats:
    """How far a number's logarithm may be from that of an equal one."""
    middle = np.abs(column.low + column.high) / 2
    half = (column.high - column.low) / 2
    slack: Floats = np.minimum(half / np.maximum(middle, 1e-300), 1.0)
    return slack


def _on_sphere(latitude: Floats, longitude: Floats) -> Floats:
    """Unit vectors, ``[L, 3]``."""
    phi, theta = np.radians(latitude), np.radians(longitude)
    vectors: Floats = np.stack(
        [np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)], axis=-1
    )
    return vectors
