"""VariationalIBConv in the hands of PyG and PyTorch: the numbers stay the same."""

import copy

import pytest
import torch
from torch_geometric import EdgeIndex
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.explain import Explainer, GNNExplainer
from torch_geometric.loader import DataLoader
from torch_geometric.nn import HeteroConv, Sequential, to_hetero
from torch_geometric.typing import WITH_PYG_LIB, WITH_TORCH_SPARSE
from torch_geometric.utils import (
    to_torch_coo_tensor,
    to_torch_csc_tensor,
    to_torch_csr_tensor,
)

from pyg_ibmea.nn import VariationalIBConv, use_backend

NUM_NODES = 12


@pytest.fixture(params=["torch", "numba"], autouse=True)
def backend(request):
    with use_backend(request.param):
        yield request.param


@pytest.fixture
def graph():
    generator = torch.Generator().manual_seed(0)
    edges = torch.randint(NUM_NODES, (2, 40), generator=generator).unique(dim=1)
    return torch.randn(NUM_NODES, 6, generator=generator), edges


def conv_of(**options):
    torch.manual_seed(0)
    conv = VariationalIBConv(6, 6, heads=2, **options)
    torch.nn.init.normal_(conv.scale)
    return conv.eval()


@pytest.mark.parametrize("loops", [True, False])
def test_sparse_layouts(graph, loops):
    x, edge_index = graph
    conv = conv_of(add_self_loops=loops)
    expected = conv(x, edge_index)
    weight = torch.rand(edge_index.size(1))
    weighted = conv(x, edge_index, edge_weight=weight)
    size = (NUM_NODES, NUM_NODES)
    for to_tensor in (to_torch_csr_tensor, to_torch_csc_tensor, to_torch_coo_tensor):
        adj_t = to_tensor(edge_index.flip(0), size=size)
        torch.testing.assert_close(conv(x, adj_t), expected)
        adj_t = to_tensor(edge_index.flip(0), weight, size=size)
        torch.testing.assert_close(conv(x, adj_t), weighted)


@pytest.mark.parametrize("loops", [True, False])
def test_sparse_tensor_of_torch_sparse(graph, loops):
    torch_sparse = pytest.importorskip("torch_sparse")
    x, edge_index = graph
    conv = conv_of(add_self_loops=loops)
    weight = torch.rand(edge_index.size(1))
    for value in (None, weight):
        adj_t = torch_sparse.SparseTensor.from_edge_index(
            edge_index.flip(0), value, (NUM_NODES, NUM_NODES)
        )
        expected = conv(x, edge_index, edge_weight=value)
        torch.testing.assert_close(conv(x, adj_t), expected)


@pytest.mark.parametrize("sort_order", [None, "row", "col"])
@pytest.mark.parametrize("loops", [True, False])
def test_edge_index_in_any_order(graph, sort_order, loops):
    x, edge_index = graph
    conv = conv_of(add_self_loops=loops)
    expected = conv(x, edge_index)
    edges = edge_index[:, torch.randperm(edge_index.size(1))]
    torch.testing.assert_close(conv(x, edges), expected)
    index = EdgeIndex(edges, sparse_size=(NUM_NODES, NUM_NODES))
    if sort_order is not None:
        index = index.sort_by(sort_order)[0]
    torch.testing.assert_close(conv(x, index), expected)


def test_renamed_nodes(graph):
    x, edge_index = graph
    conv, perm = conv_of(), torch.randperm(NUM_NODES)
    renamed = perm.argsort()[edge_index]
    torch.testing.assert_close(conv(x[perm], renamed), conv(x, edge_index)[perm])


def test_many_small_graphs_in_a_batch(graph):
    conv = conv_of()
    graphs = [
        Data(x=torch.randn(n, 6), edge_index=torch.randint(n, (2, 2 * n)))
        for n in (3, 1, 7, 4)
    ]
    for batch in DataLoader(graphs, batch_size=2):
        assert isinstance(batch, Batch)
        z = conv(batch.x, batch.edge_index)
        apart = [conv(data.x, data.edge_index) for data in batch.to_data_list()]
        torch.testing.assert_close(z, torch.cat(apart))


@pytest.mark.filterwarnings("ignore:Using 'NeighborSampler' without:UserWarning")
def test_neighbor_loader_with_all_neighbours_equals_the_full_batch(graph):
    if not (WITH_PYG_LIB or WITH_TORCH_SPARSE):
        pytest.skip("loaders need pyg-lib or torch-sparse")
    from torch_geometric.loader import NeighborLoader

    x, edge_index = graph
    first, second = conv_of(), conv_of()
    whole = second(first(x, edge_index).relu(), edge_index)
    data = Data(x=x, edge_index=edge_index)
    for batch in NeighborLoader(data, num_neighbors=[-1, -1], batch_size=5):
        z = second(first(batch.x, batch.edge_index).relu(), batch.edge_index)
        torch.testing.assert_close(z[: batch.batch_size], whole[batch.input_id])


def hetero(graph):
    x, edge_index = graph
    data = HeteroData()
    data["user"].x, data["item"].x = x, torch.randn(NUM_NODES, 6)
    data["user", "knows", "user"].edge_index = edge_index
    data["item", "of", "user"].edge_index = edge_index.flip(0)
    data["user", "buys", "item"].edge_index = edge_index
    return data


def test_in_hetero_conv(graph):
    data = hetero(graph)
    convs = {kind: conv_of(add_self_loops=False) for kind in data.edge_types}
    out = HeteroConv(convs, aggr="sum")(data.x_dict, data.edge_index_dict)
    x = data.x_dict
    knows = convs["user", "knows", "user"](x["user"], data["knows"].edge_index)
    of = convs["item", "of", "user"]((x["item"], x["user"]), data["of"].edge_index)
    torch.testing.assert_close(out["user"], knows + of)


def test_to_hetero(graph):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = VariationalIBConv(-1, 5, heads=2, add_self_loops=False)

        def forward(self, x, edge_index):
            return self.conv(x, edge_index)

    data = hetero(graph)
    net = to_hetero(Net(), data.metadata(), aggr="sum").eval()
    out = net(data.x_dict, data.edge_index_dict)
    x = data.x_dict
    parts = [
        net.conv[f"{a}__{r}__{b}"]((x[a], x[b]), data[a, r, b].edge_index)
        for a, r, b in data.edge_types
    ]
    torch.testing.assert_close(out["user"], parts[0] + parts[1])
    torch.testing.assert_close(out["item"], parts[2])


def test_in_sequential(graph):
    x, edge_index = graph
    first, second = conv_of(), conv_of()
    net = Sequential(
        "x, edge_index",
        [
            (first, "x, edge_index -> x"),
            torch.nn.ReLU(),
            (second, "x, edge_index -> x"),
        ],
    )
    expected = second(first(x, edge_index).relu(), edge_index)
    torch.testing.assert_close(net(x, edge_index), expected)


def test_explainer_finds_a_planted_edge():
    torch.manual_seed(1)
    x = torch.randn(8, 6)
    edge_index = torch.tensor([[1, 2, 3, 4, 5], [0, 0, 0, 0, 6]])
    with torch.no_grad():
        x[:, 3:] = 0
        x *= 0.1
        x[3] = torch.tensor([0.0, 0, 0, 3, 3, 3])  # Only what node 3 sends counts.

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = conv_of()
            torch.nn.init.zeros_(self.conv.att_src)  # All neighbours count alike.
            torch.nn.init.zeros_(self.conv.att_dst)

        def forward(self, x, edge_index):
            return self.conv(x, edge_index).square().sum(1, keepdim=True)

    explainer = Explainer(
        Net().eval(),
        # The entropy term would keep what chance put above one half.
        GNNExplainer(epochs=60, lr=0.1, edge_size=0.02, edge_ent=0.0),
        explanation_type="model",
        edge_mask_type="object",
        model_config={"mode": "regression", "task_level": "node", "return_type": "raw"},
    )
    mask = explainer(x, edge_index, index=0).edge_mask
    assert mask[2] > 0.6
    assert mask[[0, 1, 3]].max() < 0.3
    assert mask[4] == 0  # It does not reach node 0.


def test_compiles_in_one_piece_for_graphs_of_any_size(graph):
    conv = conv_of()
    compiled = torch.compile(conv, fullgraph=True, dynamic=True, backend="aot_eager")
    counter = torch._dynamo.utils.counters
    counter.clear()
    for num_nodes in (12, 17, 29, 40):
        x = torch.randn(num_nodes, 6, requires_grad=True)
        edge_index = torch.randint(num_nodes, (2, 3 * num_nodes))
        out, expected = compiled(x, edge_index), conv(x, edge_index)
        torch.testing.assert_close(out, expected)
        grads = [torch.autograd.grad(o.sum(), x)[0] for o in (out, expected)]
        torch.testing.assert_close(*grads)
    assert counter["stats"]["unique_graphs"] <= 2
    torch._dynamo.reset()


def test_compiles_with_a_sorted_edge_index(graph):
    x, edge_index = graph
    conv = conv_of(add_self_loops=False)
    order = edge_index[1].argsort(stable=True)
    size = (NUM_NODES, NUM_NODES)
    index = EdgeIndex(edge_index[:, order], sparse_size=size, sort_order="col")
    index.fill_cache_()
    compiled = torch.compile(conv, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, index), conv(x, edge_index))
    torch._dynamo.reset()


def test_export(graph):
    program = torch.export.export(conv_of(), graph, strict=False)
    torch.testing.assert_close(program.module()(*graph), conv_of()(*graph))


def test_autocast_and_half_precision(graph):
    x, edge_index = graph
    conv = VariationalIBConv(6, 5, heads=2).eval()
    expected = conv(x, edge_index)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = conv(x, edge_index)
        loss = conv(x.requires_grad_(), edge_index).square().sum()
    loss.backward()
    assert x.grad.isfinite().all()
    torch.testing.assert_close(out.float(), expected, atol=0.05, rtol=0.05)
    half = conv.bfloat16()(x.detach().bfloat16(), edge_index)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), expected, atol=0.1, rtol=0.1)


def test_averaged_and_copied_after_a_training_step(graph):
    x, edge_index = graph
    conv = conv_of().train()
    (conv(x, edge_index).sum() + conv.kl_loss()).backward()
    average = torch.optim.swa_utils.AveragedModel(conv)
    average.update_parameters(conv)
    twin = copy.deepcopy(conv).eval()
    torch.testing.assert_close(average.eval()(x, edge_index), twin(x, edge_index))
    torch.testing.assert_close(twin(x, edge_index), conv.eval()(x, edge_index))
