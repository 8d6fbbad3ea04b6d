import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.align import CSLS, csls
from pyg_ibmea.align.ranks import ranks


def _dense_scores(z_source, z_target, decoder, csls_k):
    if decoder == "csls":
        return csls(z_source, z_target, csls_k).numpy()
    unit = [
        z.numpy() / z.norm(dim=1, keepdim=True).numpy() for z in (z_source, z_target)
    ]
    return unit[0] @ unit[1].T


def _counted_by_loops(scores, pairs):
    """Queries, greater and tied counts of the rows of scores, one by one."""
    counts = []
    for query in sorted(set(pairs[0])):
        true = {j for i, j in zip(*pairs, strict=True) if i == query}
        best = max(scores[query][j] for j in true)
        others = [s for j, s in enumerate(scores[query]) if j not in true]
        greater = sum(s > best + 1e-9 for s in others)
        tied = sum(abs(s - best) <= 1e-9 for s in others)
        counts.append((query, greater, tied))
    return counts


@st.composite
def _problems(draw):
    num_source, num_target = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    # Few distinct rows, so that ties and duplicates are common.
    palette = torch.randn(5, 3, dtype=torch.double, generator=generator)
    picks = [
        torch.randint(0, 5, (n,), generator=generator) for n in (num_source, num_target)
    ]
    link = st.tuples(st.integers(0, num_source - 1), st.integers(0, num_target - 1))
    links = draw(st.lists(link, min_size=1, max_size=8))
    return palette[picks[0]], palette[picks[1]], torch.tensor(links).t()


@given(
    _problems(),
    st.sampled_from(["cosine", "csls"]),
    st.integers(1, 4),
    st.none() | st.integers(1, 5),
)
def test_equals_counting_by_loops(problem, decoder, csls_k, block_size):
    z_source, z_target, pairs = problem
    by = CSLS(csls_k) if decoder == "csls" else decoder
    counts = ranks(z_source, z_target, by, pairs, block_size)
    scores = _dense_scores(z_source, z_target, decoder, csls_k)
    for direction, side_scores, side_pairs in zip(
        counts, (scores, scores.T), (pairs, pairs.flip(0)), strict=True
    ):
        expected = _counted_by_loops(side_scores, side_pairs.tolist())
        assert torch.stack(direction, dim=1).tolist() == [list(c) for c in expected]


@pytest.mark.parametrize("decoder", ["cosine", "csls"])
@pytest.mark.parametrize("dtype", [torch.float, torch.double])
@pytest.mark.parametrize(
    ("num_rows", "channels", "block_size"),
    [
        (1003, 37, None),
        (1003, 37, 100),
        (517, 500, 64),
        (62, 2369, 33),
        (41, 1776, 2),
        (130, 301, 1),
    ],
)
def test_constant_rows_tie_in_spite_of_rounding(
    decoder, dtype, num_rows, channels, block_size
):
    generator = torch.Generator().manual_seed(0)
    length = torch.rand(num_rows, 1, dtype=dtype, generator=generator) + 0.1
    row = torch.randn(1, channels, dtype=dtype, generator=generator)
    for z in (length * row, length * torch.full_like(row, 0.7)):
        for counts in ranks(z, 3.3 * z, decoder, block_size=block_size):
            assert counts.greater.max() == 0
            assert counts.tied.min() == num_rows - 1


@pytest.mark.parametrize("decoder", ["cosine", "csls"])
def test_a_few_queries_count_as_among_all(decoder):
    generator = torch.Generator().manual_seed(0)
    z_source, z_target = torch.randn(2, 203, 8, generator=generator)
    everything = ranks(z_source, z_target, decoder)
    few = torch.tensor([150, 3, 77])
    for block_size in (None, 2):
        counts = ranks(z_source, z_target, decoder, few.repeat(2, 1), block_size)
        for part, whole in zip(counts, everything, strict=True):
            assert part.query.tolist() == [3, 77, 150]
            assert part.greater.equal(whole.greater[part.query])
            assert part.tied.equal(whole.tied[part.query])
    row = torch.randn(1, 301, generator=generator)
    pairs = torch.tensor([[0, 400, 400], [7, 7, 90]])
    to_target, to_source = ranks(
        row.repeat(1003, 1), row.repeat(1003, 1), decoder, pairs
    )
    assert to_target.greater.max() == to_source.greater.max() == 0
    assert to_target.tied.tolist() == [1002, 1001]
    assert to_source.tied.tolist() == [1001, 1002]


def test_close_scores_are_told_apart():
    # The cosines are 4e-6 apart, twice what would be a tie.
    angle = torch.tensor([1 - 5e-5, 1 - 5.4e-5], dtype=torch.double).arccos()
    z_target = torch.stack([angle.cos(), angle.sin()], dim=1).float()
    z_source = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    to_target, _ = ranks(z_source, z_target, "cosine")
    assert to_target.greater.tolist() == [0, 1]
    assert to_target.tied.tolist() == [0, 0]


@pytest.mark.parametrize("decoder", ["cosine", "csls"])
def test_blocks_do_not_change_the_counts(decoder):
    generator = torch.Generator().manual_seed(0)
    z_source, z_target = torch.randn(2, 203, 8, generator=generator)
    whole = ranks(z_source, z_target, decoder)
    for block_size in (1, 10, 101):
        parts = ranks(z_source, z_target, decoder, block_size=block_size)
        for a, b in zip(whole, parts, strict=True):
            assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert np.ptp(whole[0].greater.numpy()) > 50  # The problem is no trivial one.


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (None, "3 source and 4 target rows; pass pairs"),
        (torch.zeros(2, 0, dtype=torch.long), "pairs is empty"),
        (torch.zeros(3, 2, dtype=torch.long), r"long \[2, L\], got .* \[3, 2\]"),
        (torch.zeros(2, 2), r"long \[2, L\], got torch.float32"),
        (
            torch.tensor([[0, 3], [0, 0]]),
            r"pairs\[:, 1\] names source row 3, .* 0 to 2",
        ),
        (torch.tensor([[0, 2], [-1, 0]]), r"pairs\[:, 0\] names target row -1"),
    ],
)
def test_unfit_pairs_are_refused(pairs, message):
    with pytest.raises(ValueError, match=message):
        ranks(torch.ones(3, 2), torch.ones(4, 2), pairs=pairs)
