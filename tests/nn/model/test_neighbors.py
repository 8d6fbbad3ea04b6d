"""The features of neighbours against a loop over the triples."""

import pytest
import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.data import add_entities
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.nn.model._neighbors import neighbor_features


def by_loop(data, kg, modality, counts):
    """The same with sets and a loop over entities."""
    x = data[kg][f"x_{modality}"]
    x = (x.to_dense() if x.layout != torch.strided else x).double()
    x = x.log1p() if modality in counts else x
    mask = data[kg][f"mask_{modality}"]
    near = [set() for _ in range(len(x))]
    for head, tail in data[kg, "rel", kg].edge_index.t().tolist():
        if head != tail:
            near[head].add(tail)
            near[tail].add(head)
    features = torch.zeros_like(x)
    for entity, around in enumerate(near):
        for other in around:
            if mask[other] and x[other].norm() > 0:
                features[entity] += x[other] / x[other].norm() / len(around)
    present = torch.tensor([any(mask[o] for o in around) for around in near])
    return features, present


@pytest.mark.parametrize("counts", [(), ("relation",)])
def test_against_a_loop(counts):
    data = SyntheticMMKG(num_entities=60)[0]
    edges = data["source", "rel", "source"]
    # Triples that are there twice, in both directions, or join an entity to itself.
    more = torch.cat([edges.edge_index[:, :5], edges.edge_index[:, :5].flip(0)], dim=1)
    loop = torch.tensor([[3, 4], [3, 4]])
    edges.edge_index = torch.cat([edges.edge_index, more, loop], dim=1)
    modalities = ["relation", "image"]
    found = neighbor_features(data, modalities, counts)
    assert list(found) == ["neighbor_relation", "neighbor_image"]
    for modality in modalities:
        for kg in ("source", "target"):
            features, mask = found[f"neighbor_{modality}"][kg]
            assert features.layout == data[kg][f"x_{modality}"].layout
            if features.is_sparse:
                features = features.to_dense()
            expected, present = by_loop(data, kg, modality, counts)
            torch.testing.assert_close(features.double(), expected, atol=1e-6, rtol=0)
            assert mask.equal(present)
            assert mask.sum() > 0


def test_an_entity_without_neighbours_has_none_of_their_features():
    data = HeteroData()
    data["a"].num_nodes = 3
    data["a"].x_image = torch.tensor([[1.0, 1.0], [0.0, 3.0], [0.0, 0.0]])
    data["a"].mask_image = torch.tensor([True, True, False])
    data["a", "rel", "a"].edge_index = torch.tensor([[0], [2]])
    ((features, mask),) = neighbor_features(data, ["image"])["neighbor_image"].values()
    assert features.tolist() == [[0, 0], [0, 0], pytest.approx([0.5**0.5, 0.5**0.5])]
    # The one neighbour of entity 0 has no image, entity 1 has no neighbour.
    assert mask.tolist() == [False, False, True]


def test_the_model_has_them_as_modalities():
    data = SyntheticMMKG(num_entities=40)[0]
    options = {
        "graph_channels": 8,
        "modal_channels": 4,
        "modalities": ["graph", "name"],
    }
    model = IBMEA.from_data(data, **options).eval()
    assert model.modalities == ["graph", "name", "neighbor_name"]
    graph = model.graph_of(data)
    chosen = {"source": torch.tensor([5, 2]), "target": torch.tensor([7])}
    out = model(data, chosen, graph)
    features, mask = graph.neighbors["neighbor_name"]["source"]
    latents, _ = model.modal_encoder(
        {"neighbor_name": features}, {"neighbor_name": mask}
    )
    near = out.latents["neighbor_name"]["source"]
    torch.testing.assert_close(near, latents["neighbor_name"][[5, 2]])
    assert out.masks["neighbor_name"]["source"].equal(mask[[5, 2]])
    # Built for the call where the graph has none.
    bare = graph._replace(neighbors={})
    assert model(data, chosen, bare).z["target"].equal(out.z["target"])
    # They have no bottleneck unless it is asked for.
    assert list(out.kl) == ["name"]
    assert "neighbor_name" in IBMEA.from_data(data, bottleneck=True, **options)(data).kl


@pytest.mark.parametrize(
    "options",
    [
        {"neighbor_features": False},
        {"relational": False},
        {"preset": "paper"},
        {"modalities": ["name", "image"]},
        {"modalities": ["graph"]},
    ],
)
def test_models_without_them(options):
    data = SyntheticMMKG(num_entities=40)[0]
    model = IBMEA.from_data(data, **options)
    assert not any(name.startswith("neighbor_") for name in model.modalities)
    assert model(data).z["source"].isfinite().all()


def test_new_entities_have_them():
    data = SyntheticMMKG(num_entities=40)[0]
    model = IBMEA.from_data(data, graph_channels=8, modal_channels=4)
    triple = ("new", "0", data.uri["source"][0])
    more = add_entities(data, "source", ["new"], [triple])
    new = torch.tensor([data["source"].num_nodes])
    out = model.extended(more)(more, {"source": new})
    assert out.masks["neighbor_relation"]["source"].item()
    assert not out.masks["image"]["source"].item()


def test_a_modality_of_that_name():
    with pytest.raises(ValueError, match="'neighbor_image' has the name of the fea"):
        IBMEA({"a": 3}, {"image": 2, "neighbor_image": 2})
