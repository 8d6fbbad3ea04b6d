import pytest

from pyg_ibmea.anchors._by_labels import BRACKETS, EQUAL, NEAR, by_labels


def probability(pairs, i, j):
    there = (pairs.row == i) & (pairs.column == j)
    return pairs.value[there].item() if there.any() else 0.0


def test_what_labels_say_of_pairs():
    source = [["Zug (city)"], ["Gül, Abdullah"], ["Seoul"], ["Seoul"], ["Rydstrom"]]
    target = [["Zug (Stadt)"], ["abdullah gul"], ["seoul"], ["Rydström G"], ["Rome"]]
    found, said = by_labels(source, target)
    assert said == []
    assert probability(found[EQUAL], 1, 1) == 0.97
    assert probability(found[EQUAL], 0, 0) == 0
    assert probability(found[BRACKETS], 0, 0) == 0.9
    # Two entities of one name.
    assert probability(found[EQUAL], 2, 2) == probability(found[EQUAL], 3, 2) == 0.485
    near = probability(found[NEAR], 4, 3)
    assert 0.6 < near < 0.97
    # The cosine is 1, and half of the share of the target is that of another.
    assert probability(found[NEAR], 2, 2) == pytest.approx(0.485, rel=1e-3)


def test_a_label_of_many_entities_is_told_with_count_and_example():
    source = [["untitled"]] * 30 + [["Zug"]]
    target = [["Untitled"]] * 10 + [["none"]] * 40 + [["Zug"]]
    found, said = by_labels(source, target)
    assert said == ["40 entities are called 'untitled': it identifies none of them"]
    assert found[EQUAL].row.tolist() == [30]
    assert (found[NEAR].take(found[NEAR].row < 30).value < 0.1).all()


def test_graphs_without_labels():
    found, said = by_labels([[], []], [["Zug"]])
    assert all(len(pairs.row) == 0 for pairs in found.values())
    assert said == []
