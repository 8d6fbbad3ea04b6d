"""The layers in PyG's containers, asked what its own tests ask of GATConv there."""

from collections import OrderedDict

import pytest
import torch
from three_layers import conv_of, for_each_layer, for_our_layers
from torch_geometric.data import HeteroData
from torch_geometric.nn import (
    GATConv,
    HeteroConv,
    JumpingKnowledge,
    MeanAggregation,
    MessagePassing,
    SAGEConv,
    Sequential,
    global_mean_pool,
    to_hetero,
)
from torch_geometric.nn.models.basic_gnn import BasicGNN
from torch_geometric.testing import get_random_edge_index
from torch_geometric.typing import WITH_PYG_LIB, WITH_TORCH_SPARSE
from torch_geometric.utils import to_torch_csr_tensor

from pyg_ibmea.nn import VariationalIBConv, collect_kl

EDGE_INDEX = torch.tensor([[0, 0, 0, 1, 2, 3], [1, 2, 3, 0, 0, 0]])


def papers(name="paper"):
    data = HeteroData()
    data[name].x, data["author"].x = torch.randn(50, 32), torch.randn(30, 64)
    data[name, name].edge_index = get_random_edge_index(50, 50, 200)
    data[name, name].edge_weight = torch.rand(200)
    data[name, "author"].edge_index = get_random_edge_index(50, 30, 100)
    data[name, "author"].edge_attr = torch.randn(100, 3)
    data["author", name].edge_index = get_random_edge_index(30, 50, 100)
    # No layer reads these.
    data["author", "author"].edge_index = get_random_edge_index(30, 30, 100)
    return data


@for_each_layer
@pytest.mark.parametrize("aggr", ["sum", "mean", "min", "max", "cat", None])
@pytest.mark.parametrize("name", ["paper", "src.paper"])
def test_hetero_conv(layer, aggr, name):
    data = papers(name)
    apart = {"add_self_loops": False}
    among = {
        (name, "to", name): conv_of(layer, -1, 16),
        ("author", "to", name): conv_of(layer, (-1, -1), 16, **apart),
        (name, "to", "author"): conv_of(layer, (-1, -1), 16, edge_dim=3, **apart),
    }
    conv = HeteroConv(among, aggr=aggr)
    assert str(conv) == "HeteroConv(num_relations=3)"
    weights = {} if layer is GATConv else {"edge_weight_dict": data.edge_weight_dict}
    out = conv(data.x_dict, data.edge_index_dict, data.edge_attr_dict, **weights)
    assert {*out} == {name, "author"}
    x, edges = data.x_dict, data.edge_index_dict
    weights = {} if layer is GATConv else {"edge_weight": data[name, name].edge_weight}
    parts = [
        among[name, "to", name](x[name], edges[name, "to", name], **weights),
        among["author", "to", name](
            (x["author"], x[name]), edges["author", "to", name]
        ),
    ]
    alone = among[name, "to", "author"](
        (x[name], x["author"]),
        edges[name, "to", "author"],
        data[name, "author"].edge_attr,
    )
    stacked = torch.stack(parts, dim=1)
    expected = {
        "sum": stacked.sum(1),
        "mean": stacked.mean(1),
        "min": stacked.amin(1),
        "max": stacked.amax(1),
        "cat": torch.cat(parts, dim=1),
        None: stacked,
    }[aggr]
    torch.testing.assert_close(out[name], expected)
    wanted = alone.unsqueeze(1) if aggr is None else alone
    torch.testing.assert_close(out["author"], wanted)


@for_each_layer
def test_hetero_conv_refuses_loops_between_two_sets(layer):
    HeteroConv({("a", "to", "a"): layer(4, 4)})
    with pytest.raises(ValueError, match="incorrect message passing"):
        HeteroConv({("a", "to", "b"): layer(4, 4)})


class Net(torch.nn.Module):
    """In-place activations, lists, shared layers and skips, as people write them."""

    def __init__(self, layer):
        super().__init__()
        options = {"add_self_loops": False}
        self.lin = torch.nn.Linear(16, 16)
        self.conv = conv_of(layer, (16, 16), 16, **options)
        self.convs = torch.nn.ModuleList(
            conv_of(layer, (16, 16), 8, heads=2, **options) for _ in range(2)
        )
        self.by_name = torch.nn.ModuleDict(
            {"last": conv_of(layer, (16, 16), 16, edge_dim=8, **options)}
        )
        self.head = torch.nn.Linear(3 * 16, 32)

    def forward(self, x, edge_index, edge_attr):
        x = self.lin(x).relu_()
        first = self.conv(x, edge_index).relu_()
        second = self.conv(first, edge_index) + first
        for conv in self.convs:
            second = conv(second, edge_index).relu_()
        third = self.by_name["last"](second, edge_index, edge_attr)
        return self.head(torch.cat([first, second, third], dim=-1))


def citations():
    x = {"paper": torch.randn(10, 16), "author": torch.randn(10, 16)}
    names = [
        ("paper", "cites", "paper"),
        ("paper", "written_by", "author"),
        ("author", "writes", "paper"),
    ]
    edges = {}
    for name in names:  # In the order of a matrix.
        index = get_random_edge_index(10, 10, 20).unique(dim=1)
        edges[name] = index[:, index[1].argsort(stable=True)]
    attrs = {name: torch.randn(index.size(1), 8) for name, index in edges.items()}
    return x, edges, attrs


@for_each_layer
@pytest.mark.parametrize("aggr", ["sum", "mean", "min", "max", "mul"])
def test_to_hetero(layer, aggr):
    x, edges, attrs = citations()
    net = Net(layer)
    model = to_hetero(net, ([*x], [*edges]), aggr=aggr).eval()
    out = model(x, edges, attrs)
    assert {name: value.shape for name, value in out.items()} == {
        "paper": (10, 32),
        "author": (10, 32),
    }
    adj_t = {
        name: to_torch_csr_tensor(index.flip(0), size=(10, 10))
        for name, index in edges.items()
    }
    if layer is GATConv:
        return  # It takes features beside a matrix for the wrong edges.
    again = model(x, adj_t, attrs)
    for name, value in out.items():
        torch.testing.assert_close(again[name], value, atol=1e-4, rtol=1e-4)
    model.train()(x, edges, attrs)["paper"].sum().backward()
    used = [p.grad for p in model.parameters() if p.grad is not None]
    assert used
    assert all(grad.isfinite().all() for grad in used)


@for_each_layer
def test_to_hetero_equals_the_layers_by_hand(layer):
    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lin = torch.nn.Linear(16, 12)
            self.conv = layer((12, 12), 8, add_self_loops=False)

        def forward(self, x, edge_index):
            return self.conv(self.lin(x).relu_(), edge_index)

    x, edges, _ = citations()
    model = to_hetero(Two(), ([*x], [*edges]), aggr="sum").eval()
    out = model(x, edges)
    hidden = {name: model.lin[name](one).relu() for name, one in x.items()}
    parts = {
        (a, r, b): model.conv[f"{a}__{r}__{b}"]((hidden[a], hidden[b]), index)
        for (a, r, b), index in edges.items()
    }
    cites, written_by, writes = parts.values()
    torch.testing.assert_close(out["paper"], cites + writes)
    torch.testing.assert_close(out["author"], written_by)


@for_each_layer
def test_to_hetero_with_one_set_of_nodes(layer):
    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = layer(16, 32), layer(32, 64)

        def forward(self, x, edge_index):
            return self.conv2(self.conv1(x, edge_index).relu(), edge_index).relu()

    x = {"paper": torch.randn(10, 16)}
    edges = {
        ("paper", name, "paper"): get_random_edge_index(10, 10, 20)
        for name in ("cites", "rev_cites")
    }
    out = to_hetero(Two(), ([*x], [*edges]))(x, edges)
    assert out["paper"].shape == (10, 64)
    with pytest.raises(ValueError, match="incorrect message passing"):
        to_hetero(Two(), (["a", "b"], [("a", "to", "b"), ("b", "to", "a")]))


@for_each_layer
def test_to_hetero_of_whole_graphs(layer):
    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = layer((16, 16), 32, add_self_loops=False)
            self.pool = MeanAggregation()
            self.lin = torch.nn.Linear(32, 64)

        def forward(self, x, edge_index, batch):
            return self.lin(self.pool(self.conv(x, edge_index), batch))

    x, edges, _ = citations()
    batch = {name: torch.zeros(10, dtype=torch.long) for name in x}
    model = to_hetero(Whole(), ([*x], [*edges]), aggr="mean")
    assert model(x, edges, batch).shape == (1, 64)


@for_each_layer
def test_sequential(layer):
    x = torch.randn(4, 16)
    model = Sequential(
        "x, edge_index",
        [
            (layer(16, 64), "x, edge_index -> x"),
            torch.nn.ReLU(inplace=True),
            (layer(64, 64), "x, edge_index -> x"),
            torch.nn.ReLU(inplace=True),
            torch.nn.Linear(64, 7),
        ],
    )
    model.reset_parameters()
    assert len(model) == 5
    assert f"{layer.__name__}(16, 64, heads=1): x, edge_index -> x" in str(model)
    model.eval()
    hidden = model[0](x, EDGE_INDEX).relu()
    expected = model[4](model[2](hidden, EDGE_INDEX).relu())
    torch.testing.assert_close(model(x, EDGE_INDEX), expected)
    model.train()(x, EDGE_INDEX).sum().backward()
    assert model[0].att_src.grad is not None


@for_each_layer
def test_sequential_with_jumping_knowledge_and_pooling(layer):
    x, batch = torch.randn(4, 16), torch.zeros(4, dtype=torch.long)
    model = Sequential(
        "x, edge_index, batch",
        [
            (torch.nn.Dropout(p=0.5), "x -> x"),
            (layer(16, 64), "x, edge_index -> x1"),
            torch.nn.ReLU(inplace=True),
            (layer(64, 64), "x1, edge_index -> x2"),
            torch.nn.ReLU(inplace=True),
            (lambda x1, x2: [x1, x2], "x1, x2 -> xs"),
            (JumpingKnowledge("cat", 64, num_layers=2), "xs -> x"),
            (global_mean_pool, "x, batch -> x"),
            torch.nn.Linear(2 * 64, 7),
        ],
    )
    model.reset_parameters()
    assert model(x, EDGE_INDEX, batch).shape == (1, 7)


@for_each_layer
def test_sequential_by_name_and_with_two_results(layer):
    x = torch.randn(4, 16)
    model = Sequential(
        "x, edge_index",
        modules=OrderedDict(
            conv1=(layer(16, 32), "x, edge_index -> x1"),
            conv2=(layer(32, 64), "x1, edge_index -> x2"),
            both=(lambda x1, x2: (x1, x2), "x1, x2 -> x1, x2"),
        ),
    ).eval()
    first, second = model(x, EDGE_INDEX)
    torch.testing.assert_close(first, model.conv1(x, EDGE_INDEX))
    torch.testing.assert_close(second, model.conv2(first, EDGE_INDEX))


@for_each_layer
def test_sequential_is_traced_by_fx(layer):
    class Tracer(torch.fx.Tracer):
        def is_leaf_module(self, module, *args, **kwargs):
            whole = isinstance(module, MessagePassing)
            return whole or super().is_leaf_module(module, *args, **kwargs)

    model = Sequential(
        "x, edge_index",
        [
            (layer(16, 64), "x, edge_index -> x1"),
            torch.nn.ReLU(inplace=True),
            (layer(64, 64), "x1, edge_index -> x2"),
            torch.nn.ReLU(inplace=True),
            (lambda x1, x2: x1 + x2, "x1, x2 -> x"),
            torch.nn.Linear(64, 7),
        ],
    ).eval()
    traced = torch.fx.GraphModule(model, Tracer().trace(model))
    x = torch.randn(4, 16)
    torch.testing.assert_close(traced(x, EDGE_INDEX), model(x, EDGE_INDEX))


class Stack(BasicGNN):
    """One of PyG's ready models, made of the layer."""

    supports_edge_weight = False
    supports_edge_attr = True
    supports_norm_batch: bool

    def __init__(self, layer, *args, **kwargs):
        self.layer = layer
        super().__init__(*args, **kwargs)

    def init_conv(self, in_channels, out_channels, **kwargs):
        return self.layer(in_channels, out_channels, dropout=self.dropout.p, **kwargs)


@for_each_layer
@pytest.mark.parametrize(
    ("out_channels", "act"), [(None, torch.relu_), (8, torch.nn.ReLU()), (8, None)]
)
@pytest.mark.parametrize("norm", [None, "batch_norm", "layer_norm"])
@pytest.mark.parametrize("jk", [None, "last", "cat", "max", "lstm"])
def test_basic_gnn(layer, out_channels, act, norm, jk):
    x, edge_index = torch.randn(3, 8), torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    options = {"act": act, "norm": norm, "jk": jk, "dropout": 0.5}
    model = Stack(layer, 8, 16, 3, out_channels, **options)
    width = 16 if out_channels is None else out_channels
    assert str(model) == f"Stack(8, {width}, num_layers=3)"
    out = model(x, edge_index)
    assert out.shape == (3, width)
    out.sum().backward()
    if layer is VariationalIBConv:
        assert collect_kl(model) > 0


@for_each_layer
@pytest.mark.parametrize("jk", [None, "cat", "max", "lstm"])
def test_basic_gnn_of_one_layer(layer, jk):
    x, edge_index = torch.randn(3, 8), torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    assert Stack(layer, 8, 16, 1, 4, jk=jk)(x, edge_index).shape == (3, 4)


@for_each_layer
@pytest.mark.parametrize("jk", [None, "last"])
def test_inference_layer_by_layer(layer, jk):
    x, edge_index = torch.randn(12, 8), get_random_edge_index(12, 12, 40)
    model = Stack(layer, 8, 16, 2, 4, jk=jk).eval()
    hidden = x
    for number in range(2):
        hidden = model.inference_per_layer(number, hidden, edge_index, batch_size=12)
    torch.testing.assert_close(hidden, model(x, edge_index))


@for_each_layer
@pytest.mark.parametrize("jk", [None, "last"])
@pytest.mark.filterwarnings("ignore:Using 'NeighborSampler' without:UserWarning")
def test_inference_with_a_loader(layer, jk):
    if not (WITH_PYG_LIB or WITH_TORCH_SPARSE):
        pytest.skip("loaders need pyg-lib or torch-sparse")
    from torch_geometric.data import Data
    from torch_geometric.loader import NeighborLoader

    data = Data(x=torch.randn(12, 8), edge_index=get_random_edge_index(12, 12, 40))
    model = Stack(layer, 8, 16, 2, 4, jk=jk).eval()
    loader = NeighborLoader(data, num_neighbors=[-1], batch_size=5)
    with torch.no_grad():
        out = model.inference(loader)
        torch.testing.assert_close(out, model(data.x, data.edge_index))


@for_our_layers
def test_beside_other_layers_in_hetero_conv(layer):
    data = papers()
    conv = HeteroConv(
        {
            ("paper", "to", "paper"): SAGEConv(-1, 16),
            ("author", "to", "paper"): layer((-1, -1), 16, add_self_loops=False),
            ("paper", "to", "author"): GATConv((-1, -1), 8, add_self_loops=False),
        }
    )
    out = conv(data.x_dict, data.edge_index_dict)
    assert out["paper"].shape == (50, 16)
    assert out["author"].shape == (30, 8)
