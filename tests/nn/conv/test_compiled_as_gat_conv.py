"""Compiled programs of the layers, beside those of GATConv."""

import pytest
import torch
from three_layers import conv_of, for_each_layer
from torch_geometric.nn import HeteroConv, Sequential

from pyg_ibmea.nn import VariationalIBConv, collect_kl

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0], [1, 2, 0, 2, 3]])


@pytest.fixture(autouse=True)
def no_programs_left():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def compiled(module):
    return torch.compile(module, fullgraph=True, backend="aot_eager")


CASES = {
    "plain": ({}, {}),
    "mean of heads": ({"concat": False, "residual": True}, {}),
    "edge features": ({"edge_dim": 3}, {"edge_attr": torch.ones(5, 3)}),
    "no loops": ({"add_self_loops": False}, {}),
    "weights": ({}, {"return_attention_weights": True}),
}


@for_each_layer
@pytest.mark.parametrize("case", CASES)
def test_compiled(layer, case):
    options, arguments = CASES[case]
    conv = conv_of(layer, 8, 6, heads=2, **options)
    x = torch.randn(4, 8, requires_grad=True)
    results = []
    for module in (conv, compiled(conv)):
        out = module(x, EDGE_INDEX, **arguments)
        z, alpha = (out[0], out[1][1]) if isinstance(out, tuple) else (out, out)
        loss = z.square().sum() + alpha.pow(3).sum()
        wanted = [x, *conv.parameters()]
        # Programs give zeros where nothing is to be learnt.
        grads = torch.autograd.grad(loss, wanted, materialize_grads=True)
        results.append([z, alpha, *grads])
    torch.testing.assert_close(*results)


@for_each_layer
def test_compiled_between_two_sets_of_nodes(layer):
    conv = conv_of(layer, (8, 5), 6, add_self_loops=False)
    pair, edge_index = (torch.randn(4, 8), torch.randn(3, 5)), EDGE_INDEX.clamp(max=2)
    torch.testing.assert_close(compiled(conv)(pair, edge_index), conv(pair, edge_index))


@for_each_layer
def test_compiled_hetero_conv(layer):
    kinds = [("a", "to", "b"), ("b", "to", "a")]
    convs = {kind: conv_of(layer, (8, 8), 6, add_self_loops=False) for kind in kinds}
    model = HeteroConv(convs)
    x = {"a": torch.randn(4, 8), "b": torch.randn(4, 8)}
    edges = dict.fromkeys(kinds, EDGE_INDEX)
    out = torch.compile(model, backend="aot_eager")(x, edges)
    torch.testing.assert_close(out, model(x, edges))


@for_each_layer
def test_compiled_sequential(layer):
    model = Sequential(
        "x, edge_index",
        [
            (conv_of(layer, 8, 6, heads=2), "x, edge_index -> x"),
            torch.nn.ReLU(inplace=True),
            (conv_of(layer, 12, 6), "x, edge_index -> x"),
        ],
    ).eval()
    x = torch.randn(4, 8)
    torch.testing.assert_close(compiled(model)(x, EDGE_INDEX), model(x, EDGE_INDEX))


def test_steps_with_a_compiled_layer():
    conv = conv_of(VariationalIBConv, 8, 6).train()
    module = compiled(conv)
    optimiser = torch.optim.SGD(conv.parameters(), lr=1e-3)
    for _ in range(3):
        x = torch.randn(4, 8)
        expected = conv.encode(x, EDGE_INDEX).kl().mean()
        optimiser.zero_grad()
        loss = module(x, EDGE_INDEX).square().sum()
        torch.testing.assert_close(conv.kl_loss(), expected)
        torch.testing.assert_close(collect_kl(conv), expected)
        (loss + conv.kl_loss()).backward()
        assert conv.bias_logstd.grad.abs().min() > 0
        optimiser.step()
