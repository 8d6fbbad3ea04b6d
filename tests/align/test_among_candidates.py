"""What is found among candidates: with all pairs, what is found among all pairs; with
some, what plain matrices give in which the others count as impossible.
"""

import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from pyg_ibmea.align import (
    CSLS,
    Candidates,
    Cosine,
    Sinkhorn,
    align_greedy,
    assignment,
    candidates,
    find_candidates,
    match_probabilities,
    mutual_nearest,
    ranking_metrics,
    sinkhorn,
    spread_agreement,
    topk,
)
from pyg_ibmea.align._blocks import unit_sides
from pyg_ibmea.align._evidence import match_evidence
from pyg_ibmea.align.decoders import Similarity, scores_of
from pyg_ibmea.align.ranks import ranks

DECODERS = [Cosine(), CSLS(), CSLS(k=30), Sinkhorn(0.05), Sinkhorn(0.05, slack=0.3)]


@pytest.fixture(params=["few", "many"])
def number(request, monkeypatch):
    """Few pairs are scaled in double precision, many as sparse matrices."""
    module = sys.modules["pyg_ibmea.align.sinkhorn"]  # A function has its name.
    monkeypatch.setattr(module, "_FEW_PAIRS", 0 if request.param == "many" else 2**32)


@pytest.fixture(params=[(30, 40), (40, 30), (33, 33)])
def sides(request):
    generator = torch.Generator().manual_seed(0)
    z, noise = torch.randn(2, 40, 8, generator=generator)
    source, target = z[: request.param[0]], (z + 0.6 * noise)[: request.param[1]]
    target[7] = target[4]  # They tie.
    source[9] = source[2]
    return source.contiguous(), target.contiguous()


def bonus_for(source, target):
    generator = torch.Generator().manual_seed(2)
    dense = torch.rand(len(source), len(target), generator=generator)
    return torch.where(dense > 0.9, dense, 0.0).to_sparse()


@pytest.mark.parametrize("decoder", DECODERS, ids=repr)
@pytest.mark.parametrize("with_bonus", [False, True])
def test_with_all_pairs_it_is_as_without_candidates(sides, decoder, with_bonus, number):
    every = find_candidates(*sides, 40)
    assert len(every) == len(sides[0]) * len(sides[1])
    bonus = bonus_for(*sides) if with_bonus else None
    given_, dense = {"bonus": bonus, "candidates": every}, {"bonus": bonus}
    close = {"atol": 2e-5, "rtol": 1e-4}
    found, expected = (topk(*sides, 5, decoder, **o) for o in (given_, dense))
    torch.testing.assert_close(found, expected, **close)
    found, expected = (mutual_nearest(*sides, decoder, **o) for o in (given_, dense))
    torch.testing.assert_close(found, expected, **close)
    for options in ({}, {"num_candidates": None}, {"threshold": 0.1}):
        found, expected = (
            assignment(*sides, decoder, **options, **o) for o in (given_, dense)
        )
        torch.testing.assert_close(found, expected, **close)
    found, expected = (align_greedy(*sides, decoder, **o) for o in (given_, dense))
    for column in ("source", "target", "runner_up"):
        assert (getattr(found, column) == getattr(expected, column)).all()
    for column in ("score", "margin", "confidence"):
        both = getattr(found, column), getattr(expected, column)
        np.testing.assert_allclose(*both, atol=1e-4)
    pairs = torch.arange(20).repeat(2, 1)
    found, expected = (
        ranks(*sides, decoder, pairs, **options) for options in (given_, dense)
    )
    torch.testing.assert_close(found, expected)
    without = torch.arange(len(sides[0])).clamp(max=29)
    without[3] = -1
    found, expected = (
        match_evidence(*sides, [decoder, Cosine()], without=without, **options)
        for options in (given_, dense)
    )
    for several, others in zip(found, expected, strict=True):
        for one, other in zip(several, others, strict=True):
            torch.testing.assert_close(tuple(one), tuple(other), atol=1e-3, rtol=1e-3)


def test_probabilities_with_all_pairs(sides, number):
    every = find_candidates(*sides, 40)
    bonus = bonus_for(*sides)
    found, expected = (
        match_probabilities(*sides, 0.05, Sinkhorn(0.05), bonus=bonus, candidates=c)
        for c in (every, None)
    )
    torch.testing.assert_close(
        found.to_dense(), expected.to_dense(), atol=1e-5, rtol=1e-4
    )
    for options in ({}, {"slack": 0.2}, {"temperature": 0.004, "num_iters": 200}):
        found, expected = (
            sinkhorn(*sides, **options, bonus=bonus, candidates=c)
            for c in (every, None)
        )
        torch.testing.assert_close(found[:4], expected[:4], atol=2e-4, rtol=1e-3)


@st.composite
def some_pairs(draw):
    size = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    pair = st.tuples(st.integers(0, size[0] - 1), st.integers(0, size[1] - 1))
    return size, sorted(draw(st.sets(pair)))


@settings(max_examples=60, deadline=None)
@given(some_pairs(), st.integers(1, 3), st.integers(0, 5))
def test_pairs_that_are_no_candidates_are_impossible(problem, k, seed):
    size, listed = problem
    generator = torch.Generator().manual_seed(seed)
    source = torch.randn(size[0], 3, generator=generator)
    target = torch.randn(size[1], 3, generator=generator)
    unit = unit_sides(source, target)
    cosine = unit[0] @ unit[1].t()
    pairs = torch.tensor(listed, dtype=torch.int32).view(-1, 2).t().contiguous()
    some = Candidates(pairs, cosine[tuple(pairs.long())], size)
    matrix = np.full(size, -np.inf)
    matrix[tuple(pairs.long().numpy())] = some.cosine.numpy()

    def mean(row):
        best = np.sort(row[np.isfinite(row)])[::-1][:k]
        return best.mean() if len(best) else 0.0

    means = [np.array([mean(row) for row in side]) for side in (matrix, matrix.T)]
    score = 2 * matrix - means[0][:, None] - means[1]
    options = {"decoder": CSLS(k), "candidates": some}
    values, columns = topk(source, target, size[1], **options)
    for row in range(size[0]):
        order = np.argsort(-score[row], kind="stable")
        order = [j if score[row, j] > -np.inf else -1 for j in order]
        assert columns[row].tolist() == order
        expected = [score[row, j] if j >= 0 else -math.inf for j in order]
        np.testing.assert_allclose(values[row].numpy(), expected, atol=1e-5)
    mutual = [
        (i, int(score[i].argmax()))
        for i in range(size[0])
        if score[i].max() > -np.inf and score[:, score[i].argmax()].argmax() == i
    ]
    found = mutual_nearest(source, target, **options)[0]
    assert list(map(tuple, found.t().tolist())) == mutual
    greedy = align_greedy(source, target, **options)
    there = np.isfinite(score).any(axis=1)
    assert greedy.source.tolist() == np.flatnonzero(there).tolist()
    relative = np.exp((score[there] - score[there].max(1, keepdims=True)) / 0.05)
    np.testing.assert_allclose(greedy.confidence, 1 / relative.sum(1), atol=1e-4)
    [(evidence, _)] = match_evidence(source, target, [CSLS(k)], candidates=some)
    assert evidence.target.tolist() == [
        int(row.argmax()) if row.max() > -np.inf else -1 for row in score
    ]
    assert bool(torch.stack([*evidence[2:4]]).isfinite().all())
    assert bool(evidence.features.isfinite().all())
    # With a threshold below everything, as many pairs as possible have the best sum.
    found, scores = assignment(source, target, **options, threshold=-100.0)
    value = np.where(np.isfinite(score), score + 100, 0.0)
    best = linear_sum_assignment(value, maximize=True)
    assert float((scores + 100).sum()) == pytest.approx(value[best].sum(), abs=1e-3)
    potentials = sinkhorn(source, target, candidates=some)
    assert all(bool(part.isfinite().all()) for part in potentials[:4])
    result = match_probabilities(source, target, candidates=some)
    assert bool(result.values().isfinite().all())


def test_rows_are_scaled_among_candidates_only(number):
    pairs = torch.tensor([[0, 0, 1, 3], [0, 1, 1, 2]], dtype=torch.int32)
    cosine = torch.tensor([0.9, 0.5, 0.6, 0.2])
    some = Candidates(pairs, cosine, (4, 5))
    z = torch.randn(4, 3), torch.randn(5, 3)
    options = {"temperature": 0.1, "num_iters": 2000, "tolerance": 1e-6}
    found = sinkhorn(*z, **options, candidates=some)
    row, column = pairs.long()
    entry = (cosine + found.source[row] + found.target[column]) / 0.1
    sums = torch.zeros(4).index_add(0, pairs[0], entry.exp())
    torch.testing.assert_close(sums, torch.tensor([1.0, 1.0, 0.0, 1.0]))
    columns = torch.zeros(5).index_add(0, pairs[1], entry.exp())
    assert bool((columns <= 1 + 1e-3).all())
    # What has no candidate has nothing to be scaled to.
    assert found.source[2] == 0
    assert found.target[3:].tolist() == [0.0, 0.0]


def test_ranks_are_among_all_rows(sides):
    some = find_candidates(*sides, 3)
    pairs = torch.tensor([[0, 3, 3, 8], [1, 3, 5, 8]])
    score = CSLS(2)
    found = ranks(*sides, score, pairs, candidates=some, bonus=bonus_for(*sides))
    unit = unit_sides(*sides)
    dense = unit[0] @ unit[1].t() + bonus_for(*sides).to_dense()
    merged = some.with_bonus(bonus_for(*sides), *sides)
    means = [
        side.mean_of_best(merged.cosine, 2)
        for side in (merged.by_source, merged.by_target)
    ]
    dense = 2 * dense - means[0][:, None] - means[1]
    assert found[0].query.tolist() == [0, 3, 8]
    for number, row in enumerate([0, 3, 8]):
        true = pairs[1][pairs[0] == row]
        best = dense[row, true].max()
        others = np.delete(dense[row].numpy(), true.numpy())
        assert int(found[0].greater[number]) == int((others > float(best) + 1e-5).sum())


def test_too_many_pairs_have_candidates_unasked(sides, monkeypatch):
    expected = [
        topk(*sides, 4, "csls")[1],
        mutual_nearest(*sides)[0],
        assignment(*sides, num_candidates=10)[0],
    ]
    metrics = ranking_metrics(*sides, "sinkhorn", pairs=torch.arange(20).repeat(2, 1))
    asked = []

    def exact(*args, **options):
        asked.append(args)
        return find_candidates(*args, **options, search="exact")

    monkeypatch.setattr(candidates, "EXACT_PAIRS", 100)
    monkeypatch.setattr("pyg_ibmea.align.decoders.find_candidates", exact)
    half = [side.half() for side in sides]
    assert (topk(*half, 4, "csls")[1] == expected[0]).float().mean() > 0.95
    assert mutual_nearest(*sides)[0].equal(expected[1])
    assert assignment(*sides, num_candidates=10)[0].equal(expected[2])
    found = ranking_metrics(*sides, "sinkhorn", pairs=torch.arange(20).repeat(2, 1))
    assert found["mrr"] == pytest.approx(metrics["mrr"], abs=1e-4)
    assert len(asked) == 4
    blocks = []

    class Own:
        name = "own"

        def scoring(self, similarity):
            blocks.extend(cosine.clone() for _, cosine in similarity.blocks())
            return Cosine().scoring(similarity)

    topk(*sides, 1, Own(), block_size=7)
    unit = unit_sides(*sides)
    torch.testing.assert_close(torch.cat(blocks), unit[0] @ unit[1].t())


def test_agreement_spreads_among_given_candidates(sides):
    size = len(sides[0]), len(sides[1])
    generator = torch.Generator().manual_seed(4)
    edges = torch.randint(30, (2, 90), generator=generator)
    graph = edges, torch.randint(3, (90,), generator=generator)
    known = torch.arange(4).repeat(2, 1)
    entities = [torch.arange(4, length) for length in size]
    z = [side[4:] for side in sides]
    args = (*z, graph, graph, known, entities, size)
    expected = spread_agreement(*args, num_candidates=5)
    found = spread_agreement(*args, candidates=find_candidates(*z, 5))
    assert found.to_dense().equal(expected.to_dense())
    assert found.values().max() > 0


def test_candidates_must_be_of_the_same_rows():
    some = find_candidates(torch.eye(3), torch.eye(3), 1)
    with pytest.raises(ValueError, match=r"candidates are of \(3, 3\) rows, but"):
        topk(torch.eye(4), torch.eye(4), 1, candidates=some)


def test_sinkhorn_ranks_among_candidates_alone():
    torch.manual_seed(0)
    # Twins in groups larger than the candidates of a row: many pairs that tie are none.
    base = torch.randn(12, 16)
    group = torch.arange(120) % 12
    z = base[group]
    found = find_candidates(z, z, 4, "exact")
    decoder = Sinkhorn(0.05)
    scoring = scores_of(Similarity.of(z, z, candidates=found), decoder)
    scores = torch.full((120, 120), -torch.inf)
    scores[tuple(found.pairs.long())] = scoring.of_candidates(found)
    pairs = torch.stack([torch.arange(0, 120, 7), torch.arange(0, 120, 7)])
    for counts, matrix in zip(
        ranks(z, z, decoder, pairs, candidates=found), (scores, scores.t()), strict=True
    ):
        for place, row in enumerate(pairs[0].tolist()):
            own = matrix[row, row]
            others = torch.cat([matrix[row, :row], matrix[row, row + 1 :]])
            assert int(counts.query[place]) == row
            assert int(counts.greater[place]) == int((others > own + 1e-5).sum())
            tied = others == own if own.isinf() else (others - own).abs() <= 1e-5
            assert int(counts.tied[place]) == int(tied.sum())
