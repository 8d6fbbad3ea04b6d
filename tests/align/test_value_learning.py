from __future__ import annotations

import numpy as np
import pytest

from pyg_ibmea.align._value_columns import Column
from pyg_ibmea.align._value_excess import excess_correspondences
from pyg_ibmea.align._value_learning import ValueCorrespondence, correspondences

SIZE = 400


def column(name: str, kind: str, low: np.ndarray, width: float | np.ndarray) -> Column:
    low = np.asarray(low, dtype=float)
    return Column(name, (kind, ""), np.arange(len(low)), low, low + width)


def sides(random: np.random.Generator) -> tuple[list[Column], list[Column]]:
    """Entity i is entity i; minutes and seconds, months counted from 0 and from 1, and
    attributes that have nothing to do with each other.
    """
    minutes = random.uniform(20, 9000, SIZE).round(2)
    born = 1900 + random.integers(0, 80 * 365, SIZE) / 365
    month = np.floor(born * 12 + 1e-6) / 12
    wrong = random.random(SIZE) < 0.1
    seconds = np.where(wrong, 60 * random.uniform(20, 9000, SIZE), 60 * minutes)
    source = [
        column("minutes", "number", minutes - 5e-3, 0.01),
        column("height", "number", random.normal(1.7, 0.1, SIZE).round(2), 0.01),
        column("birth", "date", month + 1 / 12, 31 / 365),
    ]
    target = [
        column("seconds", "number", seconds - 0.5, 1.0),
        column("weight", "number", random.normal(70, 9, SIZE).round(1), 0.1),
        column("born", "date", born, 1 / 365),
        column("opened", "date", random.uniform(1900, 1980, SIZE).round(), 1.0),
    ]
    return source, target


def known(size: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(size), np.arange(size)


def names(found: list[ValueCorrespondence]) -> set[tuple[str, str]]:
    return {(one.source.name, one.target.name) for one in found}


def by_names(found: list[ValueCorrespondence]) -> dict[str, ValueCorrespondence]:
    return {one.source.name: one for one in found}


@pytest.mark.parametrize("seed", range(3))
def test_what_corresponds_and_in_which_units(seed: int) -> None:
    source, target = sides(np.random.default_rng(seed))
    found = correspondences(source, target, known(200))
    assert names(found) == {("minutes", "seconds"), ("birth", "born")}
    minutes, birth = by_names(found)["minutes"], by_names(found)["birth"]
    assert (minutes.scale, minutes.months, minutes.pairs) == (60.0, 0, 200)
    assert (birth.scale, birth.months) == (1.0, -1)
    for one in found:
        assert one.agreeing.sum() == pytest.approx(1)
        assert one.chance.sum() == pytest.approx(1)
        assert one.gain > 10
    # One in ten of the seconds is another number; all months are right.
    assert minutes.agreeing[0] == pytest.approx(0.9, abs=0.06)
    assert birth.agreeing[1] > 0.95


def test_shares_are_smoothed_counts() -> None:
    source, target = sides(np.random.default_rng(3))
    one = by_names(correspondences(source, target, known(50)))["minutes"]
    ratio = 60 * (source[0].low + 5e-3)[:50] / (target[0].low + 0.5)[:50]
    right = int((np.abs(ratio - 1) < 1e-4).sum())
    expected = (right + 4 * one.chance[0]) / 54
    assert one.agreeing[0] == pytest.approx(expected)


def test_pairs_that_are_known_matter_and_not_the_order_of_entities() -> None:
    random = np.random.default_rng(4)
    source, target = sides(random)
    order = random.permutation(200)
    assert correspondences(source, target, (known(200)[0], order)) == []
    found = correspondences(source, target, (order, order))
    assert names(found) == {("minutes", "seconds"), ("birth", "born")}


def test_few_known_pairs_tell_nothing() -> None:
    source, target = sides(np.random.default_rng(5))
    assert correspondences(source, target, known(1)) == []
    assert correspondences(source, target, known(0)) == []


@pytest.mark.parametrize("seed", range(3))
def test_values_alone_tell_what_corresponds(seed: int) -> None:
    source, target = sides(np.random.default_rng(seed))
    # Entities are in another order than their counterparts.
    found = excess_correspondences(source, target)
    assert names(found) == {("minutes", "seconds"), ("birth", "born")}
    minutes, birth = by_names(found)["minutes"], by_names(found)["birth"]
    assert (minutes.scale, birth.months, birth.pairs) == (60.0, -1, 0)
    # Nine in ten are the same, some of them shared; by chance, hardly any number is.
    assert minutes.agreeing[0] == pytest.approx(0.85, abs=0.08)
    assert minutes.chance[0] < 1e-4


def test_round_numbers_are_no_sign_of_anything() -> None:
    random = np.random.default_rng(6)
    left = column("heat", "number", random.choice([50, 60, 80, 90], SIZE) - 0.5, 1.0)
    right = column("staff", "number", random.choice([50, 60, 80, 100], SIZE) - 0.5, 1.0)
    assert excess_correspondences([left], [right]) == []
