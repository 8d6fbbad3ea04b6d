"""The model against its parts, made and run one by one with the same random draws."""

import pytest
import torch
from torch import nn

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import (
    IBMEA,
    EntityEmbedding,
    GraphVIBEncoder,
    ModalFusion,
    ModalVIBEncoder,
    RelationalVIBEncoder,
)
from pyg_ibmea.problem import relation_numbers

FEATURES = ["image", "name"]


@pytest.fixture
def data():
    # No modality is missing and every entity is in a triple: no row is masked.
    data = SyntheticMMKG(num_entities=40, modalities=FEATURES)[0]
    around = torch.arange(40)
    for kg in ("source", "target"):
        data[kg, "rel", kg].edge_index = torch.stack([around, around.roll(1)])
        data[kg, "rel", kg].edge_type = around % 3
        for modality in FEATURES:
            data[kg][f"mask_{modality}"][:] = True
    return data


def parts(data, relational):
    rows = torch.arange(80)
    if relational:
        source, target = data["source", "same_as", "target"].edge_index[
            :, data["source", "same_as", "target"].train_mask
        ]
        joined = {int(t) + 40: int(s) for s, t in zip(source, target, strict=True)}
        rows = torch.tensor([joined.get(i, i) for i in range(80)])
        rows = rows.unique(return_inverse=True)[1]
    torch.manual_seed(3)
    embedding = EntityEmbedding(rows, 8)
    if relational:
        types = 2 * relation_numbers(data)[1]
        graph_encoder = RelationalVIBEncoder(8, types, bottleneck=True)
    else:
        graph_encoder = GraphVIBEncoder(
            8, heads=2, dropout=0.45, separate_stacks=True, add_self_loops=False
        )
    widths = {m: data["source"][f"x_{m}"].size(1) for m in FEATURES}
    modal_encoder = ModalVIBEncoder(widths, 4, residual=relational)
    fusion = ModalFusion(["graph", *FEATURES])
    return nn.ModuleDict(
        {
            "embedding": embedding,
            "graph_encoder": graph_encoder,
            "modal_encoder": modal_encoder,
            "fusion": fusion,
        }
    )


@pytest.mark.parametrize("relational", [True, False])
def test_the_same_draws_give_the_same_numbers(data, relational):
    alone = parts(data, relational)
    torch.manual_seed(3)
    small = {"graph_channels": 8, "modal_channels": 4}
    model = (
        IBMEA.from_data(data, neighbor_features=False, bottleneck="all", **small)
        if relational
        else IBMEA.from_data(data, preset="paper", **small)
    )
    assert list(model.state_dict()) == list(alone.state_dict())
    for name, value in alone.state_dict().items():
        assert model.state_dict()[name].equal(value), name
    torch.manual_seed(5)
    output = model(data)
    torch.manual_seed(5)
    latents = {}
    for modality in FEATURES:
        x = torch.cat([data[kg][f"x_{modality}"] for kg in ("source", "target")])
        latents.update(alone["modal_encoder"]({modality: x})[0])
    graph = alone["graph_encoder"].build_graph(data)
    latents["graph"], _ = alone["graph_encoder"](alone["embedding"](), graph)
    z = alone["fusion"](latents)
    assert torch.cat(list(output.z.values())).equal(z)
