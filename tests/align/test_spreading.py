"""Rounds of agreement against the same by dense matrices."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from pyg_ibmea.align import (
    Candidates,
    Sinkhorn,
    match_probabilities,
    neighborhood_agreement,
    sinkhorn,
    spread_agreement,
)
from pyg_ibmea.align._blocks import unit_sides
from pyg_ibmea.align._nearest import nearest_candidates
from pyg_ibmea.align.sinkhorn import candidate_probabilities

SIZE = (40, 50)
ENTITIES = torch.arange(5, 40), torch.arange(5, 50)


@pytest.fixture
def problem():
    """Two sides of a graph with noisy vectors; the first five pairs are known."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(50, 8, generator=generator)
    noise = torch.randn(40, 8, generator=generator)
    edges = torch.randint(40, (2, 120), generator=generator)
    types = torch.randint(4, (120,), generator=generator)
    sides = (z[:40] + 0.8 * noise)[5:], z[5:]
    graphs = (edges, types), (edges[:, 20:], types[20:])
    return sides, graphs, torch.arange(5).repeat(2, 1)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_it_is_the_same_as_by_dense_matrices(problem, rounds, swap):
    sides, graphs, known = problem
    entities, size = ENTITIES, SIZE
    if swap:
        sides, graphs, entities = sides[::-1], graphs[::-1], entities[::-1]
        size = size[::-1]
    inside = entities[0][:, None], entities[1]
    expected = torch.zeros(size)
    for _ in range(rounds):
        matches = torch.zeros(size)
        matches[inside] = match_probabilities(
            *sides, 0.1, Sinkhorn(0.05), bonus=expected[inside].to_sparse()
        ).to_dense()
        matches[tuple(known)] = 1.0
        agreement = neighborhood_agreement(matches.to_sparse(), *graphs)
        expected = 0.7 * agreement.to_dense()
    options = {"weight": 0.7, "rounds": rounds, "decoder": Sinkhorn(0.05)}
    found = spread_agreement(*sides, *graphs, known, entities, size, **options)
    torch.testing.assert_close(found.to_dense(), expected)
    assert found.is_sparse
    assert expected.max() > 0.2


@pytest.mark.parametrize("num_candidates", [1, 3])
def test_pairs_whose_neighbours_agree_join_the_nearest(problem, num_candidates):
    sides, graphs, known = problem
    unit = [torch.nn.functional.normalize(side) for side in sides]
    cosine = unit[0] @ unit[1].t()
    listed = torch.zeros_like(cosine, dtype=torch.bool)
    listed[nearest_candidates(*unit, num_candidates).pairs.unbind()] = True
    inside = ENTITIES[0][:, None], ENTITIES[1]
    bonus, before = torch.zeros(SIZE), int(listed.sum())
    for _ in range(3):
        listed |= bonus[inside] > 0
        similarity = torch.where(listed, cosine + bonus[inside], -torch.inf).double()
        g = torch.zeros(45).double()
        for _ in range(20):  # The 35 rows sum to 1, the 45 columns to at most 1.
            f = -(similarity / 0.05 + g).logsumexp(1)
            g = (-(similarity / 0.05 + f[:, None]).logsumexp(0)).clamp(max=0)
        f = -(similarity / 0.05 + g).logsumexp(1)
        found = (similarity / 0.05 + f[:, None] + g).exp().float()
        matches = torch.zeros(SIZE)
        matches[inside] = torch.where(found >= 0.1, found, 0.0)
        matches[tuple(known)] = 1.0
        bonus = 0.7 * neighborhood_agreement(matches.to_sparse(), *graphs).to_dense()
    assert int(listed.sum()) > 1.5 * before
    options = {"decoder": Sinkhorn(0.05), "num_candidates": num_candidates}
    args = (*sides, *graphs, known, ENTITIES, SIZE, 0.7)
    result = spread_agreement(*args, **options).to_dense()
    torch.testing.assert_close(result, bonus, atol=1e-3, rtol=0.0)


def test_a_known_pair_counts_once_and_the_order_of_ids_does_not(problem):
    (left, right), graphs, known = problem
    expected = spread_agreement(left, right, *graphs, known, ENTITIES, SIZE)
    order = torch.randperm(35)
    ids = ENTITIES[0][order], ENTITIES[1]
    twice = torch.cat([known, known], dim=1)
    found = spread_agreement(left[order], right, *graphs, twice, ids, SIZE)
    torch.testing.assert_close(found.to_dense(), expected.to_dense())
    double = spread_agreement(
        left.double(), right.double(), *graphs, known, ENTITIES, SIZE
    )
    assert double.dtype == torch.double


@pytest.mark.parametrize("block_size", [None, 1, 7, 35])
@pytest.mark.parametrize("k", [1, 3, 100])
def test_the_nearest_of_either_side(problem, k, block_size):
    (source, target), *_ = problem
    source[3], target[9] = source[4], target[10]  # Ties: the lower row.
    source, target = unit_sides(source, target)
    pairs, similarity, *_ = nearest_candidates(source, target, k, block_size)
    cosine = (source.double() @ target.double().t()).float()
    expected = set()
    for side, matrix in enumerate((cosine, cosine.t())):
        order = matrix.sort(dim=1, descending=True, stable=True)[1][:, :k]
        for row, columns in enumerate(order.tolist()):
            expected |= {(c, row) if side else (row, c) for c in columns}
    assert list(map(tuple, pairs.t().tolist())) == sorted(expected)
    torch.testing.assert_close(similarity, cosine[tuple(pairs)])


@pytest.mark.parametrize("block_size", [9, 40, 300])
def test_the_nearest_are_found_in_one_sweep(block_size):
    # Whole numbers, so that many products tie; those of later rows are larger.
    source = torch.randint(-1, 2, (300, 6)).double()
    source += torch.arange(300)[:, None] // 100
    sides = source, torch.randint(3, (200, 6)).double()
    with FlopCounterMode(display=False) as counted:
        pairs, similarity, *_ = nearest_candidates(*sides, 11, block_size)
    assert counted.get_total_flops() == 2 * 300 * 200 * 6
    cosine = sides[0] @ sides[1].t()
    listed = torch.zeros_like(cosine, dtype=torch.bool)
    order = cosine.sort(dim=1, descending=True, stable=True)[1][:, :11]
    listed.scatter_(1, order, True)
    order = cosine.sort(dim=0, descending=True, stable=True)[1][:11]
    listed.scatter_(0, order, True)
    assert pairs.equal(listed.nonzero().t())
    torch.testing.assert_close(similarity, cosine[listed])


@pytest.mark.parametrize("swap", [False, True])
def test_the_probabilities_of_all_pairs_are_those_of_sinkhorn(problem, swap):
    sides = problem[0][::-1] if swap else problem[0]
    source, target = unit_sides(*sides)
    size = source.size(0), target.size(0)
    cosine = source @ target.t()
    pairs = torch.ones(size).nonzero().t()
    every = Candidates(pairs, cosine[tuple(pairs)], size)
    found = candidate_probabilities(every, 0.05)
    f, g, *_ = sinkhorn(source, target, 0.05)
    expected = ((cosine + f[:, None] + g) / 0.05).exp()
    torch.testing.assert_close(found.float().view(size), expected, atol=1e-5, rtol=1e-4)
    assert found.view(size).sum(int(swap) ^ 1).allclose(torch.ones(1).double())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rounds": 0}, "rounds must be at least 1, got 0"),
        ({"num_candidates": 0}, "num_candidates must be at least 1, got 0"),
        ({"weight": -0.5}, "weight must be non-negative and finite, got -0.5"),
        ({"weight": float("inf")}, "weight must be non-negative and finite, got inf"),
        ({"entities": ENTITIES[:1]}, "entities must hold the ids of two sides, got 1"),
        (
            {"entities": (ENTITIES[0].int(), ENTITIES[1])},
            r"entities\[0\] must be long and on cpu, got torch.int32",
        ),
        (
            {"entities": (ENTITIES[0] - 1, ENTITIES[1])},
            r"entities\[0\] names an entity twice, or an entity of a known pair",
        ),
        (
            {"entities": (ENTITIES[0], ENTITIES[0])},
            r"entities\[1\] has the shape \[35\] for 45",
        ),
        (
            {"entities": (ENTITIES[0], ENTITIES[1] + 1)},
            r"entities\[1\] must be node ids",
        ),
        ({"known": torch.tensor([[40], [0]])}, r"known\[0\] must be node ids below 40"),
        ({"known": torch.arange(5)}, r"known must be pairs \[2, L\], got \[5\]"),
    ],
)
def test_bad_options_are_named(problem, change, message):
    sides, graphs, known = problem
    options = {"known": known, "entities": ENTITIES, "size": SIZE, **change}
    with pytest.raises(ValueError, match=message):
        spread_agreement(*sides, *graphs, **options)


def test_evidence_counts_in_every_round_and_in_the_result():
    # A path of three entities. Embeddings say nothing; evidence matches the middle,
    # and the neighbourhood the ends.
    z = torch.ones(3, 2)
    path = torch.tensor([[0, 1], [1, 2]]), torch.tensor([0, 1])
    known, every = torch.empty(2, 0, dtype=torch.long), torch.arange(3)
    told = torch.sparse_coo_tensor([[0, 1], [0, 1]], [0.8, 0.8], (3, 3))
    args = (z, z, path, path, known, (every, every), (3, 3), 1.0, 3, Sinkhorn(0.05))
    assert spread_agreement(*args).to_dense()[0, 0] < 0.3
    found = spread_agreement(*args, evidence=told)
    assert found.is_coalesced()
    dense = found.to_dense()
    assert dense[0, 0] > 0.8
    assert dense[1, 1] > 0.8
    assert dense[2, 2] > 0.2
    assert dense.argmax(dim=1).tolist() == [0, 1, 2]
    # The evidence is in the result as it was given.
    again = found - told
    assert (again.to_dense() >= -1e-6).all()
    alone = spread_agreement(
        *(*args[:7], 0.0, 1, Sinkhorn(0.05)), evidence=told
    ).to_dense()
    torch.testing.assert_close(alone, told.to_dense())


def test_no_evidence_changes_nothing():
    random = torch.Generator().manual_seed(0)
    z = [torch.randn(12, 4, generator=random) for _ in range(2)]
    edges = torch.randint(12, (2, 40), generator=random), torch.arange(40) % 3
    known, rest = torch.tensor([[0, 1], [0, 1]]), torch.arange(2, 12)
    args = (z[0][2:], z[1][2:], edges, edges, known, (rest, rest), (12, 12))
    nothing = torch.sparse_coo_tensor(torch.empty(2, 0, dtype=torch.long), [], (12, 12))
    torch.testing.assert_close(
        spread_agreement(*args, evidence=nothing.float()).to_dense(),
        spread_agreement(*args).to_dense(),
    )
