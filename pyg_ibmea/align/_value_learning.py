"""Which attributes of two graphs correspond, learned from known pairs of entities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pyg_ibmea.align._value_closeness import LEVELS, comparable, levels, scaled, shifted
from pyg_ibmea.align._value_columns import Column, Floats, Ids

# Values of known pairs that are compared with those of other pairs, at most.
_SAMPLE = 200
# Known pairs that count as if they were like any other pair.
_PRIOR = 4.0
# Nats by which agreement must be likelier than by chance, all known pairs together:
# thousands of pairs of attributes are tried.
_LEAST_GAIN = 10.0
# Factors between units that numbers may differ by, if they nearly do.
_FACTORS = np.array(
    [
        *(1.0, 12.0, 60.0, 100.0, 1e3, 3600.0, 1e4, 86400.0, 1e6, 1e9),
        *(0.3048, 0.0254, 1.609344, 2.589988, 0.45359237, 4046.8564),
    ]
)
_WIDTH = 0.01
_COMMON = 0.1


@dataclass(frozen=True, eq=False)
class ValueCorrespondence:
    """Two attributes whose values agree more often in known pairs than by chance.

    Attributes:
        source (Column): The source's values, in the target's units.
        target (Column): The target's values.
        scale (float): What the source's numbers were multiplied by.
        months (int): By how many months the source's dates were moved.
        pairs (int): Number of known pairs that have both.
        agreeing (numpy.ndarray): The share of these pairs at each level of closeness,
            smoothed; the last is for values far apart, ``[L + 1]``.
        chance (numpy.ndarray): The same of other pairs, ``[L + 1]``.
        gain (float): How much likelier the values of all known pairs are than by
            chance, in nats.
    """

    source: Column
    target: Column
    scale: float
    months: int
    pairs: int
    agreeing: Floats
    chance: Floats
    gain: float


def correspondences(
    sources: Sequence[Column], targets: Sequence[Column], known: tuple[Ids, Ids]
) -> list[ValueCorrespondence]:
    """The pairs of attributes that correspond.

    Args:
        sources (sequence of Column): The source's columns.
        targets (sequence of Column): The target's columns.
        known (tuple): Node ids of known pairs, ``[L]`` each.
    """
    found = []
    sides = [[column.among(ids) for column in columns] for columns, ids in zip(
        (sources, targets), known, strict=True
    )]  # fmt: skip
    for one, of_one in zip(sources, sides[0], strict=True):
        if not len(of_one[0]):
            continue
        for other, of_other in zip(targets, sides[1], strict=True):
            if len(of_other[0]) and comparable(one, other):
                learned = _learned(one, of_one, other, of_other)
                if learned is not None:
                    found.append(learned)
    return found


def _learned(
    one: Column, of_one: tuple[Ids, Ids], other: Column, of_other: tuple[Ids, Ids]
) -> ValueCorrespondence | None:
    """What known pairs tell of two columns; ``None`` if that is nothing."""
    a, b, pair = _joined(of_one, of_other)
    count = len(np.unique(pair))
    if count < 2:
        return None
    scale, months = 1.0, 0
    if one.kind[0] == "number":
        scale = _scale(one, a, other, b)
        one = scaled(one, scale)
    elif one.kind[0] == "date":
        months = _months(one, a, other, b)
        one = shifted(one, months)
    size = LEVELS[one.kind[0]]
    level = np.full(pair.max() + 1, size + 1)
    np.minimum.at(level, pair, levels(one, a, other, b))
    seen = np.bincount(level[level <= size], minlength=size + 1).astype(np.float64)
    chance = _by_chance(one, a, other, b, size)
    agreeing = (seen + _PRIOR * chance) / (count + _PRIOR)
    gain = float((seen * np.log(agreeing / chance)).sum())
    if gain < _LEAST_GAIN or seen[:size].sum() < 2:
        return None
    return ValueCorrespondence(one, other, scale, months, count, agreeing, chance, gain)


def _joined(of_one: tuple[Ids, Ids], of_other: tuple[Ids, Ids]) -> tuple[Ids, Ids, Ids]:
    """Places of the values of pairs that have both, and the number of the pair."""
    start = np.searchsorted(of_other[0], of_one[0])
    count = np.searchsorted(of_other[0], of_one[0], side="right") - start
    at = np.repeat(np.arange(len(count)), count)
    inside = np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count)
    return of_one[1][at], of_other[1][np.repeat(start, count) + inside], of_one[0][at]


def _by_chance(one: Column, a: Ids, other: Column, b: Ids, size: int) -> Floats:
    """How often values of different pairs are at each level of closeness, with a
    little of everything.
    """
    step = max(1, len(a) // _SAMPLE)
    a, b = np.unique(a[::step]), np.unique(b[::step])
    left, right = np.repeat(a, len(b)), np.tile(b, len(a))
    level = levels(one, left, other, right)
    seen = np.bincount(level, minlength=size + 1).astype(np.float64)
    # As many of the pairs compared are known pairs themselves.
    seen[:size] -= np.minimum(seen[:size], len(a))
    seen = np.maximum(seen, 0.5)
    chance: Floats = seen / seen.sum()
    return chance


def _scale(one: Column, a: Ids, other: Column, b: Ids) -> float:
    """What the numbers of one column must be multiplied by: the commonest ratio, or 1
    if that is nearly as common.
    """
    mine, theirs = ((c.low[i] + c.high[i]) / 2 for c, i in ((one, a), (other, b)))
    usable = (mine * theirs > 0) & (np.abs(mine) > 1e-12) & (np.abs(theirs) > 1e-12)
    ratio = np.sort(np.log(theirs[usable] / mine[usable]))
    if not len(ratio):
        return 1.0
    count = np.searchsorted(ratio, ratio + _WIDTH, side="right") - np.arange(len(ratio))
    best = int(count.argmax())
    plain = int((np.abs(ratio) <= _WIDTH / 2).sum())
    if count[best] < max(3, 2 * plain, _COMMON * len(ratio)):
        return 1.0
    common = float(np.exp(np.median(ratio[best : best + count[best]])))
    factors = np.concatenate([_FACTORS, 1 / _FACTORS])
    nearest = factors[np.abs(np.log(factors / common)).argmin()]
    close = abs(np.log(nearest / common)) < _WIDTH
    return float(nearest) if close else common


def _months(one: Column, a: Ids, other: Column, b: Ids) -> int:
    """By how many months dates must be moved. Some count the months that have passed
    and some the month that it is, when they write it as a fraction of the year.
    """
    same = {
        months: int((levels(shifted(one, months), a, other, b) <= 1).sum())
        for months in (0, -1, 1)
    }
    best = max(same, key=lambda months: same[months])
    return best if same[best] >= max(3, 2 * same[0]) else 0
