import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.align import csls
from pyg_ibmea.align.csls import neighborhood_means


def _cosine(z_source, z_target):
    """Cosines by loops over rows, in float64."""
    rows = [
        [a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) for b in z_target.numpy()]
        for a in z_source.numpy()
    ]
    return np.array(rows)


def _nearest_means(cosine, k):
    """Mean of the k largest of every row, by full sort."""
    return np.array([np.mean(sorted(row)[-k:]) for row in cosine])


@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(1, 6),
    st.integers(1, 15),
    st.none() | st.integers(1, 13),
    st.integers(0, 2**20),
)
def test_equals_the_definition(num_source, num_target, channels, k, block_size, seed):
    generator = torch.Generator().manual_seed(seed)
    z_source = torch.randn(num_source, channels, generator=generator).double()
    z_target = torch.randn(num_target, channels, generator=generator).double()
    cosine = _cosine(z_source, z_target)
    r_source, r_target = _nearest_means(cosine, k), _nearest_means(cosine.T, k)

    means = neighborhood_means(z_source, z_target, k, block_size)
    np.testing.assert_allclose(means[0], r_source, atol=1e-12)
    np.testing.assert_allclose(means[1], r_target, atol=1e-12)
    expected = 2 * cosine - r_source[:, None] - r_target[None, :]
    np.testing.assert_allclose(csls(z_source, z_target, k), expected, atol=1e-12)


def test_scores_are_the_transpose_with_sides_swapped():
    generator = torch.Generator().manual_seed(0)
    z_source = torch.randn(9, 4, dtype=torch.double, generator=generator)
    z_target = torch.randn(7, 4, dtype=torch.double, generator=generator)
    swapped = csls(z_target, z_source).t()
    torch.testing.assert_close(csls(z_source, z_target), swapped)


def test_a_hub_loses_its_lead():
    # Target 0 lies between all source rows and wins rows 0 and 1 by cosine.
    z_source = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    z_target = torch.tensor([[1.0, 1.0, 1.0], [0.55, 0.0, -0.84], [0.0, 0.55, -0.84]])
    cosine = torch.nn.functional.cosine_similarity(
        z_source[:, None], z_target[None], dim=-1
    )
    assert cosine.argmax(dim=1).tolist() == [0, 0, 0]
    assert csls(z_source, z_target, k=3).argmax(dim=1).tolist() == [1, 2, 0]


def test_a_neighbourhood_below_one_is_refused():
    for function in (csls, neighborhood_means):
        with pytest.raises(ValueError, match="k must be at least 1, got 0"):
            function(torch.ones(2, 2), torch.ones(2, 2), k=0)
