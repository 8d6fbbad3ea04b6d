from collections import Counter
from math import log

import numpy as np
import pytest

from pyg_ibmea.anchors._near_labels import near_labels

SOURCE = [["Gary Rydstrom"], [], ["Seoul", "Hanyang"], ["Abdullah Gül"], ["x"]]
TARGET = [["gary rydström (editor)"], ["Soul"], ["Hanyang city"], ["Rome"], ["Gul A."]]


def grams(label):
    """The n-grams of a label that is plain already."""
    return Counter(
        word[i : i + n]
        for word in (f" {word} " for word in label.split())
        for n in (2, 3, 4)
        for i in range(len(word) - n + 1)
    )


def by_hand(source, target):
    """Cosines of all labels, one by one."""
    sides = [
        [[grams(text) for text in own] for own in side] for side in (source, target)
    ]
    every = [bag for side in sides for own in side for bag in own]
    shared = Counter(gram for bag in every for gram in bag)
    weight = {gram: 1 + log(len(every) / count) for gram, count in shared.items()}

    def vector(bag):
        return {gram: count**0.5 * weight[gram] for gram, count in bag.items()}

    def cosine(one, other):
        one, other = vector(one), vector(other)
        product = sum(value * other.get(gram, 0) for gram, value in one.items())
        squares = [sum(v * v for v in bag.values()) for bag in (one, other)]
        return product / (squares[0] * squares[1]) ** 0.5

    return {
        (i, j): max(cosine(a, b) for a in own for b in others)
        for i, own in enumerate(sides[0])
        for j, others in enumerate(sides[1])
        if own and others
    }


@pytest.mark.parametrize("least", [0.05, 0.4])
def test_cosines_are_those_of_all_pairs(least):
    plain = [
        [["gary rydstrom"], [], ["seoul", "hanyang"], ["abdullah gul"], ["x"]],
        [["gary rydstrom editor"], ["soul"], ["hanyang city"], ["rome"], ["gul a"]],
    ]
    expected = {k: v for k, v in by_hand(*plain).items() if v >= least}
    found = near_labels(SOURCE, TARGET, least)
    ids = list(zip(found.row.tolist(), found.column.tolist(), strict=True))
    assert ids == sorted(expected)
    np.testing.assert_allclose(found.value, [expected[k] for k in ids], rtol=1e-5)


def test_few_pairs_of_an_entity_are_kept():
    source = [["Bern old town"]]
    target = [[f"Bern old town {i}"] for i in range(9)] + [["Bern old town"]]
    found = near_labels(source, target, most=3)
    assert found.value[found.column == 9] == pytest.approx(1)
    # Each target keeps its best, too.
    assert len(found.row) == 10


def test_nothing_is_near_where_a_graph_has_no_labels():
    assert len(near_labels([["a b"]], [[], []]).row) == 0
