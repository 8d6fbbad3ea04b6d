import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pretended_cuda import on_pretended_cuda, tally

from pyg_ibmea.align import Sinkhorn, sinkhorn, topk
from pyg_ibmea.align.ranks import ranks
from pyg_ibmea.align.sinkhorn import _DenseKernel


def _sides(num_source, num_target, seed=0, channels=5):
    generator = torch.Generator().manual_seed(seed)
    sides = [
        torch.randn(n, channels, dtype=torch.double, generator=generator)
        for n in (num_source, num_target)
    ]
    unit = [torch.nn.functional.normalize(side) for side in sides]
    return *sides, unit[0] @ unit[1].t()


def _plan(cosine, potentials, temperature):
    f, g = potentials.source, potentials.target
    return ((cosine + f[:, None] + g) / temperature).exp()


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from([0.3, 1.0]),
    st.none() | st.just(12),
    st.integers(0, 2**16),
)
def test_equals_pot(num_source, num_target, temperature, num_candidates, seed):
    z_source, z_target, cosine = _sides(num_source, num_target, seed)
    potentials = sinkhorn(
        z_source,
        z_target,
        temperature,
        num_iters=3000,
        tolerance=1e-12,
        num_candidates=num_candidates,
    )
    plan = _plan(cosine, potentials, temperature)
    rows, columns, cost = np.ones(num_source), np.ones(num_target), 1 - cosine.numpy()
    options = {"numItermax": 3000, "stopThr": 1e-12}
    if num_source == num_target:
        options |= {"method": "sinkhorn_log", "warn": False}
        expected = ot.sinkhorn(rows, columns, cost, temperature, **options)
    else:
        # Sums of at most 1, and as many pairs as the smaller side has rows.
        expected = ot.partial.entropic_partial_wasserstein(
            rows, columns, cost, temperature, min(num_source, num_target), **options
        )
    np.testing.assert_allclose(plan, expected, atol=1e-6)
    assert not potentials.source_slack.any()


@pytest.mark.parametrize("num_candidates", [None, 8])
@pytest.mark.parametrize("slack", [None, 0.3])
def test_which_side_is_the_source_makes_no_difference(num_candidates, slack):
    z_source, z_target, _ = _sides(6, 14)
    options = {"temperature": 0.1, "slack": slack, "num_candidates": num_candidates}
    forward = sinkhorn(z_source, z_target, **options)
    backward = sinkhorn(z_target, z_source, **options)
    assert forward.source.equal(backward.target)
    assert forward.target.equal(backward.source)
    assert forward.source_slack.equal(backward.target_slack)
    assert forward.target_slack.equal(backward.source_slack)


@pytest.mark.parametrize("num_target", [200, 250, 1000])
def test_many_rows_without_counterpart_do_not_hide_those_with_one(num_target):
    generator = torch.Generator().manual_seed(0)
    z_target = torch.randn(num_target, 64, generator=generator)
    z_source = z_target[:200] + 0.1 * torch.randn(200, 64, generator=generator)
    unit = [torch.nn.functional.normalize(side) for side in (z_source, z_target)]
    for source, target in (unit, unit[::-1]):
        potentials = sinkhorn(source, target, temperature=0.02)
        plan = _plan(source @ target.t(), potentials, 0.02)
        assert plan.diagonal().min() > 0.9
        # What has no counterpart is not made to look as if it had one.
        plan.diagonal().zero_()
        assert plan.max() < 0.1


def test_slack_equals_pot_on_the_enlarged_problem():
    z_source, z_target, cosine = _sides(6, 4)
    slack, temperature = 0.3, 0.1
    larger = np.full((7, 5), slack)
    larger[:6, :4] = cosine
    expected = ot.sinkhorn(
        np.array([1.0] * 6 + [4.0]),
        np.array([1.0] * 4 + [6.0]),
        -larger,
        temperature,
        method="sinkhorn_log",
        numItermax=10000,
        stopThr=1e-13,
    )
    potentials = sinkhorn(
        z_source, z_target, temperature, 10000, tolerance=1e-12, slack=slack
    )
    plan = _plan(cosine, potentials, temperature)
    np.testing.assert_allclose(plan, expected[:6, :4], atol=1e-8)
    np.testing.assert_allclose(potentials.source_slack, expected[:6, 4], atol=1e-8)
    np.testing.assert_allclose(potentials.target_slack, expected[6, :4], atol=1e-8)


def test_low_temperature_neither_overflows_nor_vanishes():
    # exp(1 / 0.001) has no float64, and float32 loses the sums that matter.
    z_source, z_target, cosine = _sides(30, 30)
    options = {"num_iters": 3000, "tolerance": 1e-3}
    wide = sinkhorn(z_source, z_target, 0.005, **options)
    narrow = sinkhorn(z_source.float(), z_target.float(), 0.005, **options)
    for potentials in (wide, narrow):
        plan = _plan(cosine, potentials, 0.005)
        torch.testing.assert_close(
            plan.sum(1), torch.ones(30).double(), rtol=1e-3, atol=0.0
        )
        torch.testing.assert_close(
            plan.sum(0), torch.ones(30).double(), rtol=5e-3, atol=0.0
        )
    extreme = sinkhorn(z_source, z_target, 1e-4)
    assert extreme.source.isfinite().all()
    assert extreme.target.isfinite().all()


def test_logarithms_take_over_where_potentials_are_far_apart():
    z_source, z_target, cosine = _sides(8, 9)
    kernel = _DenseKernel(*map(torch.nn.functional.normalize, (z_source, z_target)),
                          0.1, None)  # fmt: skip
    near = torch.linspace(0, 10, 9, dtype=torch.double)
    for g in (near, 30 * near, near):
        expected = (cosine / 0.1 + g).logsumexp(1)
        torch.testing.assert_close(kernel.log_row_sums(g), expected)
        expected = (cosine / 0.1 + g[:8, None]).logsumexp(0)
        torch.testing.assert_close(kernel.log_column_sums(g[:8]), expected)
    assert kernel.is_log


def test_stops_when_converged_and_says_how_far_it_is():
    z_source, z_target, cosine = _sides(20, 20)
    short = sinkhorn(z_source, z_target, 0.1, num_iters=2, tolerance=1e-6)
    assert short.num_iters == 2
    assert short.error > 1e-6
    done = sinkhorn(z_source, z_target, 0.1, num_iters=10000, tolerance=1e-6)
    assert done.num_iters < 10000
    assert done.error <= 1e-6
    column_error = (_plan(cosine, done, 0.1).sum(0) - 1).abs().max()
    assert column_error <= 1e-6


def test_zero_rows_share_evenly():
    z_source, z_target, _ = _sides(3, 4)
    z_source[1] = 0
    plan = sinkhorn(z_source, z_target, 0.1)
    assert plan.source.isfinite().all()


def test_candidates_suffice_where_the_rest_is_far():
    generator = torch.Generator().manual_seed(0)
    z_target = torch.randn(400, 64, generator=generator)
    z_source = z_target + 0.8 * torch.randn(400, 64, generator=generator)
    every = sinkhorn(z_source, z_target, 0.05)
    some = sinkhorn(z_source, z_target, 0.05, num_candidates=40)
    unit = [torch.nn.functional.normalize(z) for z in (z_source, z_target)]
    best = [
        _plan(unit[0] @ unit[1].t(), potentials, 0.05).argmax(1)
        for potentials in (every, some)
    ]
    assert (best[0] == best[1]).float().mean() > 0.98


def test_as_a_decoder():
    z_source, z_target, cosine = _sides(15, 15)
    potentials = sinkhorn(z_source, z_target, 0.07)
    scores = cosine + potentials.source[:, None] + potentials.target
    options = {"decoder": Sinkhorn(0.07)}
    found, column = topk(z_source, z_target, 1, **options)
    torch.testing.assert_close(found[:, 0], scores.amax(1))
    assert column[:, 0].tolist() == scores.argmax(1).tolist()
    forward, backward = ranks(z_source, z_target, **options)
    true = scores.diagonal()
    assert forward.greater.tolist() == (scores > true[:, None]).sum(1).tolist()
    assert backward.greater.tolist() == (scores > true).sum(0).tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature must be positive and finite, got 0.0"),
        ({"num_iters": 0}, "num_iters must be at least 1"),
        ({"tolerance": -1.0}, "tolerance must be non-negative"),
        ({"tolerance": float("nan")}, "tolerance must be non-negative"),
        ({"slack": 2.0}, "slack must be a cosine"),
        ({"num_candidates": 0}, "num_candidates must be at least 1"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        sinkhorn(torch.eye(3), torch.eye(3), **options)
    with pytest.raises(ValueError, match=message):
        Sinkhorn(**options)


# Among them a temperature that needs logarithms.
CASES = [
    {},
    {"temperature": 0.002, "num_iters": 12},
    {"num_iters": 200, "tolerance": 1e-8},
    {"slack": 0.4},
    {"num_candidates": 10},
]


def _scaled(device):
    found = []
    for options in CASES:
        sides = [side.to(device) for side in _sides(40, 30)[:2]]
        with tally() as counts:
            f, g, *slack, num_iters, error = sinkhorn(*sides, **options)
        vectors = [side.cpu().numpy() for side in (f, g, *slack)]
        found.append((vectors, num_iters, error, counts.waits.total()))
    return found


def test_a_gpu_is_asked_seldom_and_finds_the_same():
    expected, found = _scaled("cpu"), on_pretended_cuda(_scaled, "cuda")
    for one, other, options in zip(expected, found, CASES, strict=True):
        for side, same in zip(one[0], other[0], strict=True):
            np.testing.assert_allclose(side, same, rtol=1e-9, atol=1e-12)
        num_iters, error, waits = other[1:]
        assert (num_iters, error) == (one[1], pytest.approx(one[2], rel=1e-6))
        # Five iterations with logarithms are done again.
        checks = -(-num_iters // 5) + (options.get("temperature") == 0.002)
        # Two for each side, which is checked, and three for the candidates.
        assert waits == checks + 4 + 3 * ("num_candidates" in options)
