"""Encoding some entities at a time against all at once."""

import pytest
import torch

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.large import LARGE
from pyg_ibmea.nn import IBMEA, GraphVIBEncoder
from pyg_ibmea.nn.model import _neighbors
from pyg_ibmea.nn.model._neighbors import NearbyWhenAsked, neighbor_features

SMALL = {"graph_channels": 12, "modal_channels": 6}


@pytest.fixture(scope="module")
def data():
    return SyntheticMMKG(num_entities=150)[0]


def noisy(model):
    """Parameters that are not at their symmetric start."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.2 * torch.randn_like(weight)
    return model.double()


@pytest.mark.parametrize("chunk", [1, 37, 10_000])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_layers": 1},
        {"num_layers": 3, "bottleneck": True, "heads": 2},
        {"relational": False, "heads": 2},
        {"relational": False, "separate_stacks": True, "bottleneck": True},
        {"modalities": ["graph"]},
        {"modalities": ["image", "name"]},
    ],
)
def test_same_as_forward(data, options, chunk):
    if chunk == 1 and options:
        pytest.skip("one entity at a time is slow: the defaults are enough")
    model = noisy(IBMEA.from_data(data, **SMALL, **options))
    expected = model.eval()(data).z
    found = model.train().encode(data, chunk=chunk)
    assert list(found) == ["source", "target"]
    for kg, z in found.items():
        torch.testing.assert_close(z, expected[kg], atol=1e-9, rtol=0)
    assert model.training


def test_some_entities_in_any_order(data):
    model = noisy(IBMEA.from_data(data, **SMALL))
    chosen = {"target": torch.tensor([149, 3, 77, 3, 0])}
    expected = model.eval()(data, chosen).z["target"]
    found = model.encode(data, chosen, model.graph_of(data), chunk=40)
    assert list(found) == ["target"]
    torch.testing.assert_close(found["target"], expected, atol=1e-9, rtol=0)


def test_a_graph_encoder_of_your_own(data):
    class Own(torch.nn.Module):
        def build_graph(self, data):
            return None

        def forward(self, x, graph, nodes=None):
            return (x if nodes is None else x[nodes]) * 2, None

    model = noisy(IBMEA.from_data(data, graph_encoder=Own(), **SMALL))
    expected = model.eval()(data).z["source"]
    found = model.encode(data, chunk=64)["source"]
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)


def test_layers_that_add_self_loops(data):
    torch.manual_seed(0)
    encoder = GraphVIBEncoder(12, add_self_loops=True).double()
    x = torch.randn(300, 12, dtype=torch.double)
    graph = encoder.build_graph(data)
    expected, _ = encoder.eval()(x, graph)
    encoder.train()
    latents = encoder.by_chunks(x, graph, chunk=70)
    torch.testing.assert_close(latents(slice(50, 220)), expected[50:220])
    convs = [*encoder.hidden_mean, encoder.conv]
    assert all(conv.add_self_loops and conv.training for conv in convs)


@pytest.mark.parametrize("modality", ["relation", "image"])
def test_features_of_neighbours_when_asked(data, modality, monkeypatch):
    counts = ("relation",)
    expected = neighbor_features(data, [modality], counts)[f"neighbor_{modality}"]
    monkeypatch.setattr(_neighbors, "LARGE", 100)
    found = neighbor_features(data, [modality], counts)[f"neighbor_{modality}"]
    index = torch.tensor([5, 149, 5, 0])
    for kg, nearby in found.items():
        assert isinstance(nearby, NearbyWhenAsked)
        features, wanted = nearby.rows(index), expected[kg].rows(index)
        dense = [x.to_dense() if x.is_sparse else x for x in (features, wanted)]
        torch.testing.assert_close(*dense, atol=1e-6, rtol=0)
        assert features.layout == wanted.layout
        assert nearby.mask.equal(expected[kg].mask)


def test_published_problems_are_not_large():
    # DBP15K has 39,000 entities, FB15K-DB15K and SRPRS fewer.
    assert LARGE > 40_000
