"""The blocked losses against dense and looped ones, blocks of every size included."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from pretended_cuda import on_pretended_cuda, tally
from torch.utils._python_dispatch import TorchDispatchMode

from pyg_ibmea.nn import HybridContrastiveLoss
from pyg_ibmea.nn.loss import _contrastive
from pyg_ibmea.nn.loss._contrastive import info_nce, multi_similarity


def unit_rows(num_rows, channels, seed):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(num_rows, channels, generator=generator, dtype=torch.float64)
    return F.normalize(rows).requires_grad_()


def looped_info_nce(a, b, temperature):
    a, b = a.tolist(), b.tolist()
    score = [
        [sum(p * q for p, q in zip(x, y, strict=True)) / temperature for y in b]
        for x in a
    ]
    total = 0.0
    for i in range(len(a)):
        row = sum(math.exp(score[i][j]) for j in range(len(a)))
        column = sum(math.exp(score[j][i]) for j in range(len(a)))
        # Not the logarithm of the ratio, which may be too small for a full number.
        total += math.log(row) + math.log(column) - 2 * score[i][i]
    return total / (2 * len(a))


def looped_multi_similarity(z, scale_pos, scale_neg, base):
    z, half = z.tolist(), len(z) // 2
    total = 0.0
    for i, x in enumerate(z):
        negatives = 0.0
        for j, y in enumerate(z):
            similarity = sum(p * q for p, q in zip(x, y, strict=True))
            if j == (i + half) % len(z):
                positive = math.exp(-scale_pos * (similarity - base))
                total += math.log(1 + positive) / scale_pos
            elif j != i:
                negatives += math.exp(scale_neg * (similarity - base))
        total += math.log(1 + negatives) / scale_neg
    return total / len(z)


def dense_info_nce(a, b, temperature):
    score = a @ b.t() / temperature
    target = torch.arange(a.size(0))
    return (F.cross_entropy(score, target) + F.cross_entropy(score.t(), target)) / 2


def dense_multi_similarity(z, scale_pos, scale_neg, base):
    half = z.size(0) // 2
    similarity = z @ z.t()
    positive = similarity[torch.arange(2 * half), torch.arange(2 * half).roll(half)]
    negative = 1 - torch.eye(half, dtype=z.dtype).repeat(2, 2)
    exponential = (scale_neg * (similarity - base)).exp() * negative
    return (
        torch.log1p((-scale_pos * (positive - base)).exp()) / scale_pos
        + torch.log1p(exponential.sum(dim=1)) / scale_neg
    ).mean()


@settings(max_examples=40)
@given(
    num_pairs=st.integers(1, 9),
    block=st.integers(1, 60),
    kept=st.integers(0, 120),
    # Below 0.0029 sums are taken relative to their largest term.
    temperature=st.floats(0.0015, 0.004) | st.floats(0.02, 2.0),
    seed=st.integers(0, 2**16),
)
def test_info_nce(num_pairs, block, kept, temperature, seed):
    a, b = unit_rows(num_pairs, 4, seed), unit_rows(num_pairs, 4, seed + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_contrastive, "BLOCK_ELEMENTS", block)
        patch.setattr(_contrastive, "KEPT_ELEMENTS", kept)
        loss = info_nce(a, b, temperature)
    assert loss.item() == pytest.approx(
        looped_info_nce(a, b, temperature), rel=1e-9, abs=1e-12
    )
    grads = torch.autograd.grad(loss, (a, b))
    expected = torch.autograd.grad(dense_info_nce(a, b, temperature), (a, b))
    torch.testing.assert_close(grads, expected, rtol=1e-9, atol=1e-11)


@settings(max_examples=40)
@given(
    num_pairs=st.integers(1, 9),
    block=st.integers(1, 120),
    kept=st.integers(0, 240),
    scale_pos=st.floats(0.1, 10.0),
    scale_neg=st.floats(1.0, 60.0),
    base=st.floats(0.0, 0.9),
    seed=st.integers(0, 2**16),
)
def test_multi_similarity(num_pairs, block, kept, scale_pos, scale_neg, base, seed):
    z = unit_rows(2 * num_pairs, 4, seed)
    options = (scale_pos, scale_neg, base)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_contrastive, "BLOCK_ELEMENTS", block)
        patch.setattr(_contrastive, "KEPT_ELEMENTS", kept)
        loss = multi_similarity(z, *options)
    assert loss.item() == pytest.approx(
        looped_multi_similarity(z, *options), rel=1e-9, abs=1e-12
    )
    (grad,) = torch.autograd.grad(loss, z)
    (expected,) = torch.autograd.grad(dense_multi_similarity(z, *options), z)
    torch.testing.assert_close(grad, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("block", [3, 1000])
def test_gradcheck(block, monkeypatch):
    monkeypatch.setattr(_contrastive, "BLOCK_ELEMENTS", block)
    a, b = unit_rows(4, 3, 0), unit_rows(4, 3, 1)
    assert torch.autograd.gradcheck(lambda a, b: info_nce(a, b, 0.1), (a, b))
    z = unit_rows(8, 3, 2)
    assert torch.autograd.gradcheck(lambda z: multi_similarity(z, 5.0, 40.0, 0.5), z)


class Products(TorchDispatchMode):
    """Counts the products of matrices."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten.mm.default
        return func(*args, **(kwargs or {}))


def counted(loss, kept, monkeypatch):
    """The gradient of a loss of eight pairs in four tiles, and the products taken."""
    monkeypatch.setattr(_contrastive, "BLOCK_ELEMENTS", 16)
    monkeypatch.setattr(_contrastive, "KEPT_ELEMENTS", kept)
    z = unit_rows(8, 3, 0)
    with Products() as products:
        (grad,) = torch.autograd.grad(loss(z), z)
    return grad, products.count


@pytest.mark.parametrize(
    ("loss", "tiles", "entries", "products_of_gradient"),
    [
        (lambda z: info_nce(z, z, 0.5), 4, 64, 8),
        # A tile on the diagonal needs one product for its gradient.
        (lambda z: multi_similarity(z, 5.0, 40.0, 0.5), 3, 48, 4),
    ],
)
def test_few_tiles_are_kept(loss, tiles, entries, products_of_gradient, monkeypatch):
    kept, once = counted(loss, entries, monkeypatch)
    formed_anew, twice = counted(loss, entries - 1, monkeypatch)
    assert torch.equal(kept, formed_anew)
    assert once == tiles + products_of_gradient
    assert twice == 2 * tiles + products_of_gradient


@pytest.mark.parametrize(("size", "most"), [((35, 10), 100), ((500, 700), 96)])
def test_tiles_cover_a_matrix_once_within_their_bound(size, most):
    count = torch.zeros(size)
    for rows, columns in _contrastive._tiles(*size, most):
        count[rows, columns] += 1
        assert 0 < count[rows, columns].numel() <= most
    assert (count == 1).all()


def test_upper_tiles_cover_the_upper_triangle_once():
    count = torch.zeros(8, 8)
    for rows, columns in _contrastive._upper_tiles(8, most=9):
        count[rows, columns] += 1
        if rows != columns:
            count[columns, rows] += 1
        assert count[rows, columns].numel() <= 9
    assert (count == 1).all()


def launches(num_pairs, objective):
    a, b = torch.randn(2, num_pairs, 4, device="cuda", requires_grad=True)
    with tally() as counts:
        HybridContrastiveLoss(objective)(a, b).backward()
    return counts.launches.total()


@pytest.mark.parametrize("objective", ["info_nce", "multi_similarity"])
def test_a_gpu_forms_large_tiles(objective):
    few = on_pretended_cuda(launches, 5, objective)
    assert _contrastive.BLOCK_ELEMENTS < 1600**2
    assert on_pretended_cuda(launches, 1600, objective) == few < 60
