import pytest
import torch
from three_graphs import three_graphs
from torch_geometric.data import HeteroData

from pyg_ibmea.problem import (
    check_problem,
    dangling_of,
    different_of,
    links_between,
    links_of,
)
from pyg_ibmea.train.answered import with_answers
from pyg_ibmea.train.answers import Answer


@pytest.fixture
def data():
    """Links 0-0 to 5-5: two of training, one of validation, three of test."""
    data = HeteroData()
    data.uri = {kg: [f"{kg}{i}" for i in range(10)] for kg in "ab"}
    for kg in "ab":
        data[kg].num_nodes = 10
        data[kg, "rel", kg].edge_index = torch.tensor([[0, 1], [1, 2]])
        data[kg, "rel", kg].edge_type = torch.tensor([0, 0])
    links = links_between(data, ("a", "b"))
    links.edge_index = torch.arange(6).repeat(2, 1)
    number = torch.tensor([0, 0, 1, 2, 2, 2])
    links.train_mask, links.val_mask, links.test_mask = (number == i for i in range(3))
    links.dangling, links.dangling_part = torch.tensor([8, 9]), torch.tensor([0, 2])
    return data


def said(*words):
    return [Answer("a", "b", f"a{i}", f"b{j}", kind) for i, j, kind in words]


def pairs(data, part):
    return [tuple(two) for two in links_of(data, part).t().tolist()]


def test_the_same_is_learned_from_and_the_different_kept(data):
    before = data.to_dict()
    words = (6, 7, "same"), (6, 6, "different"), (3, 3, "skip")
    found = with_answers(data, said(*words))
    assert (found.same, found.different, found.notes) == (1, 1, [])
    assert pairs(found.data, "train") == [(0, 0), (1, 1), (6, 7)]
    assert pairs(found.data, "val") == [(2, 2)]
    assert pairs(found.data, "test") == [(3, 3), (4, 4), (5, 5)]
    assert different_of(found.data).tolist() == [[6], [6]]
    check_problem(found.data)
    assert str(data.to_dict()) == str(before)  # As it was.


def test_a_test_pair_that_is_confirmed_is_learned_from(data):
    found = with_answers(data, said((4, 4, "same")))
    assert pairs(found.data, "train") == [(0, 0), (1, 1), (4, 4)]
    assert pairs(found.data, "test") == [(3, 3), (5, 5)]
    assert found.notes == []


def test_a_known_pair_that_is_confirmed_changes_nothing(data):
    found = with_answers(data, said((0, 0, "same"), (2, 2, "same")))
    assert (found.same, found.notes) == (0, [])
    assert pairs(found.data, "train") == pairs(data, "train")
    assert pairs(found.data, "val") == pairs(data, "val")


def test_the_other_direction_is_the_same_question(data):
    same = Answer("b", "a", "b7", "a6", "same")
    other = Answer("b", "a", "b3", "a6", "different")
    found = with_answers(data, [same, other])
    assert pairs(found.data, "train")[-1] == (6, 7)
    assert different_of(found.data).tolist() == [[6], [3]]


@pytest.mark.parametrize(
    ("words", "note"),
    [
        ([(6, 6, "same"), (6, 6, "different")], "call a pair the same and different"),
        ([(6, 6, "same"), (6, 7, "same")], "give an entity two counterparts"),
        ([(6, 6, "same"), (7, 6, "same")], "give an entity two counterparts"),
        ([(0, 6, "same")], "contradict a known pair"),
        ([(6, 2, "same")], "contradict a known pair"),
        ([(1, 1, "different")], "contradict a known pair"),
        ([(2, 2, "different")], "contradict a known pair"),
        ([(8, 6, "same")], "join an entity known to have no counterpart"),
        ([(6, 77, "same")], "name an entity that the graphs do not have"),
    ],
)
def test_a_contradiction_is_told_and_decides_nothing(data, words, note):
    found = with_answers(data, said((7, 7, "different"), *words))
    assert len(found.notes) == 1
    assert f"answers that are not used, as they {note}: " in found.notes[0]
    assert f"a{words[0][0]} - b{words[0][1]}" in found.notes[0]
    assert (found.same, found.different) == (0, 1)
    for part in ("train", "val", "test"):
        assert pairs(found.data, part) == pairs(data, part)
    assert different_of(found.data).tolist() == [[7], [7]]


def test_the_note_counts_pairs_and_shows_three(data):
    words = [(i, j, "same") for i in (6, 7) for j in (6, 7)]
    [note] = with_answers(data, said(*words)).notes
    assert note.endswith("4 pairs, such as a6 - b6; a6 - b7; a7 - b6; ...")


def test_test_pairs_are_no_knowledge(data):
    found = with_answers(data, said((3, 6, "same"), (4, 4, "different")))
    assert pairs(found.data, "train")[-1] == (3, 6)
    assert pairs(found.data, "test") == [(5, 5)]
    assert different_of(found.data).tolist() == [[4], [4]]
    [note] = found.notes
    assert "answers that contradict a test pair, which does not count any more" in note
    assert "2 pairs, such as a3 - b3; a4 - b4" in note
    found = with_answers(data, said((9, 9, "same")))
    assert (found.same, found.notes) == (1, [])
    assert dangling_of(found.data, "test").numel() == 0
    assert dangling_of(found.data, "train").tolist() == [8]


def test_answers_add_up(data):
    once = with_answers(data, said((6, 7, "same"), (6, 6, "different"))).data
    twice = with_answers(once, said((7, 6, "same"), (7, 7, "different")))
    assert pairs(twice.data, "train")[-2:] == [(6, 7), (7, 6)]
    assert different_of(twice.data).tolist() == [[6, 7], [6, 7]]


def test_graphs_that_are_not_linked(data):
    with pytest.raises(ValueError, match="the graphs a and c, which are not linked"):
        with_answers(data, [Answer("a", "c", "a1", "c1", "same")])


def test_only_the_graphs_that_were_asked_about_change():
    data = three_graphs()
    names = list(data.node_types)
    a, b = names[:2]
    answers = [Answer(a, b, data.uri[a][0], data.uri[b][1], "different")]
    found = with_answers(data, answers).data
    assert links_between(found, (a, b)).different.tolist() == [[0], [1]]
    assert "different" not in links_between(found, (a, names[2]))


def test_a_known_pair_cannot_be_different(data):
    links_between(data, ("a", "b")).different = torch.tensor([[0], [0]])
    with pytest.raises(ValueError, match="nodes 0 and 0 as a known pair and in"):
        check_problem(data)
    links_between(data, ("a", "b")).different = torch.tensor([[0], [10]])
    with pytest.raises(ValueError, match="names node 10, but there are 10"):
        check_problem(data)
    links_between(data, ("a", "b")).different = torch.tensor([0, 1])
    with pytest.raises(ValueError, match=r"different must be long \[2, D\]"):
        check_problem(data)
