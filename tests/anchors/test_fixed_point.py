import numpy as np
import pytest
from tiny_graphs import (
    SAME,
    facts,
    identifying,
    inclusion_by_hand,
    said,
    tiny_problem,
)

from pyg_ibmea.anchors._entries import Pairs, one_to_one
from pyg_ibmea.anchors._evidence import LEAST, MOST
from pyg_ibmea.anchors.fixed_point import fixed_point


def prior_of(seed, size=(7, 8)):
    rng = np.random.default_rng(seed)
    row, column = rng.integers(0, size[0], 12), rng.integers(0, size[1], 12)
    return Pairs.best_of(row, column, rng.uniform(0.1, 0.95, 12), size)


def greedy(table):
    """One-to-one, the most probable first, as a dictionary."""
    cells = sorted((-v, i, j) for (i, j), v in np.ndenumerate(table) if v >= 0.02)
    match = {}
    for v, i, j in cells:
        if i not in match and j not in {k for k, _ in match.values()}:
            match[i] = j, -v
    return match


def by_hand(prior, left, right, rounds):
    """Rounds over dense tables, fact by fact."""
    before = np.zeros(prior.size)
    before[prior.row, prior.column] = prior.value
    table = before.copy()
    weights = identifying(left), identifying(right)
    back = np.array([-1, 0, -1, -1, 2, -1])
    for _ in range(rounds):
        match = {i: j for i, j in greedy(table).items() if j[1] >= 0.3}
        three = [
            np.array(c) for c in zip(*((i, *j) for i, j in match.items()), strict=True)
        ]
        forward = inclusion_by_hand(three, left, right, SAME)
        backward = inclusion_by_hand([three[1], three[0], three[2]], right, left, back)
        unlikely = 1 - before
        for x, r, y in said(left):
            for other, s, z in said(right):
                if match.get(y, (None,))[0] != z:
                    continue
                sure = match[y][1]
                one = sure * forward[r, s] * weights[0][r, y]
                two = sure * backward[s, r] * weights[1][s, z]
                both = min(1 - (1 - one) * (1 - two), MOST)
                unlikely[x, other] *= 1 - both if both > LEAST else 1
        table = np.maximum(table, 1 - unlikely)
    return table


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rounds", [1, 3])
def test_rounds_are_those_of_the_definition(seed, rounds):
    left, right = facts(tiny_problem(seed))
    prior = prior_of(seed)
    found = fixed_point(prior, left, right, SAME, rounds=rounds, tolerance=-1)
    expected = by_hand(prior, left, right, rounds)
    table = np.zeros(prior.size)
    table[found.pairs.row, found.pairs.column] = found.pairs.value
    shown = expected >= 0.02
    np.testing.assert_allclose(table[shown], expected[shown])
    ids = found.matches.row.tolist(), found.matches.column.tolist()
    assert dict(zip(*ids, strict=True)) == {
        i: j for i, (j, _) in greedy(expected).items()
    }


@pytest.mark.parametrize("seed", range(6))
def test_probabilities_never_fall_and_the_rounds_end(seed):
    left, right = facts(tiny_problem(seed, triples=25))
    prior, before = prior_of(seed), np.zeros((7, 8))
    for rounds in range(8):
        found = fixed_point(prior, left, right, SAME, rounds=rounds, tolerance=-1)
        table = np.zeros(prior.size)
        table[found.pairs.row, found.pairs.column] = found.pairs.value
        assert (table >= before - 1e-12).all()
        assert table.max(initial=0) <= 1
        before = table
    ended = fixed_point(prior, left, right, SAME, rounds=200)
    assert ended.rounds < 200


def test_two_graphs_of_one_shape_are_matched_from_one_pair():
    data = tiny_problem(1, size=(8, 8), relations=(2, 2), triples=1)
    for kg in "ab":
        store = data[kg, "rel", kg]
        store.edge_index = data["a", "rel", "a"].edge_index.new_tensor(
            [[0, 1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6, 7]]
        )
        store.edge_type = store.edge_index[0] % 2
    left, right = facts(data)
    start = Pairs(np.array([0]), np.array([0]), np.array([0.9]), (8, 8))
    same = np.array([0, 1, 2, 3])
    found = fixed_point(start, left, right, same, rounds=20).matches
    assert found.row.tolist() == found.column.tolist() == list(range(8))
    one = fixed_point(start, left, right, same, rounds=0)
    assert (one.matches.row.tolist(), one.rounds) == ([0], 0)


def test_nothing_follows_from_nothing():
    left, right = facts(tiny_problem(0))
    found = fixed_point(Pairs.none((7, 8)), left, right, SAME)
    assert len(found.matches.row) == 0
    assert not one_to_one(found.pairs).any()
