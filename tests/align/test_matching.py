import functools
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from pyg_ibmea.align import Sinkhorn, assignment, csls, mutual_nearest
from pyg_ibmea.align.decoders import Scoring, Similarity
from pyg_ibmea.align.matching import mutual_pairs


def _sides(num_source, num_target, seed):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(n, 4, dtype=torch.double, generator=generator)
        for n in (num_source, num_target)
    ]


SIZES = st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**16)


@settings(max_examples=40, deadline=None)
@given(*SIZES, st.none() | st.integers(1, 4))
def test_mutual_nearest_by_brute_force(num_source, num_target, seed, block_size):
    sides = _sides(num_source, num_target, seed)
    score = csls(*sides)
    expected = [
        (i, j)
        for i, j in itertools.product(range(num_source), range(num_target))
        if score[i, j] == score[i].max() and score[i, j] == score[:, j].max()
    ]
    pairs, scores = mutual_nearest(*sides, block_size=block_size)
    assert list(zip(*pairs.tolist(), strict=True)) == expected
    torch.testing.assert_close(scores, score[pairs[0], pairs[1]])


def test_mutual_nearest_at_ties_prefers_the_lower_row():
    same = torch.ones(3, 2)
    pairs, _ = mutual_nearest(same, same, decoder="cosine", block_size=1)
    assert pairs.tolist() == [[0], [0]]


@settings(max_examples=60, deadline=None)
@given(*SIZES, st.integers(1, 4), st.sampled_from([-torch.inf, -0.3, 0.0]))
def test_mutual_pairs_when_only_the_nearest_are_known(rows, columns, seed, k, least):
    class Offsets:
        name = "offsets"

        def scoring(self, similarity):
            return Scoring(2.0, *offsets)

    generator = torch.Generator().manual_seed(seed)
    # Whole numbers, so that many scores tie.
    draw = functools.partial(torch.randint, generator=generator, dtype=torch.double)
    sides = draw(-2, 3, (3 * rows, 2)), draw(-2, 3, (3 * columns, 2))
    offsets = draw(-9, 1, (3 * rows,)), draw(-9, 1, (3 * columns,))
    knows = Similarity(*sides, block_size=5)
    knows.nearest(k)
    expected, scores = mutual_pairs(Similarity(*sides, block_size=5), Offsets())
    kept = scores >= least
    pairs, found = mutual_pairs(knows, Offsets(), least)
    assert pairs.equal(expected[:, kept])
    assert found.equal(scores[kept])


def test_pairs_that_are_not_among_the_nearest_are_scored_where_they_matter():
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(300, 16, generator=generator)
    target = source + torch.randn(300, 16, generator=generator)
    decoder = Sinkhorn(num_candidates=10)
    with FlopCounterMode(display=False) as counted:
        pairs, score = mutual_pairs(
            Similarity.of(source, target), decoder, decoder.temperature * math.log(0.5)
        )
    sweeps = counted.get_total_flops() / (2 * 300 * 300 * 16)
    assert 1 < sweeps < 1.2
    every, scores = mutual_nearest(source, target, _Fixed(decoder))
    kept = decoder.probability(scores) >= 0.5
    assert 200 < int(kept.sum()) < 300
    assert pairs.equal(every[:, kept])
    torch.testing.assert_close(score, scores[kept])


class _Fixed:
    """The scores of a decoder, without what it knows of the similarity."""

    def __init__(self, decoder):
        self.name, self.decoder = decoder.name, decoder

    def scoring(self, similarity):
        return self.decoder.scoring(Similarity(similarity.source, similarity.target))


def test_mutual_nearest_looks_again_only_at_columns_with_a_better_row():
    class Searched(TorchDispatchMode):
        columns = ()

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func is torch.ops.aten.argmax.default:
                self.columns += (args[0].size(1),)
            return func(*args, **(kwargs or {}))

    # The second row is better for no column, the third for two.
    target = torch.eye(4)
    source = torch.stack([target[:2].sum(0), target[:2].sum(0), target[2] + target[3]])
    with Searched() as searched:
        pairs, _ = mutual_nearest(source, target, "cosine", block_size=1)
    assert searched.columns == (4, 0, 2)
    assert pairs.tolist() == [[0, 2], [0, 2]]


@settings(max_examples=40, deadline=None)
@given(*SIZES)
def test_assignment_equals_scipy_on_the_dense_matrix(num_source, num_target, seed):
    sides = _sides(num_source, num_target, seed)
    score = csls(*sides)
    row, column = linear_sum_assignment(score.numpy(), maximize=True)
    pairs, scores = assignment(*sides, num_candidates=None)
    assert pairs.tolist() == [row.tolist(), column.tolist()]
    torch.testing.assert_close(scores, score[row, column])


@settings(max_examples=40, deadline=None)
@given(*SIZES, st.floats(-1, 1))
def test_threshold_leaves_rows_alone(num_source, num_target, seed, threshold):
    sides = _sides(num_source, num_target, seed)
    score = csls(*sides)
    # Going alone is worth as much as a pair at the threshold.
    alone = torch.full((num_source, num_source), threshold, dtype=torch.double)
    larger = torch.cat([score, alone], dim=1).numpy()
    row, column = linear_sum_assignment(larger, maximize=True)
    best = larger[row, column].sum()
    pairs, scores = assignment(*sides, num_candidates=None, threshold=threshold)
    total = float(scores.sum()) + threshold * (num_source - pairs.size(1))
    assert total == pytest.approx(best, abs=1e-9)
    assert (scores >= threshold).all()
    assert len(set(pairs[1].tolist())) == pairs.size(1)


def test_candidates_of_either_side_suffice_for_noisy_copies():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(200, 16, generator=generator)
    noisy = z[torch.randperm(200, generator=generator)]
    noisy = noisy + 0.5 * torch.randn(200, 16, generator=generator)
    few, _ = assignment(noisy, z, num_candidates=10)
    row, column = linear_sum_assignment(csls(noisy, z).numpy(), maximize=True)
    assert few.tolist() == [row.tolist(), column.tolist()]


def test_as_many_pairs_as_the_candidates_allow():
    # Both source rows have only target row 0 as their best candidate.
    z_source = torch.tensor([[1.0, 0.0], [0.9, 0.1]])
    z_target = torch.tensor([[1.0, 0.05], [-1.0, 0.0], [-1.0, 0.1]])
    pairs, _ = assignment(z_source, z_target, decoder="cosine", num_candidates=1)
    assert pairs.size(1) == 2  # Target rows 1 and 2 have candidates of their own.
    none, scores = assignment(z_source, z_target, threshold=5.0)
    assert none.shape == (2, 0)
    assert scores.numel() == 0


def test_bad_options():
    with pytest.raises(ValueError, match="num_candidates must be at least 1"):
        assignment(torch.eye(2), torch.eye(2), num_candidates=0)
    with pytest.raises(ValueError, match="threshold must be a number or None"):
        assignment(torch.eye(2), torch.eye(2), threshold=float("nan"))
    with pytest.raises(ValueError, match="decoder must be one of"):
        mutual_nearest(torch.eye(2), torch.eye(2), decoder="dot")
    assert np.array_equal(assignment(torch.eye(2), torch.eye(2))[0], [[0, 1], [0, 1]])
