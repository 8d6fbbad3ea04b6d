"""Cases of a whole training step: model, losses and optimiser."""

from collections.abc import Callable

import torch

from benchmarks import _textbook as textbook
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.nn.encoder.graphs import union_graph
from pyg_ibmea.problem import links_of
from pyg_ibmea.train import Objective, Options

Step = Callable[[], object]


def _step_data(size):
    return SyntheticMMKG(
        num_entities=size.entities, num_relations=1500, num_attributes=1000,
        image_channels=2048, missing={"image": 0.25},
        modalities=("relation", "attribute", "image"),
    )[0]  # fmt: skip


def _our_step(data, options) -> Step:
    torch.manual_seed(0)
    model = IBMEA.from_data(data, options=options.model)
    objective = Objective.from_options(options.loss, model.modalities)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    links, edges = links_of(data, "train"), model.graph_of(data)
    entities = {"source": links[0], "target": links[1]}

    def step():
        output = model(data, entities, edges)
        loss, _ = objective(output, ("source", "target"), 1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def step_ours(size) -> Step:
    """A training step of the paper's model and losses, all seed pairs in a batch."""
    return _our_step(_step_data(size), Options.of("paper"))


def step_textbook(size) -> Step:
    """The same step by gather and scatter, dense features and dense losses."""
    data = _step_data(size)
    edge_index = union_graph(data).as_tensor()
    features = {}
    for modality in ("relation", "attribute", "image"):
        x = [data[kg][f"x_{modality}"] for kg in ("source", "target")]
        features[modality] = torch.cat([t.to_dense() if t.is_sparse else t for t in x])
    links = links_of(data, "train") + torch.tensor([[0], [data["source"].num_nodes]])
    torch.manual_seed(0)
    widths = {name: x.size(1) for name, x in features.items()}
    model = textbook.TextbookModel(2 * size.entities, widths)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step():
        loss = model.loss(features, edge_index, links)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step
