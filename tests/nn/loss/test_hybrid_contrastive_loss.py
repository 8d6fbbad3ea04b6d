import math

import pytest
import torch
import torch.nn.functional as F
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import MultiSimilarityLoss, NTXentLoss

from pyg_ibmea.nn import HybridContrastiveLoss


@pytest.fixture
def pairs():
    torch.manual_seed(0)
    z = torch.randn(12, 8, dtype=torch.float64)
    return z, z + 0.5 * torch.randn(12, 8, dtype=torch.float64)


def test_multi_similarity_equals_pytorch_metric_learning(pairs):
    labels = torch.arange(12).repeat(2)
    oracle = MultiSimilarityLoss(
        alpha=5.0, beta=40.0, base=0.5, distance=CosineSimilarity()
    )
    loss = HybridContrastiveLoss(scale_pos=5.0, scale_neg=40.0, base=0.5)
    torch.testing.assert_close(loss(*pairs), oracle(torch.cat(pairs), labels))


def test_info_nce_equals_pytorch_metric_learning(pairs):
    labels = torch.arange(12)
    oracle = NTXentLoss(temperature=0.2)
    # ref_labels must be another object, or the library takes it for the same set.
    both = [
        oracle(a, labels, ref_emb=b, ref_labels=labels.clone())
        for a, b in (pairs, pairs[::-1])
    ]
    loss = HybridContrastiveLoss("info_nce", temperature=0.2)
    torch.testing.assert_close(loss(*pairs), sum(both) / 2)


@pytest.mark.parametrize("objective", ["multi_similarity", "info_nce"])
def test_gradcheck(objective, pairs):
    loss = HybridContrastiveLoss(objective)
    z = [side[:4].clone().requires_grad_() for side in pairs]
    assert torch.autograd.gradcheck(loss, z)


@pytest.fixture
def alike():
    """Pairs whose cosines, those of other pairs included, are all near 1."""
    center = torch.randn(8)
    return [center + 0.05 * torch.randn(12, 8) for _ in range(2)]


def loss_and_gradients(loss, sides):
    sides = [side.detach().requires_grad_() for side in sides]
    value = loss(*sides)
    value.backward()
    return value.detach(), [side.grad for side in sides]


HALVES = [torch.float16, torch.bfloat16]


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("objective", ["multi_similarity", "info_nce"])
def test_autocast_changes_nothing(objective, dtype, alike):
    loss = HybridContrastiveLoss(objective)
    expected = loss_and_gradients(loss, [side.double() for side in alike])
    with torch.autocast("cpu", dtype=dtype):
        value, grads = loss_and_gradients(loss, alike)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), expected[0], rtol=1e-6, atol=0)
    for grad, exact in zip(grads, expected[1], strict=True):
        assert (grad - exact).norm() < 1e-4 * exact.norm()


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("objective", ["multi_similarity", "info_nce"])
def test_half_precision_rounds_the_inputs_only(objective, autocast, dtype, alike):
    loss = HybridContrastiveLoss(objective)
    halves = [side.to(dtype) for side in alike]
    expected = loss_and_gradients(loss, [side.double() for side in halves])
    with torch.autocast("cpu", dtype=dtype, enabled=autocast):
        value, grads = loss_and_gradients(loss, halves)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), expected[0], rtol=1e-6, atol=0)
    for grad, exact in zip(grads, expected[1], strict=True):
        assert grad.dtype == dtype
        # Each entry is rounded once, to a number of the type or the smallest of all.
        limits = torch.finfo(dtype)
        bound = limits.eps / 2 * exact.abs() + 1e-4 * exact.abs().max()
        assert ((grad.double() - exact).abs() <= bound + limits.smallest_normal).all()


def test_sides_of_different_precision(pairs):
    source, target = pairs
    loss = HybridContrastiveLoss("info_nce")
    torch.testing.assert_close(
        loss(source.bfloat16(), target), loss(source.bfloat16().double(), target)
    )


@pytest.mark.parametrize("objective", ["multi_similarity", "info_nce"])
def test_lengths_do_not_matter_but_the_pairing_does(objective, pairs):
    loss = HybridContrastiveLoss(objective)
    source, target = pairs
    torch.testing.assert_close(loss(3 * source, 0.1 * target), loss(source, target))
    assert loss(source, target) < loss(source, target.roll(1, dims=0))


def test_info_nce_of_constant_rows_is_log_b():
    loss = HybridContrastiveLoss("info_nce")
    assert loss(torch.ones(7, 3), torch.ones(7, 3)).item() == pytest.approx(math.log(7))


@pytest.mark.parametrize("objective", ["multi_similarity", "info_nce"])
def test_empty_and_single_batch(objective):
    loss = HybridContrastiveLoss(objective)
    empty = torch.empty(0, 3, requires_grad=True)
    value = loss(empty, empty)
    value.backward()
    assert value.item() == 0
    assert empty.grad.shape == (0, 3)
    one = torch.tensor([[1.0, 0.0]], requires_grad=True)
    value = loss(one, torch.tensor([[1.0, 0.0]]))
    value.backward()
    # InfoNCE has no other candidate; multi-similarity only its positive, at cosine 1.
    expected = 0.0 if objective == "info_nce" else math.log1p(math.exp(-2.5)) / 5
    assert value.item() == pytest.approx(expected, abs=1e-6)


def test_backward_scales_with_the_incoming_gradient(pairs):
    loss = HybridContrastiveLoss()
    source = pairs[0].requires_grad_()
    (once,) = torch.autograd.grad(loss(source, pairs[1]), source)
    (thrice,) = torch.autograd.grad(3 * loss(source, pairs[1]), source)
    torch.testing.assert_close(thrice, 3 * once)


def test_zero_rows_give_finite_gradients():
    z = torch.zeros(3, 4, requires_grad=True)
    HybridContrastiveLoss()(z, F.normalize(torch.randn(3, 4))).backward()
    assert z.grad.isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "triplet"}, "got 'triplet'"),
        ({"temperature": 0.0}, "temperature must be positive, got 0.0"),
        ({"scale_pos": -1.0}, "scale_pos must be positive"),
        ({"scale_neg": 1000.0}, "overflows float32"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        HybridContrastiveLoss(**options)


def test_sides_of_different_size():
    with pytest.raises(ValueError, match=r"got \[2, 3\] and \[3, 3\]"):
        HybridContrastiveLoss()(torch.ones(2, 3), torch.ones(3, 3))


def test_repr():
    assert repr(HybridContrastiveLoss("info_nce")) == (
        "HybridContrastiveLoss('info_nce', temperature=0.1)"
    )
    assert "scale_neg=40.0" in repr(HybridContrastiveLoss())
