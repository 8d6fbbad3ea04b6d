import pytest
import torch
from tiny_graphs import tiny_problem

from pyg_ibmea.anchors import find_anchors
from pyg_ibmea.problem import set_labels


def labelled(one, other):
    data = tiny_problem(0, size=(len(one), len(other)))
    for kg, names in (("a", one), ("b", other)):
        set_labels(data, kg, [[name] if name else [] for name in names])
    return data


def sure(found):
    """The anchors with their kinds."""
    ids = found.sure.nonzero()[0]
    return {
        (int(found.source[i]), int(found.target[i])): found.kinds[found.kind[i]]
        for i in ids
    }


def test_each_kind_of_anchor():
    one = ["Zug (city)", "Abdullah Gül", "Rydstrom", "", "", "", ""]
    other = ["", "Zug (Stadt)", "Gul, Abdullah", "Rydström G.", "", "", "", ""]
    data = labelled(one, other)
    data.uri["a"][4] = data.uri["b"][0] = "http://x/4"
    data.uri["a"][6] = data.uri["b"][4] = "7"  # A number names no entity.
    for kg, at in (("a", 5), ("b", 6)):
        data[kg].x_sound = torch.zeros(data[kg].num_nodes, 8)
        data[kg].x_sound[at], data[kg].x_sound[0] = torch.eye(8)[:2]
        data[kg].mask_sound = data[kg].x_sound.any(dim=1)
    data["a"].x_sound[0] = torch.eye(8)[2]
    values = {
        "a": (torch.tensor([3]), torch.tensor([0]), ["ISBN-1234"]),
        "b": (torch.tensor([7]), torch.tensor([0]), ["isbn 1234"]),
    }
    found = find_anchors(data, ("a", "b"), values)
    assert sure(found) == {
        (0, 1): "labels equal but for brackets",
        (1, 2): "equal labels",
        (2, 3): "nearly equal labels",
        (3, 7): "a shared identifier",
        (4, 0): "the same URI",
        (5, 6): "rows of 'sound'",
    }
    assert found.counts == dict.fromkeys(sure(found).values(), 1)
    assert found.sentence().startswith(
        "a - b: 6 anchors (1 by the same URI, 1 by equal"
    )


def test_bags_tell_kinds_and_no_entities():
    data = labelled(["x", "y"], ["z", "u"])
    for kg in "ab":
        data[kg].x_relation, data[kg].mask_relation = torch.eye(2), torch.ones(2).bool()
    assert len(find_anchors(data, ("a", "b"))) == 0


def test_contradictions_are_counted_with_an_example():
    data = labelled(["Zug", "Bern"], ["Zug", "other"])
    data.uri["a"][0] = data.uri["b"][1] = "http://x/zug"
    found = find_anchors(data, ("a", "b"))
    assert sure(found) == {(0, 1): "the same URI"}
    assert found.notes == (
        "a - b: 1 likely pairs contradict surer ones and are no anchors, such as "
        "'http://x/zug' and 'b0' by equal labels",
    )


def test_links_are_not_read():
    data = labelled(["Zug", "Bern"], ["Zug", "Rome"])
    before = sure(find_anchors(data, ("a", "b")))
    data["a", "same_as", "b"].edge_index = torch.tensor([[1], [1]])
    assert sure(find_anchors(data, ("a", "b"))) == before == {(0, 0): "equal labels"}


def test_what_cannot_be_asked():
    data = labelled(["Zug"] * 2, ["Zug"] * 2)
    with pytest.raises(ValueError, match="there is no graph 'c'; there are a, b"):
        find_anchors(data, ("a", "c"))
    one = torch.tensor([0])
    with pytest.raises(ValueError, match="of graph 'a' must be as many entities"):
        find_anchors(data, ("a", "b"), {"a": (one, one, [])})
    with pytest.raises(ValueError, match=r"'b' name an entity outside 0\.\.1"):
        find_anchors(data, ("a", "b"), {"b": (one + 2, one, ["x"])})
