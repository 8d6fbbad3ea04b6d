import numpy as np
import pytest

from pyg_ibmea.anchors._entries import Pairs, among_best, one_to_one, spans


def random_pairs(seed, rows=12, columns=9, count=60, levels=5):
    """Pairs with many equal values."""
    rng = np.random.default_rng(seed)
    row, column = rng.integers(0, rows, count), rng.integers(0, columns, count)
    value = rng.integers(1, levels + 1, count) / levels
    return row, column, value, (rows, columns)


def test_the_largest_value_of_each_pair_is_kept_in_order():
    row, column, value, size = random_pairs(0)
    best = {}
    for i, j, v in zip(row.tolist(), column.tolist(), value.tolist(), strict=True):
        best[i, j] = max(v, best.get((i, j), 0))
    found = Pairs.best_of(row, column, value, size)
    three = zip(found.row.tolist(), found.column.tolist(), strict=True)
    assert dict(zip(three, found.value.tolist(), strict=True)) == best
    assert (np.diff(found.key()) > 0).all()


@pytest.mark.parametrize("seed", range(20))
def test_one_to_one_takes_what_a_sequence_of_choices_takes(seed):
    pairs = Pairs.best_of(*random_pairs(seed))
    rows, columns, taken = set(), set(), set()
    order = sorted(
        range(len(pairs.row)),
        key=lambda k: (-pairs.value[k], pairs.row[k], pairs.column[k]),
    )
    for k in order:
        i, j = pairs.row[k], pairs.column[k]
        if i not in rows and j not in columns:
            rows.add(i)
            columns.add(j)
            taken.add(k)
    assert set(np.flatnonzero(one_to_one(pairs)).tolist()) == taken


def test_nothing_to_choose():
    assert one_to_one(Pairs.none((3, 4))).shape == (0,)


def test_spans_find_every_occurrence():
    ordered, values = np.array([1, 1, 3, 5, 5, 5]), np.array([5, 0, 1, 9])
    found = [pair.tolist() for pair in spans(ordered, values)]
    assert found == [[0, 0, 0, 2, 2], [3, 4, 5, 0, 1]]


def test_the_best_of_each_group():
    group, value = np.array([1, 0, 1, 1, 0]), np.array([0.1, 0.2, 0.3, 0.2, 0.9])
    assert among_best(group, value, 2).tolist() == [False, True, True, True, True]
    assert among_best(group, value, 1).tolist() == [False, False, True, False, True]
