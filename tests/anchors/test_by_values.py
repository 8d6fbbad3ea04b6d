import numpy as np
import pytest
import torch
from tiny_graphs import facts, said, tiny_problem

from pyg_ibmea.anchors._by_values import by_values, canonical


def values(*stated):
    entity, attribute, texts = zip(*stated, strict=True)
    return torch.tensor(entity), torch.tensor(attribute), list(texts)


def test_identifiers_are_anchors_and_all_shared_values_are_facts():
    left, right = facts(tiny_problem(0))
    # Attribute 0 identifies, attribute 1 does not.
    source = values(
        (0, 0, "ISBN-1234"), (1, 0, "12345"), (2, 1, "large"), (3, 1, "large")
    )
    target = values(
        (5, 2, "isbn 1234"), (6, 2, "1.2345e4"), (7, 2, "large"), (4, 2, "x")
    )
    found = by_values(left, right, source, target)
    pairs = list(zip(*map(np.ndarray.tolist, found.anchors[:3]), strict=True))
    assert pairs == [(0, 5, 0.85), (1, 6, 0.85)]
    assert found.texts == ("12345.0", "isbn 1234", "large")
    new = said(found.facts[0]) - said(left)
    assert new == {(0, 4, 8), (1, 4, 7), (2, 5, 9), (3, 5, 9)}
    assert said(found.facts[1]) - said(right) == {(5, 8, 9), (6, 8, 8), (7, 8, 10)}
    assert found.equal.row.tolist() == [7, 8, 9]
    assert found.equal.column.tolist() == [8, 9, 10]


def test_short_values_and_shared_ones_identify_nobody():
    left, right = facts(tiny_problem(0))
    source = values((0, 0, "1999"), (1, 0, "abcdef"))
    target = values((0, 0, "1999"), (1, 0, "abcdef"), (2, 1, "ABCDEF"))
    assert len(by_values(left, right, source, target).anchors.row) == 0


@pytest.mark.parametrize("target", [None, (torch.empty(0), torch.empty(0), [])])
def test_values_of_one_graph_say_nothing(target):
    left, right = facts(tiny_problem(0))
    if target is not None:
        target = (target[0].long(), target[1].long(), [])
    found = by_values(left, right, values((0, 0, "ISBN-1234")), target)
    assert found.facts == (left, right)
    assert len(found.equal.row) == len(found.anchors.row) == 0


def test_numbers_are_compared_as_such():
    assert canonical("1e3") == canonical("1000") != canonical("1001")
    assert canonical("nan") == "nan"
    assert canonical(" A_b ") == "a b"
