import copy

import pytest
import torch
import torch.nn.functional as F
from torch_geometric.nn import GATConv
from torch_geometric.testing import assert_module

from pyg_ibmea.nn import DiagonalGATConv

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 2], [1, 2, 0, 2, 3, 2]])


def dense_attention(conv, x_src, x_dst, adjacency, edge_weight=None, edge_score=None):
    """The layer's formula with a dense masked softmax; adjacency[i, j]: j -> i."""
    out = 0
    for h in range(conv.heads):
        w = conv.scale[0, h]
        score = (x_src * w @ conv.att_src[0, h])[None, :]
        if x_dst is not None:
            score = score + (x_dst * w @ conv.att_dst[0, h])[:, None]
        else:
            score = score.expand(adjacency.shape)
        if edge_score is not None:
            score = score + edge_score[h]
        score = -F.leaky_relu(score, conv.negative_slope)
        alpha = score.masked_fill(~adjacency, -torch.inf).softmax(dim=1)
        alpha = torch.where(adjacency, alpha, 0.0)
        if edge_weight is not None:
            alpha = alpha * edge_weight
        out = out + alpha @ (x_src * w)
    return out / conv.heads


def adjacency_of(edge_index, num_nodes, loops=True):
    adjacency = torch.zeros(num_nodes, num_nodes, dtype=torch.bool)
    adjacency[edge_index[1], edge_index[0]] = True
    return adjacency | torch.eye(num_nodes, dtype=torch.bool) if loops else adjacency


def random_conv(*args, **kwargs):
    """A layer whose diagonal weights are not at their start, where they are all one."""
    conv = DiagonalGATConv(*args, **kwargs).double()
    torch.nn.init.normal_(conv.scale)
    return conv


def diagonal_conv(channels, **kwargs):
    return random_conv(channels, channels, weight="diagonal", **kwargs)


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("loops", [True, False])
def test_equals_dense_masked_softmax(heads, loops):
    torch.manual_seed(heads)
    conv = diagonal_conv(8, heads=heads, add_self_loops=loops)
    x = torch.randn(5, 8, dtype=torch.float64)
    expected = dense_attention(conv, x, x, adjacency_of(EDGE_INDEX, 5, loops))
    out = conv(x, EDGE_INDEX)
    torch.testing.assert_close(out, torch.nan_to_num(expected))
    # Node 4 is isolated.
    torch.testing.assert_close(
        out[4], x[4] * conv.scale[0].mean(0) if loops else x[4] * 0
    )


def test_full_weight_puts_one_linear_map_first():
    conv = random_conv(3, 8, heads=2)
    assert conv.weight == "full"
    x = torch.randn(5, 3, dtype=torch.float64)
    h = conv.lins_src[0](x)
    expected = dense_attention(conv, h, h, adjacency_of(EDGE_INDEX, 5))
    torch.testing.assert_close(conv(x, EDGE_INDEX), expected)


def test_edge_weight_multiplies_after_the_softmax():
    conv = diagonal_conv(4, heads=2)
    x = torch.randn(5, 4, dtype=torch.float64)
    weight = torch.rand(6, dtype=torch.float64)
    dense = torch.eye(5, dtype=torch.float64)
    for edge, (j, i) in enumerate(EDGE_INDEX.t().tolist()):
        if i != j:  # Self-loops are replaced by ones of weight 1.
            dense[i, j] = weight[edge]
    expected = dense_attention(conv, x, x, adjacency_of(EDGE_INDEX, 5), dense)
    torch.testing.assert_close(conv(x, EDGE_INDEX, edge_weight=weight), expected)


def test_edge_features_enter_the_score():
    conv = diagonal_conv(4, heads=2, edge_dim=3, add_self_loops=False)
    x = torch.randn(4, 4, dtype=torch.float64)
    edge_attr = torch.randn(6, 3, dtype=torch.float64)
    scores = torch.zeros(2, 4, 4, dtype=torch.float64)
    scores[:, EDGE_INDEX[1], EDGE_INDEX[0]] = conv.lin_edge(edge_attr).t()
    expected = dense_attention(
        conv, x, x, adjacency_of(EDGE_INDEX, 4, False), edge_score=scores
    )
    torch.testing.assert_close(conv(x, EDGE_INDEX, edge_attr=edge_attr), expected)


def test_self_loops_get_the_mean_of_the_edge_features():
    conv = diagonal_conv(4, edge_dim=3)
    x = torch.randn(5, 4, dtype=torch.float64)
    edge_attr = torch.randn(6, 3, dtype=torch.float64)
    kept = EDGE_INDEX[0] != EDGE_INDEX[1]
    features = torch.zeros(5, 5, 3, dtype=torch.float64)
    features[EDGE_INDEX[1, kept], EDGE_INDEX[0, kept]] = edge_attr[kept]
    for i in range(5):
        incoming = edge_attr[kept & (EDGE_INDEX[1] == i)]
        if len(incoming):
            features[i, i] = incoming.mean(0)
    scores = conv.lin_edge(features).permute(2, 0, 1)
    expected = dense_attention(
        conv, x, x, adjacency_of(EDGE_INDEX, 5), edge_score=scores
    )
    torch.testing.assert_close(conv(x, EDGE_INDEX, edge_attr=edge_attr), expected)


@pytest.mark.parametrize("with_target", [True, False])
def test_bipartite(with_target):
    conv = random_conv((3, 5), 4, heads=2, add_self_loops=False)
    x_src = torch.randn(4, 3, dtype=torch.float64)
    x_dst = torch.randn(2, 5, dtype=torch.float64) if with_target else None
    edge_index = torch.tensor([[0, 1, 3], [0, 0, 1]])
    adjacency = torch.zeros(2, 4, dtype=torch.bool)
    adjacency[edge_index[1], edge_index[0]] = True
    h_dst = conv.lins_dst[0](x_dst) if with_target else None
    expected = dense_attention(conv, conv.lins_src[0](x_src), h_dst, adjacency)
    out = conv((x_src, x_dst), edge_index, size=(4, 2))
    torch.testing.assert_close(out, expected)


def test_parallel_edges_count_separately_as_in_gat_conv():
    x = torch.randn(2, 4)
    twice = torch.tensor([[0, 0, 1], [1, 1, 1]])
    conv = DiagonalGATConv(4, 4, add_self_loops=False, weight="diagonal")
    torch.nn.init.zeros_(conv.att_src)
    gat = GATConv(4, 4, bias=False, add_self_loops=False)
    torch.nn.init.eye_(gat.lin.weight)
    torch.nn.init.zeros_(gat.att_src)
    torch.nn.init.zeros_(gat.att_dst)
    torch.testing.assert_close(conv(x, twice), gat(x, twice))


def test_pyg_conformance():
    conv = DiagonalGATConv(8, 8, heads=2).eval()
    assert_module(conv, torch.randn(4, 8), EDGE_INDEX, expected_size=(4, 8), atol=1e-6)


def test_plain_messages_of_explain_mode_equal_the_operator():
    conv = diagonal_conv(6, heads=2, edge_dim=2)
    x = torch.randn(5, 6, dtype=torch.float64)
    options = {
        "edge_weight": torch.rand(6, dtype=torch.float64),
        "edge_attr": torch.randn(6, 2, dtype=torch.float64),
    }
    expected = conv(x, EDGE_INDEX, **options)
    conv.explain = True
    conv._edge_mask = torch.full((6,), 20.0)  # sigmoid(20) = 1 to 2e-9
    conv._loop_mask = EDGE_INDEX[0] != EDGE_INDEX[1]
    conv._apply_sigmoid = True
    out = conv(x, EDGE_INDEX, **options)
    torch.testing.assert_close(out, expected, atol=1e-7, rtol=1e-6)


def test_node_permutation():
    conv = diagonal_conv(8, heads=2)
    x = torch.randn(5, 8, dtype=torch.float64)
    perm = torch.tensor([3, 0, 4, 1, 2])
    renamed = perm.argsort()[EDGE_INDEX]
    torch.testing.assert_close(conv(x[perm], renamed), conv(x, EDGE_INDEX)[perm])


def test_lazy_channels():
    conv = DiagonalGATConv(-1, 8)
    assert conv(torch.randn(4, 5), EDGE_INDEX).shape == (4, 8)
    assert conv.lins_src[0].in_channels == 5


@pytest.mark.parametrize("weight", ["diagonal", "full"])
def test_gradcheck(weight):
    conv = random_conv(3, 3, heads=2, weight=weight, edge_dim=2)
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    edge_weight = torch.rand(6, dtype=torch.float64, requires_grad=True)
    edge_attr = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in conv.named_parameters()]
    values = tuple(conv.parameters())

    def call(x, edge_weight, edge_attr, *parameters):
        return torch.func.functional_call(
            conv,
            dict(zip(names, parameters, strict=True)),
            (x, EDGE_INDEX, edge_attr),
            {"edge_weight": edge_weight},
        )

    assert torch.autograd.gradcheck(call, (x, edge_weight, edge_attr, *values))


def test_attention_dropout_is_for_training_only():
    conv = DiagonalGATConv(4, 4, dropout=0.5)
    x = torch.randn(4, 4)
    assert not conv(x, EDGE_INDEX).equal(conv(x, EDGE_INDEX))
    conv.eval()
    assert conv(x, EDGE_INDEX).equal(conv(x, EDGE_INDEX))


def test_empty_graph():
    empty = torch.empty(2, 0, dtype=torch.long)
    x = torch.randn(3, 4)
    torch.testing.assert_close(DiagonalGATConv(4, 4, weight="diagonal")(x, empty), x)
    conv = DiagonalGATConv(4, 4, add_self_loops=False)
    x.requires_grad_()
    out = conv(x, empty)
    out.sum().backward()
    assert out.eq(0).all()
    assert x.grad.eq(0).all()


def test_state_survives_copy_and_reset_draws_anew():
    conv = DiagonalGATConv(4, 4, weight="diagonal")
    twin = copy.deepcopy(conv)
    x = torch.randn(4, 4)
    assert conv(x, EDGE_INDEX).equal(twin(x, EDGE_INDEX))
    conv.reset_parameters()
    assert not conv.att_src.equal(twin.att_src)
    assert repr(conv) == "DiagonalGATConv(4, 4, heads=1, weight='diagonal')"
    # As GATConv's where nothing is unlike it.
    assert repr(DiagonalGATConv(4, 4)) == "DiagonalGATConv(4, 4, heads=1)"


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"weight": "sparse"}, "'diagonal' or 'full', got 'sparse'"),
        ({"in_channels": 3, "weight": "diagonal"}, "in_channels must equal"),
        ({"heads": 0}, "must be positive"),
        ({"weight": "diagonal", "share_weights": False}, "weights serve both ends"),
        ({"in_channels": (4, 3), "share_weights": True}, "got 4 and 3"),
    ],
)
def test_bad_options(kwargs, message):
    with pytest.raises(ValueError, match=message):
        DiagonalGATConv(**{"in_channels": 4, "out_channels": 4, **kwargs})


@pytest.mark.parametrize(
    ("x", "kwargs", "message"),
    [
        (torch.ones(4, 3), {}, r"needs node features \[num_nodes, 4\], got \[4, 3\]"),
        (torch.ones(4), {}, r"got \[4\]"),
        (torch.ones(4, 4), {"edge_weight": torch.ones(5)}, "5 rows for 6 edges"),
        (torch.ones(4, 4), {"edge_attr": torch.ones(6, 2)}, "pass edge_dim=2"),
    ],
)
def test_bad_input(x, kwargs, message):
    with pytest.raises(ValueError, match=message):
        DiagonalGATConv(4, 4)(x, EDGE_INDEX, **kwargs)


def test_nodes_that_do_not_exist():
    with pytest.raises(IndexError, match="edge 3 has the source node 3"):
        DiagonalGATConv(4, 4)(torch.ones(3, 4), EDGE_INDEX)


def test_edge_features_may_be_left_out():
    conv = random_conv(4, 4, edge_dim=2)
    x = torch.randn(4, 4, dtype=torch.float64)
    zeros = torch.zeros(6, 2, dtype=torch.float64)
    torch.testing.assert_close(conv(x, EDGE_INDEX), conv(x, EDGE_INDEX, zeros))


@pytest.mark.parametrize("edge_attr", [torch.ones(6, 2), torch.ones(6)])
def test_edge_features_of_another_width(edge_attr):
    width = edge_attr[0].numel()
    with pytest.raises(ValueError, match=rf"{width} channels.*\[6, 3\]"):
        DiagonalGATConv(4, 4, edge_dim=3)(torch.ones(4, 4), EDGE_INDEX, edge_attr)


def test_relations_enter_after_the_nonlinearity():
    conv = diagonal_conv(4, heads=2, num_relations=3)
    torch.nn.init.normal_(conv.relation_score)
    x = torch.randn(5, 4, dtype=torch.float64)
    edge_type = torch.tensor([0, 1, 2, 0, 1, 0])  # The last edge is a self-loop.
    dense = torch.full((5, 5), 3)  # The loops that the layer adds have their own.
    dense[EDGE_INDEX[1, :5], EDGE_INDEX[0, :5]] = edge_type[:5]
    adjacency = adjacency_of(EDGE_INDEX, 5)
    expected = 0
    for h in range(2):
        score = x * conv.scale[0, h] @ conv.att_src[0, h]
        score = score + (x * conv.scale[0, h] @ conv.att_dst[0, h])[:, None]
        score = -F.leaky_relu(score, 0.2) + conv.relation_score[dense, h]
        alpha = score.masked_fill(~adjacency, -torch.inf).softmax(dim=1)
        expected = expected + alpha @ (x * conv.scale[0, h]) / 2
    torch.testing.assert_close(conv(x, EDGE_INDEX, edge_type=edge_type), expected)
    perm = torch.tensor([5, 2, 0, 4, 1, 3])
    shuffled = conv(x, EDGE_INDEX[:, perm], edge_type=edge_type[perm])
    torch.testing.assert_close(shuffled, expected)


def test_relations_count_for_nothing_at_the_start():
    conv, plain = DiagonalGATConv(4, 4, num_relations=2), DiagonalGATConv(4, 4)
    conv.load_state_dict(plain.state_dict(), strict=False)
    x, edge_type = torch.randn(5, 4), torch.tensor([0, 1, 1, 0, 1, 0])
    assert conv(x, EDGE_INDEX, edge_type=edge_type).equal(plain(x, EDGE_INDEX))


@pytest.mark.parametrize(
    ("num_relations", "edge_type", "message"),
    [
        (2, None, "got num_relations=2 without edge_type"),
        (None, [0] * 6, "got num_relations=None with edge_type"),
        (2, [0] * 5, "edge_type has 5 rows for 6 edges"),
        (2, [0, 1, 0, 2, 0, 0], "edge 3 has the type 2, but there are 2 relations"),
        (2, [0, -1, 0, 0, 0, 0], "edge 1 has the type -1"),
    ],
)
def test_unfit_relations(num_relations, edge_type, message):
    conv = DiagonalGATConv(4, 4, num_relations=num_relations)
    edge_type = None if edge_type is None else torch.tensor(edge_type)
    with pytest.raises(ValueError, match=message):
        conv(torch.ones(5, 4), EDGE_INDEX, edge_type=edge_type)


def test_relations_that_become_unfit():
    x, edge_type = torch.ones(5, 4), torch.tensor([0, 1, 0, 1, 0, 0])
    conv = DiagonalGATConv(4, 4, num_relations=2)
    conv(x, EDGE_INDEX, edge_type=edge_type)
    with pytest.raises(ValueError, match="edge 1 has the type 1, but there are 1"):
        DiagonalGATConv(4, 4, num_relations=1)(x, EDGE_INDEX, edge_type=edge_type)
    edge_type[3] = 2
    with pytest.raises(ValueError, match="edge 3 has the type 2, but there are 2"):
        conv(x, EDGE_INDEX, edge_type=edge_type)
