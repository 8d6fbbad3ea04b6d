"""Forbidden pairs never come out, whatever decodes; without them nothing changes."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from pyg_ibmea.align import (
    CSLS,
    Sinkhorn,
    align_greedy,
    assignment,
    find_candidates,
    forbid,
    match_probabilities,
    mutual_nearest,
    ranking_metrics,
    spread_agreement,
    topk,
)
from pyg_ibmea.align._evidence import match_evidence
from pyg_ibmea.align.forbidding import forbid_among, is_among

DECODERS = ["cosine", CSLS(k=2), Sinkhorn(0.05)]
NAMES = ["cosine", "csls", "sinkhorn"]


def sides(num_source, num_target, seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, 6, generator=generator) for n in (num_source, num_target)]


def best_pairs(z, decoder, **options):
    column = topk(*z, k=1, decoder=decoder, **options)[1][:, 0]
    return torch.stack([torch.arange(len(column)), column])


@pytest.mark.parametrize("among", [False, True])
@pytest.mark.parametrize("decoder", DECODERS, ids=NAMES)
def test_no_decoder_gives_a_forbidden_pair(decoder, among):
    z = sides(30, 25, seed=0)
    size = (30, 25)
    options = {"candidates": find_candidates(*z, k=5)} if among else {}
    different = best_pairs(z, decoder, **options)[:, ::2]
    bonus = forbid(different, size)
    options["bonus"] = bonus
    found = best_pairs(z, decoder, **options)
    assert not is_among(found, different).any()
    mutual = mutual_nearest(*z, decoder=decoder, **options)[0]
    assert mutual.size(1) > 5
    assert not is_among(mutual, different).any()
    [(evidence, _)] = match_evidence(*z, [decoder], **options)
    ours = torch.stack([torch.arange(30), evidence.target])
    assert not is_among(ours, different).any()
    assert evidence.features.isfinite().all()
    matched = assignment(*z, decoder=decoder, forbidden=different, **options)[0]
    assert matched.size(1) == 25
    assert not is_among(matched, different).any()


def test_cosines_of_the_others_decide_as_if_the_pair_were_not_there():
    z = sides(12, 9, seed=1)
    different = torch.tensor([[0, 0, 3], [1, 4, 2]])
    cosine = normalize(z[0]) @ normalize(z[1]).t()
    cosine[different[0], different[1]] = -torch.inf
    found = best_pairs(z, "cosine", bonus=forbid(different, (12, 9)))
    assert torch.equal(found[1], cosine.argmax(dim=1))


def test_the_probability_of_a_forbidden_pair_is_that_of_a_closed_entry():
    """Against the scaling of a whole matrix with zeros at forbidden pairs."""
    z, temperature = sides(8, 8, seed=2), 0.2
    different = torch.tensor([[0, 1, 5], [0, 3, 2]])
    decoder = Sinkhorn(temperature, num_iters=500, tolerance=1e-9)
    found = match_probabilities(
        *z, 1e-6, decoder, bonus=forbid(different, (8, 8))
    ).to_dense()
    cosine = (normalize(z[0]) @ normalize(z[1]).t()).double().numpy()
    kernel = np.exp(cosine / temperature)
    kernel[tuple(different.numpy())] = 0.0
    for _ in range(2000):
        kernel = kernel / kernel.sum(1, keepdims=True)
        kernel = kernel / kernel.sum(0, keepdims=True)
    np.testing.assert_allclose(found.numpy(), kernel, atol=2e-3)
    assert (found[different[0], different[1]] == 0).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.integers(2, 5), st.integers(0, 99), st.booleans())
def test_the_best_assignment_of_what_is_allowed(rows, columns, seed, among):
    z = sides(rows, columns, seed)
    draw = torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed))
    different = (draw < 0.4).nonzero().t()
    options = {"candidates": find_candidates(*z, k=columns)} if among else {}
    pairs, score = assignment(
        *z, decoder="cosine", threshold=-1.0, forbidden=different, **options
    )
    assert not is_among(pairs, different).any()
    gain = (normalize(z[0]) @ normalize(z[1]).t() + 1.0).double()
    gain[different[0], different[1]] = 0.0  # As good as unmatched.
    if rows > columns:
        gain = gain.t()
    best = max(
        sum(float(gain[i, j]) for i, j in enumerate(chosen))
        for chosen in itertools.permutations(range(gain.size(1)), gain.size(0))
    )
    assert float((score + 1.0).sum()) == pytest.approx(best, abs=1e-4)


def test_an_entity_with_nothing_left_is_in_no_assignment():
    z = sides(3, 3, seed=3)
    different = torch.tensor([[1, 1, 1], [0, 1, 2]])
    pairs, _ = assignment(*z, decoder="csls", forbidden=different)
    assert pairs[0].tolist() == [0, 2]


def test_ranks_come_after_all_allowed_pairs():
    z = torch.eye(4)
    different = torch.tensor([[2], [2]])
    figures = ranking_metrics(z, z, "cosine", bonus=forbid(different, (4, 4)))
    assert figures["mr"] == (1 + 1 + 4 + 1) / 4


def test_agreement_does_not_spread_from_a_forbidden_pair():
    """Entities 1 look alike and would vouch for the pair of their neighbours 2."""
    z = torch.eye(3)
    path = torch.tensor([[0, 1], [1, 2]]), torch.tensor([0, 1])
    known, rest = torch.tensor([[0], [0]]), torch.tensor([1, 2])
    options = (z[1:], z[1:], path, path, known, (rest, rest), (3, 3))
    free = spread_agreement(*options).to_dense()
    bound = spread_agreement(*options, forbidden=torch.tensor([[1], [1]])).to_dense()
    assert free[2, 2] > 0
    assert bound[2, 2] == 0
    same = spread_agreement(*options, forbidden=torch.empty(2, 0, dtype=torch.long))
    assert torch.equal(same.to_dense(), free)


def test_a_bonus_is_kept_and_never_wins_against_a_prohibition():
    bonus = torch.zeros(2, 2)
    bonus[0, 0], bonus[1, 1] = 50.0, 0.5
    found = forbid(torch.tensor([[0, 0], [0, 0]]), (2, 2), bonus.to_sparse())
    assert found.to_dense().tolist() == [[50.0 - 10.0 - 100.0, 0.0], [0.0, 0.5]]


def test_among_entities():
    different = torch.tensor([[7, 2, 9], [1, 3, 3]])
    entities = torch.tensor([2, 7]), torch.tensor([0, 3])
    found = forbid_among(different, entities)
    assert found is not None
    assert found.to_dense().tolist() == [[0.0, -10.0], [0.0, 0.0]]
    bonus = torch.eye(2).to_sparse()
    assert forbid_among(different[:, :1], entities, bonus) is bonus
    assert forbid_among(different[:, :0], entities) is None
    assert forbid_among(different, (entities[0][:0], entities[1])) is None


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=9),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=9),
)
def test_is_among(pairs, others):
    first, second = (
        torch.tensor(listed, dtype=torch.long).view(-1, 2).t()
        for listed in (pairs, others)
    )
    assert is_among(first, second).tolist() == [pair in others for pair in pairs]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (torch.tensor([[0], [3]]), "target row 3, but there are 3"),
        (torch.tensor([[-1], [0]]), "source row -1"),
        (torch.tensor([[0.0], [0.0]]), r"must be long \[2, D\], got torch.float32"),
        (torch.tensor([0, 1]), r"must be long \[2, D\], got torch.int64 \[2\]"),
    ],
)
def test_pairs_that_do_not_fit(pairs, message):
    with pytest.raises(ValueError, match=message):
        forbid(pairs, (2, 3))
    with pytest.raises(ValueError, match=message):
        assignment(torch.eye(3)[:2], torch.eye(3), forbidden=pairs)


def test_greedy_matches_take_the_bonus():
    z = sides(10, 10, seed=4)
    free = align_greedy(*z)
    pairs = torch.stack([torch.from_numpy(c) for c in (free.source, free.target)])
    bound = align_greedy(*z, bonus=forbid(pairs, (10, 10)))
    found = torch.stack([torch.from_numpy(c) for c in (bound.source, bound.target)])
    assert not is_among(found, pairs).any()
