import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.align import cluster_matches
from pyg_ibmea.align.clusters import cycle_consistency

GRAPHS = ("a", "b", "c")
PAIRS = (("a", "b"), ("b", "c"), ("a", "c"))


@st.composite
def _matches(draw):
    """Matches of three graphs of five entities, with scores from a few values."""
    ends = st.tuples(st.integers(0, 4), st.integers(0, 4))
    matches, scores = {}, {}
    for pair in PAIRS:
        ids = draw(st.lists(ends, max_size=8, unique=True))
        score = draw(st.lists(st.sampled_from((0.2, 0.5, 0.9)),
                              min_size=len(ids), max_size=len(ids)))  # fmt: skip
        matches[pair] = torch.tensor(ids, dtype=torch.long).view(-1, 2).t()
        scores[pair] = torch.tensor(score)
    return matches, scores


def by_hand(matches, scores):
    """Sets of (graph, node), joined from the best match down."""
    ordered = [
        (float(s), (pair[0], i), (pair[1], j))
        for pair in PAIRS
        for s, i, j in zip(scores[pair], *matches[pair].tolist(), strict=True)
    ]
    ordered.sort(key=lambda match: -match[0])
    groups = [frozenset([(graph, node)]) for graph in GRAPHS for node in range(5)]
    least = {}
    for score, left, right in ordered:
        (one,) = [g for g in groups if left in g]
        (two,) = [g for g in groups if right in g]
        union = one | two
        if one != two and len({graph for graph, _ in union}) == len(union):
            groups = [g for g in groups if g not in (one, two)] + [union]
            least[union] = score
    return {(group, least[group]) for group in groups if len(group) > 1}


@given(_matches())
def test_greedy_joining_by_hand(given):
    clusters = cluster_matches(GRAPHS, *given)
    found = {
        (
            frozenset((g, n) for g, n in zip(GRAPHS, row, strict=True) if n >= 0),
            score,
        )
        for row, score in zip(
            clusters.members.tolist(), clusters.score.tolist(), strict=True
        )
    }
    assert found == by_hand(*given)
    for pair in PAIRS:  # The pairs are those of the members, one to one.
        ids = clusters.pairs(*pair)
        sides = [GRAPHS.index(name) for name in pair]
        wanted = [[row[k] for k in sides] for row in clusters.members.tolist()]
        assert ids.t().tolist() == [two for two in wanted if min(two) >= 0]
        assert ids[1].unique().numel() == ids.size(1)


def test_known_pairs_are_never_broken():
    known = torch.tensor([[0], [0]])
    matches = {
        ("a", "b"): known,
        ("a", "c"): known,
        ("b", "c"): torch.tensor([[0, 1], [1, 0]]),
    }
    scores = {pair: torch.tensor([torch.inf]) for pair in matches}
    scores["b", "c"] = torch.tensor([0.9, 0.8])
    clusters = cluster_matches(GRAPHS, matches, scores)
    assert clusters.members.tolist() == [[0, 0, 0]]
    assert clusters.score.tolist() == [torch.inf]


def test_no_matches():
    clusters = cluster_matches(GRAPHS, {}, {})
    assert clusters.members.shape == (0, 3)
    assert clusters.pairs("a", "c").shape == (2, 0)


@pytest.mark.parametrize(
    ("graphs", "pair", "ids", "message"),
    [
        (("a", "a"), ("a", "b"), torch.zeros(2, 1), "distinct names"),
        (GRAPHS, ("a", "d"), torch.zeros(2, 1), "must be between two of"),
        (GRAPHS, ("a", "a"), torch.zeros(2, 1), "must be between two of"),
        (GRAPHS, ("a", "b"), torch.zeros(2, 2), r"\[2, 2\] and \[1\]"),
    ],
)
def test_errors(graphs, pair, ids, message):
    with pytest.raises(ValueError, match=message):
        cluster_matches(graphs, {pair: ids.long()}, {pair: torch.ones(1)})


def test_consistency_over_a_cycle():
    a_b = torch.tensor([[0, 1, 2], [0, 1, 2]])
    assert cycle_consistency(dict.fromkeys(PAIRS, a_b)) == 1.0
    # Two sources share a target: c is not followed back, and one way out of two agrees.
    twice = torch.tensor([[0, 1], [1, 1]])
    matches = {("a", "b"): a_b, ("b", "c"): a_b, ("a", "c"): twice}
    # a-b-c against a-c from 0 and 1; b-a-c against b-c from 0 and 1.
    assert cycle_consistency(matches) == 0.5


def test_consistency_without_a_cycle():
    one = torch.tensor([[0], [0]])
    assert math.isnan(cycle_consistency({("a", "b"): one, ("b", "c"): one}))
