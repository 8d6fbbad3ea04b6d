from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from pyg_ibmea.align._value_closeness import (
    LEVELS,
    close_pairs,
    comparable,
    levels,
    scaled,
    shifted,
)
from pyg_ibmea.align._value_columns import Column
from pyg_ibmea.typed_values import parse_value, parse_years


def column(kind: str, values: list[tuple[int, float, float]], unit: str = "") -> Column:
    rows = np.array(sorted(values), dtype=float).reshape(-1, 3)
    return Column(kind, (kind, unit), rows[:, 0].astype(int), rows[:, 1], rows[:, 2])


def dates(*texts: str) -> Column:
    values = [parse_years(text) or parse_value(text) for text in texts]
    return column("date", [(i, v.low, v.high) for i, v in enumerate(values)])


def numbers(*texts: str) -> Column:
    values = [parse_value(text) for text in texts]
    return column("number", [(i, v.low, v.high) for i, v in enumerate(values)])


def points(*values: tuple[float, float]) -> Column:
    return column("point", [(i, *value) for i, value in enumerate(values)])


def level(one: Column, other: Column) -> int:
    zero = np.zeros(1, dtype=int)
    return int(levels(one, zero, other, zero)[0])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("1982-05-03", "1982-05-03", 0),
        ("1982-05-03", "1982.0503", 0),
        ("1982-05-03", "1982-05-04", 3),
        ("1982-05-03", "1982-05", 1),
        ("1982-05-03", "1982.333", 1),
        ("1982-05", "1982.3333", 1),
        ("1982-05-03", "1982", 2),
        ("1982", "1982.0000", 2),
        ("1982-05-03", "1982-09-03", 3),
        ("1982-12-03", "1983-02-03", 4),
        ("1982-09-03", "1983", 4),
        ("1982", "1983", 4),
        ("1982-05-03", "1983-06-03", 5),
        ("1982", "1984", 5),
    ],
)
def test_levels_of_dates(one: str, other: str, expected: int) -> None:
    assert level(dates(one), dates(other)) == expected
    assert level(dates(other), dates(one)) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("210", "210.0", 0),
        ("1.73", "1.734", 0),
        ("1.73", "1.74", 2),
        ("-5", "-5", 0),
        ("0", "0", 0),
        ("100000", "100050", 1),
        ("100000", "100500", 2),
        ("1000", "1030", 3),
        ("1000", "1150", 4),
        ("1000", "1300", 5),
        ("1000", "-1000", 5),
        ("1000", "0", 5),
    ],
)
def test_levels_of_numbers(one: str, other: str, expected: int) -> None:
    assert level(numbers(one), numbers(other)) == expected
    assert level(numbers(other), numbers(one)) == expected


def test_levels_of_texts() -> None:
    one = column("text", [(0, 5.0, 5.0), (1, 6.0, 6.0)])
    ids = np.arange(2)
    assert levels(one, ids, one, ids[::-1]).tolist() == [1, 1]
    assert levels(one, ids, one, ids).tolist() == [0, 0]


def degrees_apart(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The haversine formula."""
    a, b, c, d = (math.radians(x) for x in (*one, *other))
    half = math.sin((c - a) / 2) ** 2
    half += math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    return math.degrees(2 * math.asin(math.sqrt(half)))


def test_levels_of_coordinates() -> None:
    random = np.random.default_rng(0)
    seen = set()
    for _ in range(300):
        one = random.uniform(-80, 80), random.uniform(-180, 180)
        step = 10 ** random.uniform(-3, 0.5) * random.normal(size=2) / 2
        other = one[0] + step[0], one[1] + step[1]
        apart = degrees_apart(one, other)
        expected = sum(apart > bound for bound in (0.01, 0.05, 0.2, 1.0))
        assert level(points(one), points(other)) == expected
        seen.add(expected)
    assert seen == {0, 1, 2, 3, 4}
    assert level(points((10.0, 179.999)), points((10.0, -179.999))) == 0


def some(kind: str, random: np.random.Generator, size: int) -> Column:
    """Values of entities, some of which have several."""
    entity = random.integers(0, size, size=2 * size)
    if kind == "number":
        low = np.exp(random.normal(3, 1, size=2 * size)).round(1)
        low *= random.choice([1, 1, -1, 0], size=2 * size)
        ends = low, low + 0.1
    elif kind == "date":
        low = random.uniform(1950, 1970, size=2 * size).round(2)
        ends = low, low + random.choice([1 / 365, 31 / 365, 1.0], size=2 * size)
    elif kind == "point":
        ends = random.normal(50, 0.5, 2 * size), random.normal(8, 0.5, 2 * size)
    else:
        ends = (random.integers(0, 12, 2 * size).astype(float),) * 2
    return column(kind, list(zip(entity.tolist(), *ends, strict=True)))


def brute_force(one: Column, other: Column) -> dict[tuple[int, int], int]:
    """The closest level of all pairs of entities."""
    found: dict[tuple[int, int], int] = {}
    for a, b in product(range(len(one.entity)), range(len(other.entity))):
        at = int(levels(one, np.array([a]), other, np.array([b]))[0])
        pair = int(one.entity[a]), int(other.entity[b])
        found[pair] = min(at, found.get(pair, 99))
    size = LEVELS[one.kind[0]]
    return {pair: at for pair, at in found.items() if at < size}


@pytest.mark.parametrize("kind", LEVELS)
def test_all_close_pairs_are_found(kind: str) -> None:
    random = np.random.default_rng(1)
    one, other = some(kind, random, 25), some(kind, random, 30)
    close = close_pairs(one, other, most=10_000)
    pairs = list(zip(close.source.tolist(), close.target.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    found = dict(zip(pairs, close.level.tolist(), strict=True))
    expected = brute_force(one, other)
    assert found == expected
    assert len(expected) > 20
    assert max(expected.values()) == LEVELS[kind] - 1


@pytest.mark.parametrize("kind", LEVELS)
def test_what_many_share_is_left_out(kind: str) -> None:
    random = np.random.default_rng(2)
    one, other = some(kind, random, 25), some(kind, random, 30)
    every = brute_force(one, other)
    close = close_pairs(one, other, most=3)
    for pair, at in zip(
        zip(close.source.tolist(), close.target.tolist(), strict=True),
        close.level.tolist(),
        strict=True,
    ):
        # A value that was left out may have been closer.
        assert every[pair] <= at
    count = np.bincount(close.source, minlength=25)
    values = np.bincount(one.entity, minlength=25)
    assert 0 < len(close.level) < len(every)
    assert (count <= 3 * values).all()


def test_units_and_kinds_that_can_be_compared() -> None:
    metre, bare = column("number", [(0, 1, 1)], "m"), column("number", [(0, 1, 1)])
    second, date = column("number", [(0, 1, 1)], "s"), dates("1982")
    assert comparable(metre, metre)
    assert comparable(metre, bare)
    assert comparable(bare, metre)
    assert not comparable(metre, second)
    assert not comparable(bare, date)


def test_scaled_numbers() -> None:
    hours = scaled(numbers("1.5"), 60.0)
    assert (hours.low + hours.high).tolist() == [180]
    assert level(hours, numbers("90")) == 0


def test_shifted_dates() -> None:
    # Where April is the fourth of twelve months, it is written as 4/12.
    april = shifted(dates("1982.333"), -1)
    assert level(april, dates("1982-04-11")) == 1
    assert level(april, dates("1982-05-11")) == 3
    # December is then the next year without a fraction, which may be all of it.
    december = shifted(dates("1983.0"), -1)
    assert level(december, dates("1982-12-11")) == 2
    assert level(december, dates("1983")) == 2
    assert level(december, dates("1982")) == 3
    assert shifted(april, 0) is april
