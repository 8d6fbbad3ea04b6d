"""Messages as PyG's own tests ask for them: hooks, subclasses, aggregations."""

import pytest
import torch
from three_layers import OURS, conv_of, for_each_layer, for_our_layers, values_of
from torch_geometric.nn import GATConv, aggr

from pyg_ibmea.nn import VariationalIBConv

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 2, 1], [0, 0, 1, 1, 3, 2]])
STEPS = ("propagate", "message", "aggregate", "edge_update")


def hooked(conv, step, when, hook):
    suffix = "forward_pre_hook" if when == "before" else "forward_hook"
    return getattr(conv, f"register_{step}_{suffix}")(hook)


@for_each_layer
@pytest.mark.parametrize("step", STEPS)
def test_hooks_are_called_once_a_forward(layer, step):
    x = torch.randn(4, 8)
    conv = conv_of(layer, 8, 6, heads=2)
    expected, calls = conv(x, EDGE_INDEX), []

    def before(module, inputs):
        assert module is conv
        calls.append("before")
        return inputs

    def after(module, inputs, output):
        assert module is conv
        calls.append("after")
        return output

    handles = [hooked(conv, step, "before", before), hooked(conv, step, "after", after)]
    torch.testing.assert_close(conv(x, EDGE_INDEX), expected)
    assert calls == ["before", "after"]
    for handle in handles:
        handle.remove()
    assert conv(x, EDGE_INDEX).equal(expected)
    assert len(calls) == 2


@for_each_layer
@pytest.mark.parametrize("step", STEPS)
def test_hooks_may_change_what_a_step_returns(layer, step):
    x = torch.randn(4, 8)
    conv = conv_of(layer, 8, 6, heads=2, bias=False)
    out = conv(x, EDGE_INDEX)
    hooked(conv, step, "after", lambda _, __, output: 3 * output)
    torch.testing.assert_close(conv(x, EDGE_INDEX), 3 * out)


@for_each_layer
@pytest.mark.parametrize(
    ("step", "name"),
    [("propagate", "alpha"), ("message", "x_j"), ("message", "alpha")],
)
def test_hooks_may_change_what_a_step_is_given(layer, step, name):
    x = torch.randn(4, 8)
    conv = conv_of(layer, 8, 6, heads=2, bias=False)
    out = conv(x, EDGE_INDEX)

    def tripled(_, inputs):
        *rest, given = inputs
        return *rest, {**given, name: 3 * given[name]}

    hooked(conv, step, "before", tripled)
    torch.testing.assert_close(conv(x, EDGE_INDEX), 3 * out)


@for_each_layer
def test_a_hook_may_make_attention_even(layer):
    x = torch.randn(4, 8)
    conv = conv_of(layer, 8, 6, heads=2, add_self_loops=False)

    def even(_, inputs):
        *rest, given = inputs
        zeros = {name: 0 * given[name] for name in ("alpha_i", "alpha_j")}
        return *rest, {**given, **zeros}

    hooked(conv, "edge_update", "before", even)
    value = values_of(conv, x)
    expected = torch.stack(
        [value[[0, 1]].mean(0), value[[2, 3]].mean(0), value[1], value[2]]
    )
    torch.testing.assert_close(conv(x, EDGE_INDEX), expected.flatten(1) + conv.bias)


@for_each_layer
def test_hooks_run_where_attention_weights_are_returned(layer):
    x = torch.randn(4, 8)
    conv = conv_of(layer, 8, 6)
    out, (edges, alpha) = conv(x, EDGE_INDEX, return_attention_weights=True)
    hooked(conv, "message", "after", lambda *_: None)
    again, (others, beta) = conv(x, EDGE_INDEX, return_attention_weights=True)
    torch.testing.assert_close(again, out)
    assert others.equal(edges)
    torch.testing.assert_close(beta, alpha)


REDUCE = {
    "add": lambda m: m.sum(0),
    "sum": lambda m: m.sum(0),
    "mean": lambda m: m.mean(0),
    "max": lambda m: m.amax(0),
    "min": lambda m: m.amin(0),
    "mul": lambda m: m.prod(0),
    "var": lambda m: m.var(0, correction=0),
}


@for_each_layer
@pytest.mark.parametrize("name", REDUCE)
@pytest.mark.parametrize("as_module", [False, True])
@pytest.mark.parametrize("concat", [True, False])
def test_aggregations(layer, name, as_module, concat):
    x = torch.randn(4, 8)
    module = {"add": "Sum"}.get(name, name.capitalize()) + "Aggregation"
    given = getattr(aggr, module)() if as_module else name
    conv = conv_of(layer, 8, 6, heads=2, aggr=given, concat=concat)
    out, (edges, alpha) = conv(x, EDGE_INDEX, return_attention_weights=True)
    messages = alpha[..., None] * values_of(conv, x)[edges[0]]
    expected = torch.stack([REDUCE[name](messages[edges[1] == i]) for i in range(4)])
    expected = expected.flatten(1) if concat else expected.mean(1)
    torch.testing.assert_close(out, expected + conv.bias)


@for_each_layer
def test_an_aggregation_that_weighs_by_softmax(layer):
    x = torch.randn(4, 8)
    conv = conv_of(layer, 8, 6, aggr=aggr.SoftmaxAggregation(t=0.5))
    out, (edges, alpha) = conv(x, EDGE_INDEX, return_attention_weights=True)
    messages = (alpha[..., None] * values_of(conv, x)[edges[0]]).flatten(1)
    expected = []
    for node in range(4):
        arriving = messages[edges[1] == node]
        expected.append(((0.5 * arriving).softmax(0) * arriving).sum(0))
    torch.testing.assert_close(out, torch.stack(expected) + conv.bias)


def named(cls):
    """Gives a class a name of its own, by which PyG keeps the code it writes for it."""
    cls.__name__ += cls.__base__.__name__
    return cls


@for_each_layer
def test_messages_of_a_subclass(layer):
    @named
    class Halved(layer):
        def message(self, x_j, alpha):
            return super().message(x_j, alpha) / 2

    x = torch.randn(4, 8)
    conv, halved = (conv_of(one, 8, 6, heads=2, bias=False) for one in (layer, Halved))
    halved.load_state_dict(conv.state_dict())
    torch.testing.assert_close(halved(x, EDGE_INDEX), conv(x, EDGE_INDEX) / 2)


@for_each_layer
def test_messages_of_a_subclass_that_read_more(layer):
    @named
    class Relative(layer):
        def message(self, x_i, x_j, alpha, index, size_i):
            assert size_i == 4
            assert index.shape == alpha.shape[:1]
            return super().message(x_j - x_i, alpha)

    x = torch.randn(4, 8)
    conv = conv_of(Relative, 8, 6, heads=2)
    out, (edges, alpha) = conv(x, EDGE_INDEX, return_attention_weights=True)
    value = values_of(conv, x)
    expected = torch.zeros(4, 2, 6)
    for edge, (j, i) in enumerate(edges.t().tolist()):
        expected[i] += alpha[edge, :, None] * (value[j] - value[i])
    torch.testing.assert_close(out, expected.flatten(1) + conv.bias)


@for_each_layer
def test_edge_update_of_a_subclass(layer):
    @named
    class Even(layer):
        def edge_update(self, alpha_j, alpha_i):
            return torch.ones_like(alpha_j + alpha_i)

    x = torch.randn(4, 8)
    conv = conv_of(Even, 8, 6, heads=2, add_self_loops=False)
    value = values_of(conv, x)
    expected = torch.stack(
        [value[[0, 1]].sum(0), value[[2, 3]].sum(0), value[1], value[2]]
    )
    torch.testing.assert_close(conv(x, EDGE_INDEX), expected.flatten(1) + conv.bias)


@for_each_layer
def test_messages_of_one_instance(layer):
    x = torch.randn(4, 8)
    conv = conv_of(layer, 8, 6, bias=False)
    out = conv(x, EDGE_INDEX)
    plain = conv.message
    conv.message = lambda x_j, alpha: 2 * plain(x_j, alpha)
    torch.testing.assert_close(conv(x, EDGE_INDEX), 2 * out)


@for_each_layer
def test_update_of_a_subclass(layer):
    @named
    class Shifted(layer):
        def update(self, inputs):
            return inputs + 1

    x = torch.randn(4, 8)
    conv, shifted = conv_of(layer, 8, 6), conv_of(Shifted, 8, 6)
    shifted.load_state_dict(conv.state_dict())
    torch.testing.assert_close(shifted(x, EDGE_INDEX), conv(x, EDGE_INDEX) + 1)


@for_each_layer
def test_masked_messages(layer):
    x = torch.randn(4, 8)
    conv = conv_of(layer, 8, 6, heads=2)
    conv.explain = True
    with pytest.raises(ValueError, match="pre-defined 'edge_mask'"):
        conv(x, EDGE_INDEX)
    num_edges = EDGE_INDEX.size(1)
    conv.add_self_loops = False
    conv._edge_mask, conv._apply_sigmoid = torch.zeros(num_edges), False
    torch.testing.assert_close(conv(x, EDGE_INDEX), conv.bias.expand(4, 12))
    mask = torch.rand(num_edges)
    conv._edge_mask = mask
    out, (edges, alpha) = conv(x, EDGE_INDEX, return_attention_weights=True)
    expected = torch.zeros(4, 2, 6)
    value = values_of(conv, x)
    for edge, (j, i) in enumerate(edges.t().tolist()):
        expected[i] += mask[edge] * alpha[edge, :, None] * value[j]
    torch.testing.assert_close(out, expected.flatten(1) + conv.bias)


@for_each_layer
def test_explain_message_of_ones_own(layer):
    x, seen = torch.randn(4, 8), []
    conv = conv_of(layer, 8, 6, heads=2, add_self_loops=False)
    expected = conv(x, EDGE_INDEX)

    def explain_message(self, inputs, x_j):
        assert isinstance(self, layer)
        seen.append((inputs, x_j))
        return inputs

    conv.explain_message = explain_message.__get__(conv, layer)
    conv.explain = True
    torch.testing.assert_close(conv(x, EDGE_INDEX), expected)
    (inputs, x_j), value = seen[0], values_of(conv, x)
    torch.testing.assert_close(x_j[:, :2], value[EDGE_INDEX[0]])
    assert inputs.shape == x_j.shape


def options_of(case):
    """Options of the layer and arguments of its call for a case."""
    num_edges = EDGE_INDEX.size(1)
    double = torch.float64
    return {
        "plain": ({}, {}),
        "several heads": ({"heads": 3}, {}),
        "mean of heads": ({"heads": 3, "concat": False}, {}),
        "no loops": ({"add_self_loops": False}, {}),
        "dropout": ({"heads": 3, "dropout": 0.5}, {}),
        "edge features": (
            {"edge_dim": 2},
            {"edge_attr": torch.randn(num_edges, 2, dtype=double)},
        ),
        "edge weights": ({}, {"edge_weight": torch.rand(num_edges, dtype=double)}),
        "edge types": (
            {"num_relations": 3},
            {"edge_type": torch.tensor([0, 1, 2, 0, 1, 2])},
        ),
        "residual": ({"residual": True}, {}),
        "bipartite": ({"in_channels": (8, 5), "residual": True}, {}),
        "against the edges": ({"flow": "target_to_source", "heads": 2}, {}),
        "diagonal": ({"out_channels": 8, "weight": "diagonal", "heads": 2}, {}),
        "all": (
            {
                "heads": 3,
                "dropout": 0.3,
                "edge_dim": 2,
                "num_relations": 3,
                "concat": False,
                "residual": True,
            },
            {
                "edge_attr": torch.randn(num_edges, 2, dtype=double),
                "edge_weight": torch.rand(num_edges, dtype=double),
                "edge_type": torch.tensor([0, 1, 2, 0, 1, 2]),
            },
        ),
    }[case]


CASES = [
    "plain",
    "several heads",
    "mean of heads",
    "no loops",
    "dropout",
    "edge features",
    "edge weights",
    "edge types",
    "residual",
    "bipartite",
    "against the edges",
    "diagonal",
    "all",
]


@for_our_layers
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_single_messages_equal_the_operator(layer, case, training):
    options, kwargs = options_of(case)
    conv = conv_of(layer, **{"in_channels": 8, "out_channels": 6, **options})
    conv = conv.double().train(training)
    if conv.relation_score is not None:
        torch.nn.init.normal_(conv.relation_score)
    x = torch.randn(4, 8, dtype=torch.float64, requires_grad=True)
    inputs = [x]
    if case == "bipartite":
        inputs.append(torch.randn(4, 5, dtype=torch.float64, requires_grad=True))
    kwargs = {
        name: value.requires_grad_() if value.is_floating_point() else value
        for name, value in kwargs.items()
    }
    wanted = [*conv.parameters(), *inputs]
    wanted += [value for value in kwargs.values() if value.requires_grad]

    def run():
        torch.manual_seed(7)
        given = tuple(inputs) if len(inputs) > 1 else x
        options = {"return_posterior": True} if layer is VariationalIBConv else {}
        out = conv(
            given, EDGE_INDEX, return_attention_weights=True, **kwargs, **options
        )
        z, alpha = out[0], out[-1][1]
        loss = z.square().sum() + alpha.pow(3).sum()
        if options:
            loss = loss + out[1].kl().sum()
        return z, alpha, torch.autograd.grad(loss, wanted)

    fused = run()
    hooked(conv, "message", "after", lambda *_: None)
    for one, other in zip(fused, run(), strict=True):
        torch.testing.assert_close(one, other)


def test_the_layers_ask_for_no_messages_unless_something_does():
    def refuse(*_, **__):
        raise AssertionError("messages were made")

    x = torch.randn(4, 8)
    for layer in OURS:
        conv = conv_of(layer, 8, 6)
        conv.propagate = refuse
        conv(x, EDGE_INDEX)
        conv.register_message_forward_hook(lambda *_: None)
        with pytest.raises(AssertionError, match="messages were made"):
            conv(x, EDGE_INDEX)
    assert GATConv not in OURS
