"""What is computed for several modalities at once equals what is computed for each."""

import pytest
import torch

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA, HybridContrastiveLoss, ModalVIBEncoder
from pyg_ibmea.nn._stacks import gains_from_stacks, stacks
from pyg_ibmea.train import Objective

PAIR = ("source", "target")
ENTITIES = {"source": torch.arange(0, 30), "target": torch.arange(30, 60).flip(0)}


@pytest.fixture
def at_once(monkeypatch):
    """Computes modalities in stacks from when it is called."""

    def begin():
        for module in ("_stacks", "model.ibmea"):
            monkeypatch.setattr(
                f"pyg_ibmea.nn.{module}.gains_from_stacks", lambda x: True
            )

    return begin


@pytest.fixture(autouse=True)
def noise(monkeypatch):
    """The same for a modality in whatever order they are drawn."""

    def noise_like(x):
        return torch.linspace(-1, 1, x.size(-1), dtype=x.dtype).expand_as(x)

    monkeypatch.setattr(torch, "randn_like", noise_like)


@pytest.fixture(scope="module")
def data():
    return SyntheticMMKG(num_entities=60, seed=3)[0]


def step(model, data):
    """Output and gradients of a training step."""
    output = model(data, ENTITIES, withhold=True)
    beta = dict.fromkeys(model.modalities, 0.5)
    loss, terms = Objective(HybridContrastiveLoss(), beta)(output, PAIR, epoch=1)
    model.zero_grad()
    loss.backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    found = {**terms, "total": loss, **gradients, **output.z, "kl": output.kl}
    for modality, latents in output.latents.items():
        found[f"latents/{modality}"] = latents
        found[f"masks/{modality}"] = output.masks[modality]
    for modality, posterior in output.posteriors.items():
        found[f"posterior/{modality}"] = posterior.mean, posterior.logstd
    return found


@pytest.mark.parametrize("bottleneck", [True, False, "features", {"image", "name"}])
@pytest.mark.parametrize("residual", [True, False])
def test_a_step_of_the_model(data, at_once, bottleneck, residual):
    options = {"dropout": 0.0, "bottleneck": bottleneck, "residual": residual}
    model = IBMEA.from_data(data, graph_channels=8, modal_channels=6, **options)
    model = model.double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    each = step(model, data)
    at_once()
    together = step(model, data)
    assert list(together) == list(each)
    torch.testing.assert_close(together, each)


def test_a_step_with_an_encoder_of_ones_own(data, at_once):
    image = torch.nn.Linear(data["source"].x_image.size(1), 6)
    model = IBMEA.from_data(
        data, encoders={"image": image}, graph_channels=8, modal_channels=6, dropout=0.0
    ).double()
    each = step(model, data)
    at_once()
    torch.testing.assert_close(step(model, data), each)


def test_encoder_of_different_numbers_of_rows(at_once):
    encoder = ModalVIBEncoder({"a": 3, "b": 5, "c": 4}, 2, bottleneck={"b", "c"})
    x = {"a": torch.randn(7, 3), "b": torch.randn(7, 5), "c": torch.randn(2, 4)}
    mask = {"b": torch.arange(7) < 3}
    each = encoder(x, mask)
    at_once()
    latents, posteriors = encoder(x, mask)
    assert list(latents) == ["a", "b", "c"]
    torch.testing.assert_close(latents, each[0])
    for modality in ("b", "c"):
        mean, logstd = posteriors[modality].mean, posteriors[modality].logstd
        torch.testing.assert_close(mean, each[1][modality].mean)
        torch.testing.assert_close(logstd, each[1][modality].logstd)


def test_stacks_are_for_training_on_a_gpu(monkeypatch):
    shapes = {"a": (9, 5), "b": (9, 8), "c": (9, 5)}
    tensors = {name: torch.zeros(shape) for name, shape in shapes.items()}
    tensors["d"] = tensors["a"].double()
    assert stacks(tensors) == [["a"], ["b"], ["c"], ["d"]]
    monkeypatch.setattr(torch.Tensor, "is_cuda", True, raising=False)
    assert stacks(tensors) == [["a", "c"], ["b"], ["d"]]
    with torch.no_grad():
        assert not gains_from_stacks(tensors["a"])
        assert stacks(tensors) == [["a"], ["b"], ["c"], ["d"]]
