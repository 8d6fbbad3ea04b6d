import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_fscore_support

from pyg_ibmea.align import (
    Calibration,
    coverage_curve,
    expected_calibration_error,
    reliability,
)
from pyg_ibmea.align.calibration import detection_metrics, wilson_interval


def problem(size: int = 400, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(size, 3, generator=generator, dtype=torch.double)
    logit = 2 * x[:, 0] + 0.5 * x[:, 1] + 0.3
    y = torch.rand(size, generator=generator) < torch.sigmoid(logit)
    return x, y


def test_against_scikit_learn() -> None:
    x, y = problem()
    weight = torch.linspace(0.1, 2, len(y), dtype=torch.double)
    # Both weights that matter are positive, so that the bounds do not bind.
    features = x[:, :2]
    ours = Calibration(penalty=0.7).fit(features, y, weight)
    scaled = (features - features.mean(0)) / features.std(0, correction=0)
    theirs = LogisticRegression(C=1 / 0.7, tol=1e-10).fit(
        scaled.numpy(), y.numpy(), sample_weight=weight.numpy()
    )
    share = theirs.predict_proba(scaled.numpy())[:, 1]
    count = float(weight.sum())
    expected = (count * share + 1) / (count + 2)  # Laplace's rule of succession.
    np.testing.assert_allclose(ours(features).numpy(), expected, atol=1e-4)


def test_more_evidence_never_means_less_confidence() -> None:
    x, y = problem()
    against = torch.cat([x[:, :1], -x[:, :1]], dim=1)
    model = Calibration().fit(against, y)
    assert model.weight is not None
    assert (model.weight >= 0).all()
    assert model.weight[1] == 0


@pytest.mark.parametrize("mark", [True, False])
def test_all_right_or_all_wrong_stay_finite(mark: bool) -> None:
    x, _ = problem(20)
    p = Calibration().fit(x, torch.full((20,), mark))(x)
    assert p.isfinite().all()
    assert ((p > 0.9) if mark else (p < 0.1)).all()


def test_state_is_json_and_restores() -> None:
    x, y = problem(50)
    model = Calibration(penalty=0.5).fit(x, y)
    again = Calibration()
    again.load_state_dict(json.loads(json.dumps(model.state_dict())))
    assert again(x).equal(model(x))
    assert "bias" in repr(again)
    assert "unfitted" in repr(Calibration())


def test_errors() -> None:
    x, y = problem(5)
    with pytest.raises(RuntimeError, match="not been fitted"):
        Calibration()(x)
    with pytest.raises(RuntimeError, match="not been fitted"):
        Calibration().state_dict()
    with pytest.raises(ValueError, match="as many marks"):
        Calibration().fit(x, y[:3])
    with pytest.raises(ValueError, match="finite"):
        Calibration().fit(x * float("inf"), y)
    with pytest.raises(ValueError, match="penalty"):
        Calibration(penalty=-1)
    with pytest.raises(ValueError, match="smoothing"):
        Calibration(smoothing=-1)
    with pytest.raises(ValueError, match=r"a confidence \[N\]"):
        reliability(torch.empty(0), torch.empty(0, dtype=torch.bool))
    with pytest.raises(ValueError, match="bins must be at least 1, got 0"):
        expected_calibration_error(torch.ones(1), torch.ones(1) > 0, bins=0)


def test_true_probabilities_are_calibrated_and_doubled_ones_are_not() -> None:
    p = torch.rand(20000, generator=torch.Generator().manual_seed(0))
    right = torch.rand(20000, generator=torch.Generator().manual_seed(1)) < p
    assert expected_calibration_error(p, right) < 0.02
    # |2 p - p| below one half and 1 - p above it: the mean is 1/8 + 1/8.
    assert expected_calibration_error((2 * p).clamp(max=1), right) == pytest.approx(
        0.25, abs=0.02
    )


marks = st.lists(
    st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30
).map(lambda rows: [torch.tensor(column) for column in zip(*rows, strict=True)])


def average_of_equals(confidence, right, i):
    """How often those that are as sure as match ``i`` are right."""
    return np.mean([bool(r) for c, r in zip(confidence, right, strict=True)
                    if c == confidence[i]])  # fmt: skip


@given(marks, st.integers(1, 12))
def test_reliability_by_brute_force(given_marks, bins: int) -> None:
    confidence, right = given_marks
    order = sorted(range(len(right)), key=lambda i: float(confidence[i].double()))
    parts = [part for part in np.array_split(order, bins) if len(part)]
    table = reliability(confidence, right, bins)
    assert [line["matches"] for line in table] == [len(part) for part in parts]
    total = 0.0
    for line, part in zip(table, parts, strict=True):
        mean = np.mean([float(confidence[i]) for i in part])
        share = np.mean([average_of_equals(confidence, right, i) for i in part])
        assert line["confidence"] == pytest.approx(mean, abs=1e-5)
        assert line["right"] == pytest.approx(share, abs=1e-5)
        total += abs(mean - share) * len(part) / len(order)
    error = expected_calibration_error(confidence, right, bins)
    assert error == pytest.approx(total, abs=1e-5)


@given(marks)
def test_coverage_by_brute_force(given_marks) -> None:
    confidence, right = given_marks
    order = sorted(range(len(right)), key=lambda i: -float(confidence[i].double()))
    true = len(right) + 3
    for line in coverage_curve(confidence, right, num_true=true):
        given_ones = order[: max(1, round(line["coverage"] * len(order)))]
        hits = sum(average_of_equals(confidence, right, i) for i in given_ones)
        assert line["precision"] == pytest.approx(hits / len(given_ones))
        assert line["recall"] == pytest.approx(hits / true)
        assert line["threshold"] == pytest.approx(float(confidence[given_ones[-1]]))


def test_the_order_of_equally_sure_matches_is_nothing() -> None:
    confidence = torch.full((100,), 0.5)
    right = torch.arange(100) < 50
    for marks in (right, ~right):
        assert expected_calibration_error(confidence, marks) == 0
        curve = coverage_curve(confidence, marks)
        assert [line["precision"] for line in curve] == pytest.approx([0.5] * 10)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_detection_against_scikit_learn(rows) -> None:
    found, true = (torch.tensor(column) for column in zip(*rows, strict=True))
    expected = precision_recall_fscore_support(
        true.numpy(), found.numpy(), average="binary", zero_division=0.0
    )
    values = detection_metrics(found, true)
    assert list(values.values()) == pytest.approx(list(expected[:3]))


@given(st.integers(0, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_against_scipy(counts) -> None:
    right, asked = counts
    expected = (0.0, 1.0)
    if asked:
        interval = binomtest(right, asked).proportion_ci(0.95, method="wilson")
        expected = (interval.low, interval.high)
    found = wilson_interval(right, asked)
    assert found == pytest.approx(expected, abs=1e-6)
    if asked:
        assert found[0] <= right / asked <= found[1]


def test_more_right_than_asked() -> None:
    with pytest.raises(ValueError, match="of 3, 4 cannot be right"):
        wilson_interval(4, 3)


@given(st.integers(1, 60), st.integers(0, 2**31))
def test_few_that_are_all_right_prove_little(count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 5, generator=generator, dtype=torch.double)
    model = Calibration().fit(x, torch.ones(count) > 0)
    beyond = 100 * torch.randn(50, 5, generator=generator, dtype=torch.double)
    assert model(beyond).max() <= (count + 1) / (count + 2)


@given(st.integers(2, 40), st.integers(0, 2**31))
def test_smoothing_keeps_the_order(count: int, seed: int) -> None:
    x, y = problem(count, seed)
    smooth = Calibration().fit(x, y)(x)
    plain = Calibration(smoothing=0).fit(x, y)(x)
    assert smooth.argsort().equal(plain.argsort())
    assert ((smooth - 0.5).abs() <= (plain - 0.5).abs() + 1e-12).all()


@pytest.mark.parametrize("count", [5, 18, 60])
def test_few_pairs_that_tell_nothing_are_calibrated_on_average(count: int) -> None:
    """By simulation: where any share of right matches is as likely as any other, those
    of a confidence are right that often.
    """
    generator = torch.Generator().manual_seed(count)
    told, true = {}, {}
    for _ in range(600):
        share = torch.rand((), generator=generator)
        right = torch.rand(count, generator=generator) < share
        p = float(Calibration().fit(torch.zeros(count, 1), right)(torch.zeros(1, 1)))
        told.setdefault(int(right.sum()), p)
        true.setdefault(int(right.sum()), []).append(float(share))
    for right, p in told.items():
        # The mean of the Beta distribution, but for the penalty of the bias.
        assert p == pytest.approx((right + 1) / (count + 2), abs=2e-3)
        deviation = 0.5 / (count + 2) ** 0.5
        error = abs(np.mean(true[right]) - p)
        assert error < 4 * deviation / len(true[right]) ** 0.5
