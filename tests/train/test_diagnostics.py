import math

import pytest
import torch

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.train._diagnostics import Diagnostics, check_agreement

HEALTHY = {
    "total": 12.0,
    "hybrid": 2.0,
    "info_nce/graph": 1.0,
    "info_nce/image": 5.0,
    "guess/graph": math.log(1000),
    "guess/image": math.log(1000),
    "kl/graph": 900.0,
    "kl/image": 40.0,
}
BETA = {"graph": 1e-3, "image": 1e-2}


def test_a_healthy_training_is_left_alone():
    assert Diagnostics(BETA).check(HEALTHY) == []


@pytest.mark.parametrize(
    ("change", "beta", "message"),
    [
        ({"kl/image": 0.5}, BETA, "'image' has collapsed to the prior (KL 0.50 nats)"),
        ({"kl/image": 40.0}, {"graph": 1e-3}, "bottleneck of 'image' is inactive"),
        ({"info_nce/image": 6.8}, BETA, "'image' carries no alignment signal"),
        # Few of the pairs have it.
        (
            {"info_nce/image": math.log(121), "guess/image": math.log(121)},
            BETA,
            "its InfoNCE 4.80 is that of guessing (4.80)",
        ),
        (
            {"info_nce/image": math.log(1000)},
            BETA,
            "its InfoNCE 6.91 is that of guessing (6.91)",
        ),
    ],
)
def test_each_sign_is_told_once(change, beta, message):
    diagnostics = Diagnostics(beta)
    (told,) = diagnostics.check({**HEALTHY, **change})
    assert message in told
    assert diagnostics.check({**HEALTHY, **change}) == []


def test_drift_of_pseudo_seeds():
    diagnostics = Diagnostics(BETA)
    pairs = torch.arange(20).view(2, 10)

    def check(pairs):
        return diagnostics.check_pseudo_seeds({("a", "b"): pairs})

    assert check(pairs) == []
    assert check(pairs[:, 2:]) == []  # Two of ten may go.
    (told,) = check(pairs[:, 5:])
    assert "3 of 8 were dropped again" in told
    assert check(pairs) == []  # More of them is no drift.


def test_features_of_neighbours_may_carry_no_signal():
    data = SyntheticMMKG(num_entities=50)[0]
    model = IBMEA.from_data(data, modalities=["graph", "name"], neighbor_features=True)
    _, own, near = model.modalities
    losses = {**HEALTHY, f"info_nce/{own}": 6.9, f"info_nce/{near}": 6.9}
    losses |= {f"guess/{name}": math.log(1000) for name in (own, near)}
    (message,) = Diagnostics(BETA).check(losses)
    assert f"modality {own!r} carries no" in message


def test_neighbours_that_lead_astray_by_the_validation_pairs():
    def figures(hits):
        return {"csls": {"mean": {"hits@1": hits}}}

    def check(with_them, without, pairs):
        return check_agreement(figures(with_them), figures(without), pairs, "a - b")

    # Two standard errors, of shares with a hit and a miss more: about .122.
    (told,) = check(0.7, 0.8225, 100)
    assert "a - b: neighbourhood agreement lowers" in told
    assert "on the 100 validation pairs from 0.823 to 0.700" in told
    assert "--neighbor-agreement" in told
    assert check(0.7, 0.8, 100) == []
    assert check(0.8, 0.6, 100) == []
    # One pair says nothing.
    assert check(0.0, 1.0, 1) == []
    assert check_agreement(None, None, 0, "a - b") == []
