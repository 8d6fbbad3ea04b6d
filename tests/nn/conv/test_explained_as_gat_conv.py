"""Explainers of PyG, asked of our layers what its own tests ask of GATConv."""

import pytest
import torch
from three_layers import conv_of, for_each_layer
from torch_geometric.data import HeteroData
from torch_geometric.explain import (
    AttentionExplainer,
    CaptumExplainer,
    Explainer,
    GNNExplainer,
    GraphMaskExplainer,
    PGExplainer,
)
from torch_geometric.nn import global_add_pool, to_captum_model, to_hetero
from torch_geometric.testing import get_random_edge_index

from pyg_ibmea.nn import VariationalIBConv

PATH = torch.tensor(
    [
        [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7],
        [1, 0, 2, 1, 3, 2, 4, 3, 5, 4, 6, 5, 7, 6],
    ]
)
LABELS = torch.tensor([[0, 1, 2], [3, 4, 5]])
GRAPHS = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
RAW = {"mode": "multiclass_classification", "task_level": "node", "return_type": "raw"}


class Two(torch.nn.Module):
    """Two layers, for tasks at nodes, edges and graphs."""

    def __init__(self, layer, out_channels=7, task_level="node"):
        super().__init__()
        self.conv1 = conv_of(layer, 3, 16, heads=4)
        self.conv2 = conv_of(layer, 4 * 16, out_channels, heads=4, concat=False)
        self.task_level = task_level
        self.eval()

    def forward(self, x, edge_index, batch=None, edge_label_index=None):
        x = self.conv2(self.conv1(x, edge_index).relu(), edge_index)
        if self.task_level == "graph":
            return global_add_pool(x, batch)
        if self.task_level == "edge":
            return x[edge_label_index[0]] * x[edge_label_index[1]]
        return x


def in_unit_interval(mask):
    return mask.min() >= 0 and mask.max() <= 1


@for_each_layer
@pytest.mark.parametrize("index", [None, 2, torch.arange(3)])
def test_attention_explainer(layer, index):
    x, model = torch.randn(8, 3), Two(layer)
    explainer = Explainer(
        model,
        AttentionExplainer(),
        explanation_type="model",
        edge_mask_type="object",
        model_config=RAW,
    )
    explanation = explainer(x, PATH, index=index)
    mask = explanation.edge_mask
    assert mask.shape == (PATH.size(1),)
    assert in_unit_interval(mask)
    # The largest coefficient of all heads of all layers, near the nodes asked for.
    every = "all" if layer is VariationalIBConv else True
    hidden, (_, first) = model.conv1(x, PATH, return_attention_weights=every)
    second = model.conv2(hidden.relu(), PATH, return_attention_weights=every)[1][1]
    largest = [alpha[: PATH.size(1)].flatten(1).amax(1) for alpha in (first, second)]
    expected = torch.stack(largest).amax(0)
    near = mask > 0
    torch.testing.assert_close(mask[near], expected[near])
    if index is None:
        assert near.all()
    else:
        assert not near.all()
        assert near[PATH[1] <= 2].any()


@for_each_layer
@pytest.mark.parametrize("task_level", ["node", "edge", "graph"])
def test_graph_mask_explainer(layer, task_level):
    x = torch.randn(8, 3)
    explainer = Explainer(
        Two(layer, out_channels=1, task_level=task_level),
        GraphMaskExplainer(2, epochs=3, log=False),
        explanation_type="model",
        node_mask_type="attributes",
        edge_mask_type="object",
        model_config={
            "mode": "binary_classification",
            "task_level": task_level,
            "return_type": "raw",
        },
    )
    explanation = explainer(x, PATH, batch=GRAPHS, edge_label_index=LABELS)
    assert explanation.node_mask.shape == x.shape
    assert in_unit_interval(explanation.node_mask)
    assert explanation.edge_mask.shape == (PATH.size(1),)
    assert in_unit_interval(explanation.edge_mask)


@for_each_layer
@pytest.mark.parametrize("task_level", ["node", "edge", "graph"])
@pytest.mark.parametrize(
    ("node_mask_type", "edge_mask_type"),
    [("attributes", "object"), ("object", "object"), ("common_attributes", None)],
)
def test_gnn_explainer(layer, task_level, node_mask_type, edge_mask_type):
    x, model = torch.randn(8, 3), Two(layer, task_level=task_level)
    explainer = Explainer(
        model,
        GNNExplainer(epochs=2),
        explanation_type="model",
        node_mask_type=node_mask_type,
        edge_mask_type=edge_mask_type,
        model_config={**RAW, "task_level": task_level},
    )
    before = model(x, PATH, GRAPHS, LABELS)
    explanation = explainer(x, PATH, index=1, batch=GRAPHS, edge_label_index=LABELS)
    rows = 1 if node_mask_type == "common_attributes" else 8
    columns = 1 if node_mask_type == "object" else 3
    assert explanation.node_mask.shape == (rows, columns)
    assert in_unit_interval(explanation.node_mask)
    if edge_mask_type is None:
        assert "edge_mask" not in explanation
    else:
        assert explanation.edge_mask.shape == (PATH.size(1),)
        assert in_unit_interval(explanation.edge_mask)
    # The model is as it was.
    assert model(x, PATH, GRAPHS, LABELS).equal(before)


@for_each_layer
@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad:UserWarning")
def test_pg_explainer(layer):
    x, model = torch.randn(8, 3), Two(layer)
    explainer = Explainer(
        model,
        PGExplainer(epochs=2),
        explanation_type="phenomenon",
        edge_mask_type="object",
        model_config=RAW,
    )
    target = torch.randint(7, (8,))
    for epoch in range(2):
        for index in range(8):
            explainer.algorithm.train(epoch, model, x, PATH, target=target, index=index)
    explanation = explainer(x, PATH, target=target, index=0)
    assert explanation.edge_mask.shape == (PATH.size(1),)
    assert in_unit_interval(explanation.edge_mask)


def citations():
    data = HeteroData()
    data["paper"].x, data["author"].x = torch.randn(8, 16), torch.randn(10, 8)
    data["paper", "paper"].edge_index = get_random_edge_index(8, 8, 10)
    data["paper", "author"].edge_index = get_random_edge_index(8, 10, 10)
    data["author", "paper"].edge_index = get_random_edge_index(10, 8, 10)
    return data


class Hetero(torch.nn.Module):
    def __init__(self, layer, metadata):
        super().__init__()

        class Inner(torch.nn.Module):
            def __init__(self):
                super().__init__()
                options = {"heads": 2, "add_self_loops": False}
                self.conv1 = conv_of(layer, (-1, -1), 16, **options)
                self.conv2 = conv_of(layer, (-1, -1), 16, **options)

            def forward(self, x, edge_index):
                return self.conv2(self.conv1(x, edge_index).relu(), edge_index)

        self.inner = to_hetero(Inner(), metadata).eval()
        self.lin = torch.nn.Linear(32, 1)

    def forward(self, x_dict, edge_index_dict, *_):
        return self.lin(self.inner(x_dict, edge_index_dict)["paper"])


def check_hetero(explanation, data):
    explanation.validate(raise_on_error=True)
    for kind in data.node_types:
        assert explanation[kind].node_mask.shape == data[kind].x.shape
        assert explanation[kind].node_mask.isfinite().all()
    for kind in data.edge_types:
        assert explanation[kind].edge_mask.shape == (data[kind].num_edges,)
        assert explanation[kind].edge_mask.isfinite().all()


@for_each_layer
@pytest.mark.parametrize("index", [None, 1, torch.arange(2)])
def test_gnn_explainer_of_several_types(layer, index):
    data = citations()
    explainer = Explainer(
        Hetero(layer, data.metadata()),
        GNNExplainer(epochs=2),
        explanation_type="model",
        node_mask_type="attributes",
        edge_mask_type="object",
        model_config={"mode": "regression", "task_level": "node"},
    )
    explanation = explainer(data.x_dict, data.edge_index_dict, index=index)
    check_hetero(explanation, data)


@for_each_layer
def test_attention_explainer_of_several_types(layer):
    data = citations()
    explainer = Explainer(
        Hetero(layer, data.metadata()),
        AttentionExplainer(),
        explanation_type="model",
        edge_mask_type="object",
        model_config={"mode": "regression", "task_level": "node"},
    )
    explanation = explainer(data.x_dict, data.edge_index_dict)
    for kind in data.edge_types:
        mask = explanation[kind].edge_mask
        assert mask.shape == (data[kind].num_edges,)
        assert in_unit_interval(mask)


METHODS = ["Saliency", "InputXGradient", "Deconvolution", "IntegratedGradients"]


@for_each_layer
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("ignore")
def test_captum_explainer(layer, method):
    pytest.importorskip("captum")
    x = torch.randn(8, 3)
    explainer = Explainer(
        Two(layer),
        CaptumExplainer(method),
        explanation_type="model",
        node_mask_type="attributes",
        edge_mask_type="object",
        model_config={**RAW, "return_type": "probs"},
    )
    explanation = explainer(x, PATH, index=1)
    assert explanation.node_mask.shape == x.shape
    assert explanation.node_mask.abs().max() > 0
    assert explanation.edge_mask.shape == (PATH.size(1),)
    assert explanation.edge_mask.abs().max() > 0


@for_each_layer
@pytest.mark.filterwarnings("ignore")
def test_integrated_gradients_add_up(layer):
    """The attributions of the edges sum to what all edges together change."""
    captum = pytest.importorskip("captum.attr")
    x, model = torch.randn(8, 3), Two(layer).eval()
    wrapped = to_captum_model(model, mask_type="edge", output_idx=1)
    ones = torch.ones(1, PATH.size(1))
    with torch.no_grad():
        # All edges count wholly: the output is the model's own.
        torch.testing.assert_close(wrapped(ones, x, PATH), model(x, PATH)[[1]])
        change = wrapped(ones, x, PATH) - wrapped(0 * ones, x, PATH)
    attributions = captum.IntegratedGradients(wrapped).attribute(
        ones,
        target=0,
        additional_forward_args=(x, PATH),
        internal_batch_size=1,
        n_steps=50,
    )
    assert attributions.shape == (1, PATH.size(1))
    torch.testing.assert_close(
        attributions.sum(), change[0, 0], atol=0.05, rtol=0.05, check_dtype=False
    )


@for_each_layer
@pytest.mark.parametrize("mask_type", ["node", "edge", "node_and_edge"])
@pytest.mark.parametrize("output_idx", [None, 1])
def test_model_for_captum(layer, mask_type, output_idx):
    x, model = torch.randn(8, 3), Two(layer)
    wrapped = to_captum_model(model, mask_type=mask_type, output_idx=output_idx)
    before = model(x, PATH)
    half = torch.full((1, PATH.size(1)), 0.5)
    args = {
        "node": (0 * x[None], PATH),
        "edge": (half, x, PATH),
        "node_and_edge": (0 * x[None], half, PATH),
    }[mask_type]
    out = wrapped(*args)
    expected = before if output_idx is None else before[[output_idx]]
    assert out.shape == expected.shape
    assert (out != expected).any()


@for_each_layer
@pytest.mark.filterwarnings("ignore")
def test_captum_explainer_of_several_types(layer):
    pytest.importorskip("captum")
    data = citations()
    explainer = Explainer(
        Hetero(layer, data.metadata()),
        CaptumExplainer("Saliency"),
        explanation_type="model",
        node_mask_type="attributes",
        edge_mask_type="object",
        model_config={"mode": "regression", "task_level": "node"},
    )
    explanation = explainer(data.x_dict, data.edge_index_dict, index=1)
    check_hetero(explanation, data)
