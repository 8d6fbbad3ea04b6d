"""What PyG's tests ask of GATConv, asked of it and of the layers of this package."""

import pytest
import torch
from three_layers import conv_of, for_each_layer, for_our_layers, values_of
from torch_geometric import EdgeIndex
from torch_geometric.nn import GATConv
from torch_geometric.utils import (
    to_torch_coo_tensor,
    to_torch_csc_tensor,
    to_torch_csr_tensor,
)

from pyg_ibmea.nn import DiagonalGATConv, VariationalIBConv

EDGE_INDEX = torch.tensor([[0, 1, 2, 3], [0, 0, 1, 1]])
TO_SPARSE = (to_torch_coo_tensor, to_torch_csr_tensor, to_torch_csc_tensor)


def sparse_forms(layer, size):
    """The graph as ``adj_t`` of each layout that the layer reads."""
    for to_sparse in TO_SPARSE[: 2 if layer is GATConv else 3]:
        yield to_sparse(EDGE_INDEX.flip(0), size=size[::-1])


def sparse_tensor(edge_index, value, sizes):
    torch_sparse = pytest.importorskip("torch_sparse")
    return torch_sparse.SparseTensor.from_edge_index(edge_index, value, sizes).t()


@for_each_layer
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("concat", [False, True])
def test_one_set_of_nodes(layer, residual, concat):
    x = torch.randn(4, 8)
    conv = conv_of(layer, 8, 32, heads=2, residual=residual, concat=concat)
    assert str(conv) == f"{layer.__name__}(8, 32, heads=2)"
    out = conv(x, EDGE_INDEX)
    assert out.shape == (4, 64 if concat else 32)
    torch.testing.assert_close(conv(x, EDGE_INDEX, size=(4, 4)), out)
    torch.testing.assert_close(conv((x, x), EDGE_INDEX), out)
    for adj_t in sparse_forms(layer, (4, 4)):
        torch.testing.assert_close(conv(x, adj_t), out)


@for_each_layer
@pytest.mark.parametrize("residual", [False, True])
def test_two_sets_of_nodes(layer, residual):
    x_src, x_dst = torch.randn(4, 8), torch.randn(2, 16)
    conv = conv_of(layer, (8, 16), 32, heads=2, residual=residual)
    assert str(conv) == f"{layer.__name__}((8, 16), 32, heads=2)"
    out = conv((x_src, x_dst), EDGE_INDEX)
    assert out.shape == (2, 64)
    torch.testing.assert_close(conv((x_src, x_dst), EDGE_INDEX, size=(4, 2)), out)
    without = conv((x_src, None), EDGE_INDEX, size=(4, 2))
    assert without.shape == (2, 64)
    for adj_t in sparse_forms(layer, (4, 2)):
        torch.testing.assert_close(conv((x_src, x_dst), adj_t), out)
        torch.testing.assert_close(conv((x_src, None), adj_t), without)


@for_each_layer
def test_graphs_of_torch_sparse(layer):
    x_src, x_dst = torch.randn(4, 8), torch.randn(2, 16)
    conv = conv_of(layer, 8, 32, heads=2)
    out, (edges, alpha) = conv(x_src, EDGE_INDEX, return_attention_weights=True)
    adj_t = sparse_tensor(EDGE_INDEX, None, (4, 4))
    torch.testing.assert_close(conv(x_src, adj_t), out)
    again, weights = conv(x_src, adj_t, return_attention_weights=True)
    torch.testing.assert_close(again, out)
    assert weights.sizes() == [4, 4, 2]
    assert weights.nnz() == 7
    torch.testing.assert_close(weights.to_dense(), dense(edges, alpha))

    conv = conv_of(layer, (8, 16), 32, heads=2)
    adj_t = sparse_tensor(EDGE_INDEX, None, (4, 2))
    for pair in ((x_src, x_dst), (x_src, None)):
        out = conv(pair, EDGE_INDEX, size=(4, 2))
        torch.testing.assert_close(conv(pair, adj_t), out)


def dense(edges, alpha):
    """The coefficients as ``[receivers, senders, ...]``."""
    out = torch.zeros(4, 4, *alpha.shape[1:])
    out[edges[1], edges[0]] = alpha
    return out


@for_each_layer
@pytest.mark.parametrize("loops", [True, False])
def test_attention_weights(layer, loops):
    x = torch.randn(4, 8)
    conv = conv_of(layer, 8, 32, heads=2, add_self_loops=loops)
    out, (edges, alpha) = conv(x, EDGE_INDEX, return_attention_weights=True)
    torch.testing.assert_close(conv(x, EDGE_INDEX), out)
    num_edges = 7 if loops else 4
    assert edges.shape == (2, num_edges)
    assert alpha.shape == (num_edges, 2)
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    expected = dense(edges, alpha)
    sums = torch.ones(4, 2)
    if not loops:
        assert edges.equal(EDGE_INDEX)
        sums[2:] = 0
    torch.testing.assert_close(expected.sum(1), sums)
    # They are those that the output was made with.
    heads = torch.einsum("ijh,jhc->ihc", expected, values_of(conv, x))
    torch.testing.assert_close(out, heads.flatten(1) + conv.bias)


@for_each_layer
def test_attention_weights_of_sparse_matrices(layer):
    x = torch.randn(4, 8)
    conv = conv_of(layer, 8, 32, heads=2)
    out, (edges, alpha) = conv(x, EDGE_INDEX, return_attention_weights=True)
    for adj_t in sparse_forms(layer, (4, 4)):
        again, (adj, values) = conv(x, adj_t, return_attention_weights=True)
        torch.testing.assert_close(again, out)
        assert adj.layout == adj_t.layout
        assert adj.shape == (4, 4, 2)
        assert adj._nnz() == 7
        assert values.shape == (7, 2)
        coo = adj.layout == torch.sparse_coo
        torch.testing.assert_close(adj._values() if coo else adj.values(), values)
        torch.testing.assert_close(dense(places(adj), values), dense(edges, alpha))


def places(adj_t):
    """Senders and receivers, in the order of a sparse matrix's values."""
    if adj_t.layout == torch.sparse_coo:
        return adj_t._indices().flip(0)
    nodes = torch.arange(4)
    if adj_t.layout == torch.sparse_csr:
        receivers = nodes.repeat_interleave(adj_t.crow_indices().diff())
        return torch.stack([adj_t.col_indices(), receivers])
    senders = nodes.repeat_interleave(adj_t.ccol_indices().diff())
    return torch.stack([senders, adj_t.row_indices()])


@for_each_layer
def test_attention_weights_of_an_edge_index(layer):
    x = torch.randn(4, 8)
    conv = conv_of(layer, 8, 32, heads=2)
    out, (edges, alpha) = conv(x, EDGE_INDEX, return_attention_weights=True)
    index = EdgeIndex(EDGE_INDEX, sparse_size=(4, 4), sort_order="col")
    again, weights = conv(x, index, return_attention_weights=True)
    torch.testing.assert_close(again, out)
    torch.testing.assert_close(
        dense(torch.as_tensor(weights[0]), weights[1]), dense(edges, alpha)
    )


@pytest.mark.parametrize("loops", [True, False])
def test_attention_weights_of_both_stacks(loops):
    x = torch.randn(4, 8)
    conv = conv_of(VariationalIBConv, 8, 6, heads=2, concat=False, add_self_loops=loops)
    options = {"return_attention_weights": "all", "return_posterior": True}
    z, posterior, (edges, alpha) = conv(x, EDGE_INDEX, **options)
    assert alpha.shape == (7 if loops else 4, 2, 2)
    of_mean = conv(x, EDGE_INDEX, return_attention_weights=True)[1][1]
    assert of_mean.equal(alpha[:, 0])
    sums = dense(edges, alpha).sum(1)
    torch.testing.assert_close(sums[:2], torch.ones(2, 2, 2))
    for stack, out in enumerate((z - conv.bias, posterior.logstd - conv.bias_logstd)):
        values = conv.lins_src[stack](x).unsqueeze(1) * conv.scale[stack]
        heads = torch.einsum("ijh,jhc->ihc", dense(edges, alpha[:, stack]), values)
        torch.testing.assert_close(out, heads.mean(1))


@for_each_layer
@pytest.mark.parametrize("fill_value", [0.5, "mean", "max", "add", torch.ones(4)])
def test_edge_features(layer, fill_value):
    x, edge_attr = torch.randn(4, 8), torch.randn(4, 4)
    edge_index = torch.tensor([[0, 1, 2, 3], [1, 0, 1, 1]])
    conv = conv_of(layer, 8, 32, heads=2, edge_dim=4, fill_value=fill_value)
    out = conv(x, edge_index, edge_attr)
    assert out.shape == (4, 64)
    torch.testing.assert_close(conv(x, edge_index, edge_attr=edge_attr), out)
    assert not torch.allclose(conv(x, edge_index), out)
    # The same with the loops written out.
    filled = torch.zeros(4, 4)
    for node in range(4):
        arriving = edge_attr[edge_index[1] == node]
        if not isinstance(fill_value, str):
            filled[node] = fill_value
        elif len(arriving):
            reduced = {"mean": arriving.mean(0), "add": arriving.sum(0)}
            filled[node] = reduced.get(fill_value, arriving.amax(0))
    conv.add_self_loops = False
    loops = torch.arange(4).expand(2, -1)
    whole = torch.cat([edge_index, loops], 1), torch.cat([edge_attr, filled])
    torch.testing.assert_close(conv(x, *whole), out)


@for_each_layer
@pytest.mark.parametrize("fill_value", [0.5, "mean"])
def test_one_feature_an_edge(layer, fill_value):
    x, edge_weight = torch.randn(4, 8), torch.randn(4)
    edge_index = torch.tensor([[0, 1, 2, 3], [1, 0, 1, 1]])
    conv = conv_of(layer, 8, 32, heads=2, edge_dim=1, fill_value=fill_value)
    out = conv(x, edge_index, edge_weight)
    assert out.shape == (4, 64)
    torch.testing.assert_close(conv(x, edge_index, edge_weight[:, None]), out)


@for_each_layer
def test_edge_features_of_a_graph_of_torch_sparse(layer):
    x = torch.randn(4, 8)
    edge_index = torch.tensor([[0, 1, 2, 3], [1, 0, 1, 1]])
    for edge_attr in (torch.randn(4), torch.randn(4, 4)):
        conv = conv_of(layer, 8, 32, heads=2, edge_dim=edge_attr[0].numel())
        adj_t = sparse_tensor(edge_index, edge_attr, (4, 4))
        if layer is GATConv:
            with pytest.raises(NotImplementedError):
                conv(x, adj_t)
        else:
            out = conv(x, edge_index, edge_attr)
            torch.testing.assert_close(conv(x, adj_t), out)


@for_each_layer
def test_edge_features_left_out_count_as_zeros(layer):
    x, zeros = torch.randn(4, 8), torch.zeros(4, 3)
    conv = conv_of(layer, 8, 32, heads=2, edge_dim=3)
    torch.testing.assert_close(conv(x, EDGE_INDEX), conv(x, EDGE_INDEX, zeros))


@for_our_layers
def test_edge_weights_as_a_row_or_a_column(layer):
    x, weight = torch.randn(4, 8), torch.rand(4)
    conv = conv_of(layer, 8, 32, heads=2, add_self_loops=False)
    out = conv(x, EDGE_INDEX, edge_weight=weight)
    torch.testing.assert_close(conv(x, EDGE_INDEX, edge_weight=weight[:, None]), out)
    _, (edges, alpha) = conv(x, EDGE_INDEX, return_attention_weights=True)
    gated = dense(edges, alpha * weight[:, None])
    heads = torch.einsum("ijh,jhc->ihc", gated, values_of(conv, x))
    torch.testing.assert_close(out, heads.flatten(1) + conv.bias)


@for_each_layer
def test_no_nodes(layer):
    conv = conv_of(layer, 8, 32, heads=2)
    empty = torch.empty(2, 0, dtype=torch.long)
    assert conv(torch.randn(0, 8), empty).shape == (0, 64)


@for_each_layer
def test_no_edges(layer):
    conv = conv_of(layer, 8, 32, heads=2, add_self_loops=False)
    empty = torch.empty(2, 0, dtype=torch.long)
    torch.testing.assert_close(conv(torch.randn(3, 8), empty), conv.bias.expand(3, 64))


@for_each_layer
@pytest.mark.parametrize("concat", [False, True])
def test_bias_and_residual(layer, concat):
    x = torch.randn(4, 8)
    full = conv_of(layer, 8, 6, heads=2, concat=concat, residual=True)
    bare = conv_of(layer, 8, 6, heads=2, concat=concat, bias=False)
    assert bare.bias is None
    bare.load_state_dict(full.state_dict(), strict=False)
    expected = bare(x, EDGE_INDEX) + full.bias + x @ full.res.weight.t()
    torch.testing.assert_close(full(x, EDGE_INDEX), expected)


@for_our_layers
def test_one_linear_map_may_serve_both_ends(layer):
    pair = torch.randn(4, 8), torch.randn(2, 8)
    shared = conv_of(layer, (8, 8), 6, share_weights=True)
    apart = conv_of(layer, 8, 6, share_weights=False)
    assert len(apart.lins_dst) == len([*apart.parameters()]) - len(
        [*shared.parameters()]
    )
    missing, _ = apart.load_state_dict(shared.state_dict(), strict=False)
    assert {name.split(".")[0] for name in missing} == {"lins_dst"}
    assert not torch.allclose(apart(pair, EDGE_INDEX), shared(pair, EDGE_INDEX))
    apart.lins_dst.load_state_dict(apart.lins_src.state_dict())
    torch.testing.assert_close(apart(pair, EDGE_INDEX), shared(pair, EDGE_INDEX))


@for_each_layer
@pytest.mark.parametrize("channels", [8, (8, 8)])
def test_a_functional_call_leaves_the_layer_as_it_is(layer, channels):
    x = torch.randn(4, 8)
    conv = conv_of(layer, channels, 6)
    before = dict(conv.named_parameters())
    out = conv(x, EDGE_INDEX)
    doubled = {name: 2 * value.detach() for name, value in before.items()}
    other = torch.func.functional_call(conv, doubled, (x, EDGE_INDEX))
    assert not torch.allclose(other, out)
    after = dict(conv.named_parameters())
    assert all(after[name] is value for name, value in before.items())
    assert conv(x, EDGE_INDEX).equal(out)


@for_each_layer
def test_dropout_of_attention_is_for_training_only(layer):
    x = torch.randn(4, 8)
    conv = conv_of(layer, 8, 6, heads=8, dropout=0.5)
    assert conv(x, EDGE_INDEX).equal(conv(x, EDGE_INDEX))
    conv.train()
    _, (_, alpha) = conv(x, EDGE_INDEX, return_attention_weights=True)
    assert alpha.eq(0).any()
    assert alpha.max() > 1


@for_each_layer
def test_mean_of_the_heads(layer):
    x = torch.randn(4, 8)
    side_by_side = conv_of(layer, 8, 6, heads=3, bias=False)
    mean = conv_of(layer, 8, 6, heads=3, concat=False, bias=False)
    state = side_by_side.state_dict()
    state.pop("bias_logstd", None)
    mean.load_state_dict(state, strict=False)
    torch.testing.assert_close(
        mean(x, EDGE_INDEX),
        side_by_side(x, EDGE_INDEX).unflatten(1, (3, 6)).mean(1),
    )


def test_the_third_argument_holds_edge_features():
    with pytest.raises(ValueError, match=r"edge_attr is given.*pass edge_dim=1"):
        DiagonalGATConv(8, 6)(torch.randn(4, 8), EDGE_INDEX, torch.rand(4, 1))
    with pytest.raises(TypeError, match="positional"):
        VariationalIBConv(8, 6)(
            torch.randn(4, 8), EDGE_INDEX, None, None, None, torch.rand(4)
        )


@for_our_layers
def test_several_aggregations_at_once_are_refused(layer):
    # GATConv adds up rows of other nodes then.
    with pytest.raises(ValueError, match=r"one aggregation, got \['sum', 'max'\]"):
        layer(8, 6, aggr=["sum", "max"])
