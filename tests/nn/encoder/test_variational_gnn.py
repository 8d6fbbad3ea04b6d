import copy

import pytest
import torch
import torch.nn.functional as F
from torch_geometric.data import Data
from torch_geometric.nn.models.basic_gnn import BasicGNN
from torch_geometric.typing import WITH_PYG_LIB, WITH_TORCH_SPARSE

from pyg_ibmea.nn import (
    DiagonalGATConv,
    VariationalGNN,
    VariationalIBConv,
    collect_kl,
)

X = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 4], [1, 2, 0, 2, 3, 1]])


@pytest.mark.parametrize("jk", [None, "last", "cat", "max", "lstm"])
@pytest.mark.parametrize("out_channels", [None, 7])
@pytest.mark.parametrize("act_first", [False, True])
def test_output_as_of_pygs_models(jk, out_channels, act_first):
    model = VariationalGNN(
        8,
        16,
        num_layers=3,
        out_channels=out_channels,
        dropout=0.2,
        act_first=act_first,
        norm="layer",
        jk=jk,
        heads=2,
    )
    assert isinstance(model, BasicGNN)
    out = model(X, EDGE_INDEX)
    assert out.shape == (5, out_channels or 16)
    assert str(model) == f"VariationalGNN(8, {out_channels or 16}, num_layers=3)"
    model.eval()
    assert model(X, EDGE_INDEX).equal(model(X, EDGE_INDEX))
    assert copy.deepcopy(model)(X, EDGE_INDEX).equal(model(X, EDGE_INDEX))


def test_is_the_chain_of_its_layers():
    model = VariationalGNN(
        8, 16, num_layers=2, out_channels=3, act="elu", heads=2, edge_dim=4
    ).eval()
    weight, attr = torch.rand(6), torch.randn(6, 4)
    first, second = model.convs
    hidden = F.elu(first(X, EDGE_INDEX, attr, edge_weight=weight))
    expected = second(hidden, EDGE_INDEX, attr, edge_weight=weight)
    assert model(X, EDGE_INDEX, weight, attr).equal(expected)


@pytest.mark.parametrize("num_layers", [1, 3])
def test_which_layers_are_bottlenecks(num_layers):
    model = VariationalGNN(8, 8, num_layers, variational="last", init_logstd=-1.0)
    *hidden, last = model.convs
    assert all(type(conv) is DiagonalGATConv for conv in hidden)
    assert type(last) is VariationalIBConv
    assert last.init_logstd == -1.0
    model(X, EDGE_INDEX)
    torch.testing.assert_close(model.kl_loss(), last.kl_loss())
    model = VariationalGNN(8, 8, num_layers)
    assert all(type(conv) is VariationalIBConv for conv in model.convs)
    with pytest.raises(ValueError, match="'all' or 'last', got 'first'"):
        VariationalGNN(8, 8, 2, variational="first")


def test_hidden_layers_mix_channels():
    assert all(conv.weight == "full" for conv in VariationalGNN(8, 8, 3).convs)


def test_heads_share_the_channels_where_they_are_concatenated():
    model = VariationalGNN(8, 16, 2, out_channels=3, heads=4, concat=True)
    assert [conv.out_channels for conv in model.convs] == [4, 3]
    assert [conv.concat for conv in model.convs] == [True, False]
    assert model(X, EDGE_INDEX).shape == (5, 3)
    with pytest.raises(ValueError, match="15 channels must be divisible by 4 heads"):
        VariationalGNN(8, 15, 2, heads=4, concat=True)


def test_kl_of_all_layers():
    model = VariationalGNN(8, 16, num_layers=3)
    model(X, EDGE_INDEX)
    by_hand = sum(conv.kl_loss() for conv in model.convs)
    torch.testing.assert_close(model.kl_loss(), by_hand)
    torch.testing.assert_close(model.kl_loss("sum"), 5 * by_hand)
    assert model.kl_loss().equal(collect_kl(model))
    model.zero_kl()
    with pytest.raises(RuntimeError, match="none yet"):
        model.kl_loss()


def test_learns_and_resets():
    torch.manual_seed(0)
    model = VariationalGNN(8, 16, num_layers=2, out_channels=2, heads=2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    label = torch.tensor([0, 1, 0, 1, 1])
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X, EDGE_INDEX), label) + 1e-4 * model.kl_loss()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]
    assert (model.eval()(X, EDGE_INDEX).argmax(1) == label).all()
    before = model.convs[0].att_src.detach().clone()
    model.reset_parameters()
    assert not model.convs[0].att_src.equal(before)


@pytest.mark.parametrize("jk", [None, "last"])
def test_inference_layer_by_layer(jk):
    model = VariationalGNN(8, 16, num_layers=2, out_channels=3, norm="layer", jk=jk)
    model.eval()
    x = X
    for layer in range(2):
        x = model.inference_per_layer(layer, x, EDGE_INDEX, batch_size=5)
    torch.testing.assert_close(x, model(X, EDGE_INDEX))


@pytest.mark.filterwarnings("ignore:Using 'NeighborSampler' without:UserWarning")
def test_inference_with_a_loader():
    if not (WITH_PYG_LIB or WITH_TORCH_SPARSE):
        pytest.skip("loaders need pyg-lib or torch-sparse")
    from torch_geometric.loader import NeighborLoader

    model = VariationalGNN(8, 16, num_layers=2, out_channels=3, heads=2).eval()
    data = Data(x=X, edge_index=EDGE_INDEX)
    loader = NeighborLoader(data, num_neighbors=[-1], batch_size=2)
    torch.testing.assert_close(model.inference(loader), model(X, EDGE_INDEX))


def test_compiles():
    model = VariationalGNN(8, 16, num_layers=2, out_channels=3, norm="layer").eval()
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend="aot_eager")
    torch.testing.assert_close(compiled(X, EDGE_INDEX), model(X, EDGE_INDEX))
    torch._dynamo.reset()
