"""What is added to cosines, in every function that takes it, against whole matrices."""

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from pyg_ibmea.align import (
    Sinkhorn,
    align_greedy,
    assignment,
    mutual_nearest,
    ranking_metrics,
    sinkhorn,
    topk,
)
from pyg_ibmea.align._evidence import match_evidence
from pyg_ibmea.align.ranks import ranks

TEMPERATURE = 1.0  # Twenty iterations come near the end, whatever the problem.


def problem(num_source, num_target, seed):
    """Two sides, a sparse bonus for a third of the pairs, and their sum, dense."""
    generator = torch.Generator().manual_seed(seed)
    sides = [
        torch.randn(n, 4, dtype=torch.double, generator=generator)
        for n in (num_source, num_target)
    ]
    bonus = torch.rand(num_source, num_target, dtype=torch.double, generator=generator)
    bonus *= torch.rand(num_source, num_target, generator=generator) < 0.3
    unit = [torch.nn.functional.normalize(side) for side in sides]
    return sides, bonus.to_sparse(), unit[0] @ unit[1].t() + bonus


def decoder_of(name):
    return Sinkhorn(TEMPERATURE) if name == "sinkhorn" else name


def expected_scores(similarity, decoder):
    """The scores of all pairs by formulas and another library."""
    if decoder == "cosine":
        return similarity
    if decoder == "csls":
        nearest = [
            similarity.topk(min(3, similarity.size(dim)), dim=dim)[0].mean(dim)
            for dim in (1, 0)
        ]
        return 2 * similarity - nearest[0][:, None] - nearest[1]
    plan = ot.sinkhorn(
        *(np.ones(n) for n in similarity.shape),
        -similarity.numpy(),
        TEMPERATURE,
        method="sinkhorn_log",
        numItermax=5000,
        stopThr=1e-12,
        warn=False,
    )
    return TEMPERATURE * torch.from_numpy(plan).log()


PROBLEMS = {
    "num_source": st.integers(2, 9),
    "num_target": st.integers(2, 9),
    "seed": st.integers(0, 999),
    "decoder": st.sampled_from(["cosine", "csls", "sinkhorn"]),
    "block": st.integers(1, 4),
}


@settings(max_examples=40, deadline=None)
@given(**PROBLEMS)
def test_search_and_matching(num_source, num_target, seed, decoder, block):
    if decoder == "sinkhorn":  # The other library wants both sides to be as large.
        num_source = num_target
    sides, bonus, similarity = problem(num_source, num_target, seed)
    expected = expected_scores(similarity, decoder)
    options = {"decoder": decoder_of(decoder), "block_size": block, "bonus": bonus}
    # Twenty iterations here, until it has converged there.
    close = {"atol": 2e-3, "rtol": 0.0} if decoder == "sinkhorn" else {}

    scores, columns = topk(*sides, k=num_target, **options)
    torch.testing.assert_close(scores, expected.gather(1, columns), **close)
    if decoder == "sinkhorn":
        return
    assert columns[:, 0].equal(expected.argmax(1))
    greedy = align_greedy(*sides, **options)
    assert greedy.target.tolist() == expected.argmax(1).tolist()
    pairs, _ = mutual_nearest(*sides, **options)
    rows = torch.arange(num_source)
    mutual = expected.argmax(0)[expected.argmax(1)] == rows
    assert pairs[0].equal(rows[mutual])
    for candidates in (None, 9):
        pairs, scores = assignment(*sides, num_candidates=candidates, **options)
        row, column = linear_sum_assignment(expected.numpy(), maximize=True)
        assert float(scores.sum()) == pytest.approx(expected[row, column].sum())
        torch.testing.assert_close(scores, expected[pairs[0], pairs[1]])
    [(found, _)] = match_evidence(*sides, [decoder], block_size=block, bonus=bonus)
    assert found.target.equal(expected.argmax(1))
    torch.testing.assert_close(
        found.features[:, 0], similarity[rows, expected.argmax(1)]
    )


@settings(max_examples=40, deadline=None)
@given(few=st.booleans(), **PROBLEMS)
def test_ranks(few, num_source, num_target, seed, decoder, block):
    if decoder == "sinkhorn":
        num_source = num_target
    sides, bonus, similarity = problem(num_source, num_target, seed)
    num_pairs = 1 if few else min(num_source, num_target)
    pairs = torch.stack([torch.arange(num_pairs), torch.arange(num_pairs).flip(0)])
    options = {"decoder": decoder_of(decoder)}
    options |= {"block_size": block, "bonus": bonus, "pairs": pairs}
    if decoder == "sinkhorn":
        potentials = sinkhorn(*sides, TEMPERATURE, bonus=bonus)
        expected = similarity + potentials.source[:, None] + potentials.target
    else:
        expected = expected_scores(similarity, decoder)
    forward, backward = ranks(*sides, **options)
    true = expected[pairs[0], pairs[1]]
    order = pairs[1].argsort()
    better = (expected[pairs[0]] > true[:, None] + 1e-12).sum(1)
    assert forward.greater.equal(better)
    better = (expected[:, pairs[1]] > true + 1e-12).sum(0)
    assert backward.greater.equal(better[order])
    hits = ranking_metrics(*sides, **options)["hits@1"]
    assert hits == pytest.approx(float((forward.greater == 0).double().mean()))


@pytest.mark.parametrize("num_candidates", [None, 9])
def test_sinkhorn_scales_the_sum(num_candidates):
    sides, bonus, similarity = problem(9, 9, 0)
    options = {"num_iters": 5000, "tolerance": 1e-12, "bonus": bonus}
    found = sinkhorn(*sides, TEMPERATURE, num_candidates=num_candidates, **options)
    scores = similarity + found.source[:, None] + found.target
    torch.testing.assert_close(scores, expected_scores(similarity, "sinkhorn"))
    larger, bonus, _ = problem(9, 5, 1)
    options["bonus"] = bonus
    forward = sinkhorn(*larger, TEMPERATURE, num_candidates=num_candidates, **options)
    options["bonus"] = bonus.t()
    backward = sinkhorn(
        *larger[::-1], TEMPERATURE, num_candidates=num_candidates, **options
    )
    assert forward.source.equal(backward.target)
    assert forward.target.equal(backward.source)


@pytest.mark.parametrize(
    ("bonus", "message"),
    [
        (torch.ones(3, 2), r"a sparse matrix \[3, 2\], got torch.strided \[3, 2\]"),
        (torch.ones(2, 3).to_sparse(), r"got torch.sparse_coo \[2, 3\]"),
        (torch.full((3, 2), torch.nan).to_sparse(), "bonus holds NaN or infinity"),
    ],
)
@pytest.mark.parametrize("function", [mutual_nearest, sinkhorn, ranks])
def test_bad_bonus(function, bonus, message):
    with pytest.raises(ValueError, match=message):
        function(torch.eye(3, 2), torch.eye(2), bonus=bonus)


def test_bad_bonus_of_evidence():
    with pytest.raises(ValueError, match="bonus holds NaN or infinity"):
        match_evidence(
            torch.eye(3, 2),
            torch.eye(2),
            ["csls"],
            bonus=torch.full((3, 2), torch.nan).to_sparse(),
        )


def test_any_sparse_layout():
    sides, bonus, _ = problem(5, 6, 0)
    expected = topk(*sides, k=6, bonus=bonus)[0]
    for other in (bonus.to_sparse_csr(), bonus.to_sparse_csc(), 0.5 * (bonus + bonus)):
        assert topk(*sides, k=6, bonus=other)[0].equal(expected)
    nothing = torch.sparse_coo_tensor(size=(5, 6), dtype=torch.double)
    assert topk(*sides, k=6, bonus=nothing)[0].equal(topk(*sides, k=6)[0])
    ranks(*sides, pairs=torch.tensor([[0], [0]]), bonus=nothing)
