import numpy as np
import pytest
import torch
from tiny_graphs import SAME, facts, tiny_problem

from pyg_ibmea.anchors import match_without_seeds
from pyg_ibmea.anchors._entries import Pairs
from pyg_ibmea.anchors._reasons import facts_of
from pyg_ibmea.anchors.fixed_point import fixed_point
from pyg_ibmea.problem import set_labels, triples_of


def chain():
    """Two graphs of one fact each, about an entity without a label."""
    data = tiny_problem(0, size=(2, 2))
    for kg, relation in (("a", 1), ("b", 2)):
        store = triples_of(data, kg)
        store.edge_index = torch.tensor([[0], [1]])
        store.edge_type = torch.tensor([relation])
        set_labels(data, kg, [[], ["France"]])
    return data


def test_a_match_names_its_anchor_or_the_facts_that_made_it():
    data = chain()
    found = match_without_seeds(data, ("a", "b"))
    ids = found.matches.row.tolist(), found.matches.column.tolist()
    assert ids == ([0, 1], [0, 1])
    first, second = found.reasons(data)
    assert first == "both have <r1> / have <s2> a1 = b1"
    assert second.startswith("equal labels ('France', 'France')")


@pytest.mark.parametrize(
    ("ours", "theirs", "shown"),
    [
        (["oral region", "mouth"], ["Oral_Cavity", "Mouth"], "'mouth', 'Mouth'"),
        (["x", "Zug (city)"], ["y", "Zug (Stadt)"], "'Zug (city)', 'Zug (Stadt)'"),
        (["one", "Rydstrom"], ["two", "G Rydström"], "'Rydstrom', 'G Rydström'"),
    ],
)
def test_the_labels_that_are_alike_are_shown(ours, theirs, shown):
    data = tiny_problem(0, size=(1, 1))
    set_labels(set_labels(data, "a", [ours]), "b", [theirs])
    found = match_without_seeds(data, ("a", "b"), rounds=0)
    (reason,) = found.reasons(data, most=0)
    assert reason.endswith(f"({shown})")


def test_a_shared_value_is_named():
    data = chain()
    one = torch.tensor([0])
    values = {kg: (one, one, ["ISBN 12345"]) for kg in "ab"}
    found = match_without_seeds(data, ("a", "b"), values)
    assert found.reasons(data)[0].startswith(
        "a shared identifier; both have the value 'isbn 12345'"
    )


def test_facts_support_their_match_and_are_few():
    left, right = facts(tiny_problem(3, triples=40))
    prior = Pairs(np.arange(7), np.arange(7), np.full(7, 0.8), (7, 8))
    found = fixed_point(prior, left, right, SAME, rounds=1)
    support = dict(
        zip(found.support.row.tolist(), found.support.column.tolist(), strict=True)
    )
    columns = facts_of(found, 2)
    assert len(columns[0]) > 7
    assert np.bincount(columns[0]).max() == 2
    left, right = found.sides
    for match, ours, theirs in zip(*columns, strict=True):
        x, y = int(found.matches.row[match]), int(found.matches.column[match])
        assert left.of_entity[[x], [ours]] == right.of_entity[[y], [theirs]] == 1
        assert support[int(left.neighbor[ours])] == right.neighbor[theirs]
