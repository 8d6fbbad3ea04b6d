import pytest

from pyg_ibmea.anchors._keys import pairs_by_key


def test_entities_with_a_key_are_pairs():
    source = [["a"], ["b", "a"], ["c", ""], ["d"]]
    target = [["b"], ["a", "c"], [""], ["e"]]
    found = pairs_by_key(source, target).pairs
    pairs = zip(found.row.tolist(), found.column.tolist(), strict=True)
    values = dict(zip(pairs, found.value.tolist(), strict=True))
    assert values == {(0, 1): 0.5, (1, 1): 0.5, (1, 0): 1.0, (2, 1): 1.0}


def test_keys_of_many_entities_are_told_and_not_used():
    crowd = [["village"]] * 20 + [["lake"]] * 30
    found = pairs_by_key([*crowd, ["Zug"]], [["lake"], *crowd, ["Zug"]])
    assert found.crowded == [("lake", 61), ("village", 40)]
    assert (found.pairs.row.tolist(), found.pairs.column.tolist()) == ([50], [51])


@pytest.mark.parametrize("count", [5, 6])
def test_how_many_are_too_many(count):
    found = pairs_by_key([["x"]] * count, [["x"]] * 5)
    assert (len(found.crowded), len(found.pairs.row)) == (
        (0, 25) if count == 5 else (1, 0)
    )
