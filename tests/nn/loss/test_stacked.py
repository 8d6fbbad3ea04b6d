"""InfoNCE of several modalities at once equals that of each."""

import pytest
import torch

from pyg_ibmea.nn import HybridContrastiveLoss
from pyg_ibmea.nn.loss._stacked import info_nce_stacks, stacked_info_nce

LEAST = {"atol": 1e-5, "rtol": 1e-4}


def sides(dtype=torch.double):
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 4, 9, 5, generator=generator, dtype=torch.double)
    present = torch.rand(4, 9, generator=generator) < 0.6
    present[1], present[2], present[3, 1:] = True, False, False
    # Of an entity without the modality, the model gives zeros.
    a, b = (side.masked_fill(~present[..., None], 0.0).to(dtype) for side in (a, b))
    return a.requires_grad_(), b.requires_grad_(), present


@pytest.mark.parametrize("temperature", [0.1, 0.7])
def test_value_and_gradients_equal_those_of_each(temperature):
    a, b, present = sides()
    alone = HybridContrastiveLoss("info_nce", temperature=temperature)
    expected = torch.stack(
        [alone(x[rows], y[rows]) for x, y, rows in zip(a, b, present, strict=True)]
    )
    losses = stacked_info_nce(torch.stack([a, b]), present, temperature)
    torch.testing.assert_close(losses, expected)
    assert losses[2] == 0
    weight = torch.tensor([1.0, -2.0, 3.0, 0.5], dtype=torch.double)
    for one, other in zip(
        torch.autograd.grad(losses @ weight, (a, b)),
        torch.autograd.grad(expected @ weight, (a, b)),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_is_computed_in_single_precision(dtype):
    a, b, present = sides(dtype)
    both = torch.stack([a, b])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = stacked_info_nce(both, present, 0.1)
    assert losses.dtype == torch.float32
    exact = stacked_info_nce(both.double(), present, 0.1)
    torch.testing.assert_close(losses.double(), exact, **LEAST)


def test_which_modalities_go_together(monkeypatch):
    shapes = {"a": (9, 5), "b": (9, 5), "c": (9, 8), "d": (9, 5)}
    latents = {name: torch.zeros(shape) for name, shape in shapes.items()}
    assert info_nce_stacks(latents, 0.1) == []  # On a CPU, none.
    monkeypatch.setattr(torch.Tensor, "is_cuda", True, raising=False)
    assert info_nce_stacks(latents, 0.1) == [["a", "b", "d"]]
    assert info_nce_stacks(latents, 0.01) == []  # Its sums need their maximum.
    monkeypatch.setattr("pyg_ibmea.nn.loss._stacked.GPU_BLOCK_ELEMENTS", 2 * 81)
    assert info_nce_stacks(latents, 0.1) == [["a", "b"]]
