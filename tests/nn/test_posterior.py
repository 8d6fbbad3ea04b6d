import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from pyg_ibmea.nn import GaussianPosterior


@settings(max_examples=50)
@given(
    rows=st.integers(1, 5),
    channels=st.integers(1, 7),
    seed=st.integers(0, 2**16),
    scale=st.floats(0.01, 5.0),
)
def test_kl_equals_torch_distributions(rows, channels, seed, scale):
    generator = torch.Generator().manual_seed(seed)
    mean, logstd = scale * torch.randn(
        2, rows, channels, generator=generator, dtype=torch.float64
    )
    prior = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    expected = kl_divergence(Normal(mean, logstd.exp()), prior).sum(dim=1)
    torch.testing.assert_close(GaussianPosterior(mean, logstd).kl(), expected)


def test_kl_is_zero_at_the_prior_only():
    zero = torch.zeros(3, 4)
    assert GaussianPosterior(zero, zero).kl().eq(0).all()
    assert GaussianPosterior(zero + 0.1, zero).kl().gt(0).all()
    assert GaussianPosterior(zero, zero - 0.1).kl().gt(0).all()


def test_kl_gradient_against_finite_differences():
    mean = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    logstd = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda m, s: GaussianPosterior(m, s).kl(), (mean, logstd)
    )


def test_samples_have_the_stated_moments():
    torch.manual_seed(0)
    mean = torch.tensor([[1.0, -2.0]])
    logstd = torch.tensor([[0.0, -1.0]])
    samples = GaussianPosterior(mean, logstd).rsample(num_samples=200_000)
    assert samples.shape == (200_000, 1, 2)
    # Four standard errors of the mean and of the deviation.
    error = 4 * logstd.exp() / 200_000**0.5
    assert ((samples.mean(0) - mean).abs() < error).all()
    assert ((samples.std(0) - logstd.exp()).abs() < error).all()


def test_sample_is_reparametrised():
    mean = torch.zeros(4, 2, requires_grad=True)
    logstd = torch.zeros(4, 2, requires_grad=True)
    z = GaussianPosterior(mean, logstd).rsample()
    z.sum().backward()
    torch.testing.assert_close(mean.grad, torch.ones(4, 2))
    # dz / dlogstd = sigma * eps = z - mean.
    torch.testing.assert_close(logstd.grad, z.detach() - mean.detach())


def test_latent_is_the_mean_in_evaluation():
    posterior = GaussianPosterior(torch.randn(3, 2), torch.zeros(3, 2))
    assert posterior.latent(training=False).equal(posterior.mean)
    repeated = posterior.latent(training=False, num_samples=2)
    assert repeated.equal(torch.stack([posterior.mean] * 2))
    assert not posterior.latent(training=True).equal(posterior.mean)


def test_rows_and_repr():
    posterior = GaussianPosterior(torch.arange(6.0).view(3, 2), torch.zeros(3, 2))
    assert posterior[torch.tensor([2, 0])].mean.tolist() == [[4.0, 5.0], [0.0, 1.0]]
    assert repr(posterior) == "GaussianPosterior([3, 2])"


def test_num_samples_must_be_positive():
    with pytest.raises(ValueError, match="num_samples must be at least 1, got 0"):
        GaussianPosterior(torch.zeros(1, 1), torch.zeros(1, 1)).rsample(0)
