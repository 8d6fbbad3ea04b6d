import math

import pytest
import torch
import torch.nn.functional as F

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA, GaussianPosterior
from pyg_ibmea.problem import links_of
from pyg_ibmea.train import information_plane
from pyg_ibmea.train._information import info_nce_bound


def correlated(n, channels, rho):
    """Pairs of standard Gaussians with correlation rho in each channel, the log
    density ratio of all against all, and their mutual information in nats.
    """
    random = torch.Generator().manual_seed(0)
    a = torch.randn(n, channels, generator=random, dtype=torch.double)
    noise = torch.randn(n, channels, generator=random, dtype=torch.double)
    b = rho * a + math.sqrt(1 - rho**2) * noise
    given = torch.distributions.Normal(rho * a[:, None], math.sqrt(1 - rho**2))
    alone = torch.distributions.Normal(torch.zeros(()).double(), 1.0)
    ratio = (given.log_prob(b[None]) - alone.log_prob(b[None])).sum(-1)
    return a, b, ratio, -0.5 * channels * math.log(1 - rho**2)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6, 0.8])
@pytest.mark.parametrize("channels", [1, 3])
def test_bound_with_the_best_scores_meets_the_closed_form(rho, channels):
    *_, ratio, truth = correlated(2000, channels, rho)
    # Sample error is below .05; log 2000 = 7.6 is far away.
    assert info_nce_bound(ratio) == pytest.approx(truth, abs=0.06)
    # Constants of a row change one direction only, and only for the worse.
    assert info_nce_bound(ratio + 3.0) == pytest.approx(info_nce_bound(ratio))


@pytest.mark.parametrize("rho", [0.5, 0.9])
def test_other_scores_stay_below(rho):
    a, b, _, truth = correlated(2000, 4, rho)
    for scores in (a @ b.t(), F.normalize(a) @ F.normalize(b).t() / 0.1, -(a @ b.t())):
        assert info_nce_bound(scores) < truth + 0.03


def test_it_cannot_exceed_what_the_sample_shows():
    *_, ratio, truth = correlated(50, 20, 0.9)
    assert truth > 15
    assert math.log(50) - 0.05 < info_nce_bound(ratio) <= math.log(50)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.95])
def test_mean_kl_is_the_information_where_the_prior_is_the_marginal(rho):
    x = torch.randn(200_000, 1, generator=torch.Generator().manual_seed(1)).double()
    logstd = torch.full_like(x, 0.5 * math.log(1 - rho**2))
    truth = -0.5 * math.log(1 - rho**2)
    kl = GaussianPosterior(rho * x, logstd).kl().mean()
    assert float(kl) == pytest.approx(truth, abs=0.01)
    # A marginal that is not the prior costs its KL on top: an upper bound.
    wider = GaussianPosterior(2 * rho * x, logstd + math.log(2)).kl().mean()
    assert float(wider) > truth


def test_shapes_are_checked():
    for shape in ((2, 3), (0, 0), (4,)):
        with pytest.raises(ValueError, match=r"must be \[n, n\]"):
            info_nce_bound(torch.zeros(shape))


def test_plane_of_a_model():
    data = SyntheticMMKG(num_entities=200, ratio=0.5, val_ratio=0.4)[0]
    torch.manual_seed(0)
    model = IBMEA.from_data(
        data, graph_channels=16, modal_channels=8, bottleneck=["image", "name"]
    )
    model.train()
    state = torch.get_rng_state()
    plane = information_plane(model, data)
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert plane == information_plane(model, data)
    assert set(plane) == set(model.modalities)
    links = links_of(data, "val")
    with torch.no_grad():
        output = model.eval()(data, dict(zip(("source", "target"), links, strict=True)))
    for modality, row in plane.items():
        both = output.masks[modality]["source"] & output.masks[modality]["target"]
        assert row["log_pairs"] == pytest.approx(math.log(int(both.sum())))
        assert row["prediction"] <= row["log_pairs"]
        if modality in ("image", "name"):
            assert row["compression"] == pytest.approx(float(output.kl[modality]))
        else:
            assert "compression" not in row

    # Without noise the figure follows from the latents: no bottleneck, one temperature.
    z = [output.latents["relation"][kg] for kg in ("source", "target")]
    mask = output.masks["relation"]["source"] & output.masks["relation"]["target"]
    cosine = F.cosine_similarity(z[0][mask][:, None], z[1][mask][None], dim=-1)
    alone = information_plane(model, data, temperatures=[0.2])["relation"]
    assert alone["prediction"] == pytest.approx(info_nce_bound(cosine / 0.2), abs=1e-5)


def test_modality_that_no_pair_shares_is_left_out():
    data = SyntheticMMKG(num_entities=100)[0]
    data["target"].mask_image.fill_(False)
    data["target"].x_image.zero_()
    model = IBMEA.from_data(data, graph_channels=16, modal_channels=8)
    assert "image" not in information_plane(model, data)
