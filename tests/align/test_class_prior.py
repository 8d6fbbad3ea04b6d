import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from pyg_ibmea.align.class_prior import counterpart_share, most_likely_share


def mixture(share, size, gap, seed):
    rng = np.random.default_rng(seed)
    has = rng.random(size) < share
    return rng.normal(gap * has, 1.0)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_share_is_the_maximum_of_the_likelihood(share):
    x = mixture(share, 400, 1.5, seed=1)
    ratio = norm.pdf(x, 1.5) / norm.pdf(x)

    def cost(p):
        return -np.log(p * ratio + 1 - p).sum() - np.log(p)

    bounds = {"method": "bounded", "bounds": (1e-6, 1 - 1e-6)}
    best = minimize_scalar(cost, options={"xatol": 1e-9}, **bounds).x
    assert most_likely_share(ratio) == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize("share", [0.2, 0.7, 1.0])
def test_share_of_two_normal_distributions(share):
    has, lost = mixture(1.0, 3000, 2.0, seed=2), mixture(0.0, 3000, 2.0, seed=3)
    asked = mixture(share, 4000, 2.0, seed=4)
    columns = [torch.from_numpy(x)[:, None] for x in (has, lost, asked)]
    assert counterpart_share(*columns) == pytest.approx(share, abs=0.04)


def test_no_share_is_above_what_is_possible():
    has, lost = torch.full((50, 1), 2.0), torch.zeros(50, 1)
    assert counterpart_share(has, lost, has, at_most=0.4) == 0.4
    assert counterpart_share(has, lost, has[:0], at_most=0.4) == 0.4


def test_evidence_that_tells_nothing_leaves_the_most_that_is_possible():
    same = torch.ones(20, 2)
    assert counterpart_share(same, same, same, at_most=0.8) == pytest.approx(0.8)


def test_errors():
    x = torch.ones(3, 1)
    with pytest.raises(ValueError, match="both kinds are needed, got 0"):
        counterpart_share(x[:0], x, x)
    with pytest.raises(ValueError, match="at_most must be in"):
        counterpart_share(x, x, x, at_most=1.5)
