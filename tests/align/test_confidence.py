import numpy as np
import pytest
import torch
from scipy.special import softmax

from pyg_ibmea.align import CSLS, align_greedy, csls


@pytest.mark.parametrize("decoder", ["cosine", "csls"])
@pytest.mark.parametrize("block_size", [None, 1, 6])
@pytest.mark.parametrize("temperature", [1e-4, 0.05, 2.0])
def test_equals_the_dense_softmax(decoder, block_size, temperature):
    generator = torch.Generator().manual_seed(0)
    z_source = torch.randn(19, 4, dtype=torch.double, generator=generator)
    z_target = torch.randn(11, 4, dtype=torch.double, generator=generator)
    if decoder == "csls":
        scores = csls(z_source, z_target, k=2).numpy()
    else:
        scores = torch.nn.functional.cosine_similarity(
            z_source[:, None], z_target[None], dim=-1
        ).numpy()
    by = CSLS(2) if decoder == "csls" else decoder
    alignment = align_greedy(z_source, z_target, by, temperature, block_size=block_size)
    best = scores.argmax(axis=1)
    assert alignment.target.tolist() == best.tolist()
    np.testing.assert_allclose(alignment.score, scores.max(axis=1), atol=1e-12)
    probability = softmax(scores / temperature, axis=1)[np.arange(19), best]
    np.testing.assert_allclose(alignment.confidence, probability, rtol=1e-9)


def test_equal_candidates_share_the_confidence_and_the_first_is_chosen():
    z_target = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    alignment = align_greedy(
        torch.tensor([[5.0, 0.0]]), z_target, "cosine", temperature=0.01
    )
    assert alignment.target.tolist() == [1]
    assert alignment.confidence.tolist() == pytest.approx([0.5])


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), float("nan")])
def test_an_unfit_temperature_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature must be positive and finite"):
        align_greedy(torch.ones(2, 2), torch.ones(2, 2), temperature=temperature)
