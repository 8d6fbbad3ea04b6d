import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.align import CSLS, csls, topk

# Rows along the axes: cosines are exactly 0 or ±1, so ties are exact and plenty.
_AXIS_ROWS = st.lists(st.integers(-3, 3), min_size=1, max_size=12)


def _axis_rows(axes):
    z = torch.zeros(len(axes), 3)
    for row, axis in enumerate(axes):
        if axis != 0:
            z[row, abs(axis) - 1] = 1.0 if axis > 0 else -1.0
    return z


def _ordered(scores, k):
    """Best columns by score, then by index, by sorting tuples."""
    return [
        sorted(range(len(row)), key=lambda j: (-row[j], j))[:k]
        for row in scores.tolist()
    ]


@given(_AXIS_ROWS, _AXIS_ROWS, st.data())
def test_ties_go_to_the_lower_row(source_axes, target_axes, data):
    k = data.draw(st.integers(1, len(target_axes)))
    block_size = data.draw(st.none() | st.integers(1, 5))
    z_source, z_target = _axis_rows(source_axes), _axis_rows(target_axes)
    scores, candidates = topk(z_source, z_target, k, block_size=block_size)
    cosine = z_source @ z_target.t()
    assert candidates.tolist() == _ordered(cosine, k)
    assert torch.equal(scores, cosine.gather(1, candidates))


@pytest.mark.parametrize("decoder", ["cosine", "csls"])
@pytest.mark.parametrize("block_size", [None, 1, 7])
@pytest.mark.parametrize("k", [1, 5, 23])
def test_equals_a_full_sort(decoder, block_size, k):
    generator = torch.Generator().manual_seed(0)
    z_source = torch.randn(31, 6, dtype=torch.double, generator=generator)
    z_target = torch.randn(23, 6, dtype=torch.double, generator=generator)
    if decoder == "csls":
        dense = csls(z_source, z_target, k=4).numpy()
    else:
        dense = torch.nn.functional.cosine_similarity(
            z_source[:, None], z_target[None], dim=-1
        ).numpy()
    by = CSLS(4) if decoder == "csls" else decoder
    scores, candidates = topk(z_source, z_target, k, by, block_size=block_size)
    assert candidates.tolist() == np.argsort(-dense, axis=1)[:, :k].tolist()
    np.testing.assert_allclose(scores, -np.sort(-dense, axis=1)[:, :k], atol=1e-12)


def test_nothing_is_left_for_autograd():
    z = torch.randn(4, 3, requires_grad=True)
    assert not topk(z, z, k=2)[0].requires_grad


@pytest.mark.parametrize("k", [0, 4])
def test_more_candidates_than_rows_are_refused(k):
    with pytest.raises(ValueError, match=f"between 1 and the 3 rows .* got {k}"):
        topk(torch.ones(5, 2), torch.ones(3, 2), k)


def test_an_unknown_decoder_is_refused():
    with pytest.raises(ValueError, match=r"'csls', 'sinkhorn' or an .* got 'dot'"):
        topk(torch.ones(2, 2), torch.ones(2, 2), 1, decoder="dot")
    with pytest.raises(ValueError, match="k must be at least 1"):
        CSLS(k=0)
