"""The choice of questions, against a plain greedy choice over lists."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_ibmea.align import Alignment
from pyg_ibmea.align.questions import choose_questions, question_values

NONE = torch.empty(2, 0, dtype=torch.long)


def matches(confidence, source=None, target=None):
    count = len(confidence)
    uris = {kg: [f"{kg}{i}" for i in range(count)] for kg in "ab"}
    return Alignment(
        [("a", "b")],
        uris,
        source=range(count) if source is None else source,
        target=range(count) if target is None else target,
        runner_up=[-1] * count,
        score=[0.0] * count,
        margin=[0.0] * count,
        confidence=confidence,
        pair=[0] * count,
    )


def test_what_is_in_doubt_comes_first():
    found = choose_questions(matches([0.99, 0.5, 0.1, 0.7]), {"a": NONE, "b": NONE})
    assert found.tolist() == [1, 3, 2, 0]


def test_what_many_are_next_to_comes_first():
    star = torch.tensor([[3, 3, 3], [0, 1, 2]])
    value = question_values(matches([0.5] * 4), {"a": star, "b": NONE})
    np.testing.assert_allclose(value, np.log2([3, 3, 3, 5]))


def test_no_entity_is_asked_about_twice():
    alignment = matches([0.5, 0.45, 0.4, 0.3], target=[2, 2, 1, 0])
    assert choose_questions(alignment, {"a": NONE, "b": NONE}).tolist() == [0, 2, 3]


def test_neighbours_wait():
    chain = torch.tensor([[0], [1]])
    alignment = matches([0.5, 0.5, 0.3])
    order = choose_questions(alignment, {"a": chain, "b": chain})
    assert order.tolist() == [0, 2, 1]


def greedy(alignment, edges, number, exclude):
    """As the docstring says, over lists."""
    rows = [
        (i, int(alignment.source[i]), int(alignment.target[i]))
        for i in range(len(alignment))
        if not exclude[i]
    ]
    triples = {kg: edges[kg].t().tolist() for kg in "ab"}
    chosen = []

    def worth(i, s, t):
        p = min(max(float(alignment.confidence[i]), 1e-6), 1 - 1e-6)
        bits = -p * math.log2(p) - (1 - p) * math.log2(1 - p)
        degree = sum(two.count(s) for two in triples["a"])
        degree += sum(two.count(t) for two in triples["b"])
        halved = sum(
            [s, other] in triples["a"] or [other, s] in triples["a"]
            for _, other, _ in chosen
        ) + sum(
            [t, other] in triples["b"] or [other, t] in triples["b"]
            for _, _, other in chosen
        )
        return bits * math.log2(2 + degree) * 0.5**halved

    while rows and len(chosen) < number:
        best = max(rows, key=lambda row: (worth(*row), -row[0]))
        chosen.append(best)
        rows = [r for r in rows if r[1] != best[1] and r[2] != best[2]]
    return [row[0] for row in chosen]


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9))
def test_as_a_plain_greedy_choice(seed, number):
    random = np.random.default_rng(seed)
    edges = {
        kg: torch.from_numpy(random.integers(0, 8, (2, random.integers(0, 12))))
        for kg in "ab"
    }
    alignment = matches(random.random(8), target=random.integers(0, 8, 8))
    exclude = random.random(8) < 0.2
    found = choose_questions(alignment, edges, number, exclude)
    assert found.tolist() == greedy(alignment, edges, number, exclude)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"number": 0}, "number must be at least 1"),
        ({"exclude": np.zeros(3, bool)}, r"exclude must be bool \[2\], got bool \[3\]"),
        ({"exclude": np.zeros(2)}, r"exclude must be bool \[2\], got float64"),
        ({"edges": {"a": NONE}}, "edges must hold the edge_index of graph 'b'"),
        ({"edges": {"a": NONE, "b": NONE + 0}, "number": -1}, "number"),
        (
            {"edges": {"a": torch.tensor([[0], [7]]), "b": NONE}},
            "edges of graph 'a' name node 7, but it has 2 entities",
        ),
    ],
)
def test_arguments_that_do_not_fit(options, message):
    options = {"edges": {"a": NONE, "b": NONE}, **options}
    with pytest.raises(ValueError, match=message):
        choose_questions(matches([0.5, 0.5]), **options)
