"""Directions of the edges and numbers of nodes at their ends, beside GATConv."""

import pytest
import torch
from three_layers import conv_of, for_each_layer, for_our_layers
from torch_geometric import EdgeIndex
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GATConv
from torch_geometric.utils import to_torch_csr_tensor

from pyg_ibmea.nn import VariationalIBConv

EDGE_INDEX = torch.tensor([[0, 1, 2, 3], [0, 0, 1, 1]])


@for_each_layer
@pytest.mark.parametrize("edge_dim", [None, 3])
def test_flow_against_the_edges(layer, edge_dim):
    x = torch.randn(4, 8)
    edge_attr = None if edge_dim is None else torch.randn(4, 3)
    options = {"heads": 2, "edge_dim": edge_dim}
    along = conv_of(layer, 8, 6, **options)
    against = conv_of(layer, 8, 6, flow="target_to_source", **options)
    against.load_state_dict(along.state_dict())
    flipped = EDGE_INDEX.flip(0)
    if edge_attr is None or layer is not GATConv:
        # GATConv fills the features of self-loops by the edges that leave a node.
        out, (edges, alpha) = along(x, EDGE_INDEX, edge_attr, None, True)
        again, (others, beta) = against(x, flipped, edge_attr, None, True)
        torch.testing.assert_close(again, out)
        assert others.equal(edges.flip(0))
        torch.testing.assert_close(beta, alpha)
    along.add_self_loops = against.add_self_loops = False
    out = along(x, EDGE_INDEX, edge_attr)
    torch.testing.assert_close(against(x, flipped, edge_attr), out)


@for_our_layers  # GATConv counts the nodes at the wrong ends.
@pytest.mark.parametrize("channels", [(8, 16), (8, 8), 8])
@pytest.mark.parametrize("messages", [False, True])
def test_flow_against_the_edges_between_two_sets_of_nodes(layer, channels, messages):
    single = isinstance(channels, int)
    x_src, x_dst = torch.randn(4, 8), torch.randn(2, 8 if single else channels[1])
    options = {"heads": 2, "residual": True}
    along = conv_of(layer, channels, 6, **options)
    turned = channels if single else channels[::-1]
    against = conv_of(layer, turned, 6, flow="target_to_source", **options)
    against.load_state_dict(along.state_dict())
    if messages:
        against.register_message_forward_hook(lambda *_: None)
    flipped = EDGE_INDEX.flip(0)
    for receivers in (x_dst, None):
        out = along((x_src, receivers), EDGE_INDEX, size=(4, 2))
        again = against((receivers, x_src), flipped, size=(2, 4))
        torch.testing.assert_close(again, out)
    assert against.flow == "target_to_source"
    with pytest.raises(ValueError, match="the target nodes send, so they need"):
        against((x_dst, None), flipped)
    with pytest.raises(IndexError, match="edge 2 has the target node 2"):
        against((x_dst, x_src[:2]), flipped)


@for_each_layer
@pytest.mark.parametrize("form", ["adj_t", "edge_index", "size"])
def test_number_of_targets_without_their_features(layer, form):
    x = torch.randn(4, 8)
    conv = conv_of(layer, (8, 8), 6, add_self_loops=False)
    expected = conv((x, None), EDGE_INDEX, size=(4, 3))
    assert expected.shape == (3, 6)
    graph = {
        "adj_t": to_torch_csr_tensor(EDGE_INDEX.flip(0), size=(3, 4)),
        "edge_index": EdgeIndex(EDGE_INDEX, sparse_size=(4, 3)),
        "size": EDGE_INDEX,
    }[form]
    size = (4, 3) if form == "size" else None
    torch.testing.assert_close(conv((x, None), graph, size=size), expected)


@for_each_layer
@pytest.mark.parametrize(
    "case", ["too many in size", "too few in size", "matrix", "edge index"]
)
def test_contradictory_numbers_of_nodes(layer, case):
    conv = conv_of(layer, 8, 6, add_self_loops=False)
    size = {"too many in size": (5, 5), "too few in size": (4, 2)}.get(case)
    graph = {
        "matrix": to_torch_csr_tensor(EDGE_INDEX.flip(0), size=(5, 5)),
        "edge index": EdgeIndex(EDGE_INDEX, sparse_size=(5, 5)),
    }.get(case, EDGE_INDEX)
    with pytest.raises(ValueError, match=r"number|size"):
        conv(torch.randn(4, 8), graph, size=size)


@for_each_layer
@pytest.mark.parametrize("node", [-1, 4])
@pytest.mark.parametrize("end", [0, 1])
def test_nodes_that_do_not_exist(layer, node, end):
    edge_index = EDGE_INDEX.clone()
    edge_index[end, 2] = node
    conv = conv_of(layer, 8, 6, add_self_loops=False)
    with pytest.raises(IndexError):
        conv(torch.randn(4, 8), edge_index)


@for_our_layers
@pytest.mark.parametrize("lead", [(2,), (2, 3)])
@pytest.mark.parametrize("apart", [False, True])
def test_one_graph_for_many_inputs(layer, lead, apart):
    conv = conv_of(layer, (8, 6) if apart else 8, 5, heads=2, residual=True)
    x = torch.randn(*lead, 4, 8)
    inputs = (x, torch.randn(*lead, 2, 6)) if apart else x
    out, (edges, alpha) = conv(inputs, EDGE_INDEX, return_attention_weights=True)
    assert out.shape == (*lead, 2 if apart else 4, 10)
    assert alpha.shape == (edges.size(1), *lead, 2)
    for place in torch.cartesian_prod(*map(torch.arange, lead)).view(-1, len(lead)):
        at = tuple(place.tolist())
        one = (x[at], inputs[1][at]) if apart else x[at]
        expected, weights = conv(one, EDGE_INDEX, return_attention_weights=True)
        torch.testing.assert_close(out[at], expected)
        torch.testing.assert_close(alpha[(slice(None), *at)], weights[1])


@for_our_layers
def test_one_graph_for_many_inputs_equals_a_batch_of_copies(layer):
    edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    x = torch.randn(2, 3, 8)
    batch = Batch.from_data_list([Data(x=one, edge_index=edge_index) for one in x])
    conv = conv_of(layer, 8, 16)
    torch.testing.assert_close(
        conv(x, edge_index).flatten(0, 1), conv(batch.x, batch.edge_index)
    )


def test_samples_of_one_graph_for_many_inputs():
    conv = conv_of(VariationalIBConv, 8, 5, concat=False).train()
    x = torch.randn(2, 4, 8)
    z, posterior = conv(x, EDGE_INDEX, num_samples=3, return_posterior=True)
    assert z.shape == (3, 2, 4, 5)
    assert posterior.kl().shape == (2, 4)
    torch.testing.assert_close(conv.kl_loss(), posterior.kl().mean())
