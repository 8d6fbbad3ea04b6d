"""The Triton kernels, in Triton's interpreter on the CPU, against sparse products."""

import os

import pytest
import torch
from test_attention import OPTIONAL, in_receiver_order, problem

from pyg_ibmea.nn import DiagonalGATConv, use_backend
from pyg_ibmea.nn.conv._attention import Scores, diagonal_attention
from pyg_ibmea.nn.conv._structure import Structure

pytest.importorskip("triton", reason="Triton is not installed")
if os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("TRITON_INTERPRET=1 is not set", allow_module_level=True)

from pyg_ibmea.nn.conv import _attention_triton

# The interpreter computes with numpy also what a mask leaves out.
pytestmark = pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")

TOLERANCE = {
    torch.float64: {"atol": 1e-12, "rtol": 1e-10},
    torch.float32: {"atol": 2e-5, "rtol": 2e-5},
}


@pytest.fixture(autouse=True)
def _short_pieces(monkeypatch):
    """Rows of more than 8 edges are hubs, so that small graphs have some."""
    monkeypatch.setattr(_attention_triton, "LONGEST", 8)
    monkeypatch.setattr(_attention_triton, "MOST_GROUPS", 3)


def graph(name, seed=0):
    """Numbers of nodes at both ends, and edges."""
    if name == "empty":
        return 4, 5, torch.zeros(2, 0, dtype=torch.long)
    if name == "no receivers":
        return 3, 0, torch.zeros(2, 0, dtype=torch.long)
    if name == "no nodes":
        return 0, 0, torch.zeros(2, 0, dtype=torch.long)
    if name == "one edge":
        return 1, 1, torch.zeros(2, 1, dtype=torch.long)
    generator = torch.Generator().manual_seed(seed)
    sizes, num_edges = {
        "bipartite": ((7, 9), 30),
        "isolated": ((8, 10), 6),
        "parallel": ((2, 3), 24),
        "hubs": ((10, 11), 60),
    }[name]
    edges = [torch.randint(size, (num_edges,), generator=generator) for size in sizes]
    edge_index = torch.stack(edges)
    if name == "hubs":
        edge_index[1, :17] = 3  # Three pieces, the last of one edge.
        edge_index[1, 17:26] = 8  # Two.
        edge_index[1, 26:34] = 9  # One whole row of 8 edges.
        edge_index[:, 12:17] = edge_index[:, 12:13]
        edge_index[0, 36:56] = 5
    return *sizes, edge_index


def inputs(name, heads, stacks, given, channels, dtype=torch.float64):
    """Inputs of the operator as leaves, and the structure of the graph."""
    num_source, num_target, edge_index = graph(name)
    size = (max(num_source, 1), max(num_target, 1), edge_index.size(1))
    x, scale, scores, _ = problem(0, *size, heads, stacks, given, channels)
    x, source = x[:num_source], scores.source[:num_source]
    target = None if scores.target is None else scores.target[:num_target]
    structure = Structure.from_edge_index(edge_index, num_source, num_target)
    scores = in_receiver_order(scores._replace(source=source, target=target), structure)
    leaves = [
        None if t is None else t.detach().to(dtype).requires_grad_()
        for t in (x, scale, *scores)
    ]
    return leaves, structure


def call(backend, leaves, structure, heads):
    """Output, and gradients of all that requires one."""
    x, scale, *scores = leaves
    with use_backend(backend):
        out = diagonal_attention(x, scale, Scores(*scores), structure, heads, 0.2)
        weight = torch.linspace(-1, 1, out.numel()).to(out.dtype).view_as(out)
        wanted = [t for t in leaves if t is not None]
        return [out.detach(), *torch.autograd.grad((out * weight).sum(), wanted)]


def check(leaves, structure, heads, **tolerance):
    tolerance = tolerance or TOLERANCE[leaves[0].dtype]
    result = call("triton", leaves, structure, heads)
    expected = call("torch", leaves, structure, heads)
    for value, want in zip(result, expected, strict=True):
        torch.testing.assert_close(value, want, **tolerance)


GRAPHS = (
    *("bipartite", "isolated", "parallel", "hubs"),
    *("empty", "no receivers", "no nodes", "one edge"),
)


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs(name):
    check(*inputs(name, 2, 2, OPTIONAL, 7), 2)


def test_single_precision():
    check(*inputs("hubs", 2, 2, OPTIONAL, 7, torch.float32), 2)


@pytest.mark.parametrize("number", range(16))
def test_optional_terms(number):
    given = [term for bit, term in enumerate(OPTIONAL) if number >> bit & 1]
    check(*inputs("bipartite", 2, 1, given, 5), 2)
    if len(given) < 2:
        check(*inputs("hubs", 1, 1, given, 5), 1)


@pytest.mark.parametrize("heads", [1, 2, 3, 4])
@pytest.mark.parametrize("stacks", [1, 2])
def test_heads_and_stacks(heads, stacks):
    check(*inputs("bipartite", heads, stacks, OPTIONAL, 5), heads)


@pytest.mark.parametrize(
    ("channels", "dtype"),
    [
        *[(channels, torch.float64) for channels in (1, 7, 64, 70, 300)],
        (300, torch.float32),
    ],
)
def test_channels(channels, dtype):
    check(*inputs("parallel", 2, 2, OPTIONAL, channels, dtype), 2)


def test_many_columns():
    check(*inputs("parallel", 5, 4, OPTIONAL, 70), 5)


def test_indices_of_32_bits():
    leaves, structure = inputs("hubs", 2, 1, OPTIONAL, 5)
    short = Structure(*[None if t is None else t.int() for t in structure])
    for a, b in zip(
        call("triton", leaves, structure, 2),
        call("triton", leaves, short, 2),
        strict=True,
    ):
        assert a.equal(b)


def test_strided_inputs():
    leaves, structure = inputs("hubs", 2, 1, OPTIONAL, 5)

    def spread(t):
        return torch.stack([t, t + 1], dim=-1)[..., 0]

    def run(leaves, structure):
        with use_backend("triton"):
            out, alpha = torch.ops.pyg_ibmea.diagonal_attention(
                *leaves, *structure, 2, 0.2
            )
            grads = torch.ops.pyg_ibmea.diagonal_attention_backward(
                out, alpha, *leaves, *structure, 2, 0.2
            )
        return out, alpha, *grads

    leaves = [t.detach() for t in leaves]
    strided = [spread(t) for t in leaves], [spread(t) for t in structure[:6]]
    for a, b in zip(run(leaves, structure[:6]), run(*strided), strict=True):
        assert a.equal(b)


def test_the_same_bits_again():
    leaves, structure = inputs("hubs", 2, 2, OPTIONAL, 7, torch.float32)
    first, second = [call("triton", leaves, structure, 2) for _ in range(2)]
    assert all(a.equal(b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["bipartite", "hubs"])
def test_half_features_with_scores_of_single_precision(name, dtype):
    (x, *others), structure = inputs(name, 2, 2, OPTIONAL, 7, torch.float32)
    x = x.detach().to(dtype).requires_grad_()
    precision = torch.finfo(dtype).eps
    check([x, *others], structure, 2, atol=precision, rtol=precision)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_throughout(dtype):
    leaves, structure = inputs("bipartite", 2, 2, OPTIONAL, 7, dtype)
    precision = torch.finfo(dtype).eps
    check(leaves, structure, 2, atol=precision, rtol=precision)


def test_half_features_are_read_as_they_are(monkeypatch):
    """No copy of the features in single precision, coefficients without rounding."""
    (x, *others), structure = inputs("bipartite", 2, 2, (), 7, torch.float32)
    x = x.detach().to(torch.bfloat16)
    seen = []
    forward = _attention_triton.forward

    def watched(*args):
        seen.append((args[0], *forward(*args)))
        return seen[-1][1:]

    monkeypatch.setattr(_attention_triton, "forward", watched)
    scores = Scores(*others[1:])
    with use_backend("triton"):
        diagonal_attention(x, others[0], scores, structure, 2, 0.2)
    ((read, out, alpha),) = seen
    assert read.data_ptr() == x.data_ptr()
    assert (out.dtype, alpha.dtype) == (torch.bfloat16, torch.float32)


@pytest.mark.parametrize("given", [(), OPTIONAL])
def test_registration_is_sound(given):
    (x, scale, *scores), structure = inputs("bipartite", 2, 1, given, 3)
    args = (x, scale, *scores, *structure[:6], 2, 0.2)
    with use_backend("triton"):
        torch.library.opcheck(torch.ops.pyg_ibmea.diagonal_attention.default, args)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled(dtype):
    leaves, structure = inputs("bipartite", 2, 2, OPTIONAL, 5, torch.float32)
    leaves[0] = leaves[0].detach().to(dtype).requires_grad_()

    def run(*leaves):
        x, scale, *scores = leaves
        return diagonal_attention(x, scale, Scores(*scores), structure, 2, 0.2)

    with use_backend("triton"):
        expected = run(*leaves)
        out = torch.compile(run, backend="aot_eager", fullgraph=True)(*leaves)
        grads = [torch.autograd.grad(y.square().sum(), leaves) for y in (out, expected)]
    assert out.equal(expected)
    assert all(a.equal(b) for a, b in zip(*grads, strict=True))


@pytest.mark.parametrize("autocast", [False, True])
def test_a_layer(autocast):
    """Under autocast, projected features have half precision and scales do not."""
    num_nodes, _, edge_index = graph("hubs")
    conv = DiagonalGATConv(4, 6, heads=2, add_self_loops=False, bias=False)
    x = torch.randn(num_nodes + 1, 4)
    results = []
    for backend in ("triton", "torch"):
        conv.zero_grad()
        with use_backend(backend), torch.autocast("cpu", enabled=autocast):
            out = conv(x, edge_index)
        out.float().square().sum().backward()
        results.append([out, *[parameter.grad for parameter in conv.parameters()]])
    tolerance = {"atol": 2e-2, "rtol": 2e-2} if autocast else TOLERANCE[torch.float32]
    for value, want in zip(*results, strict=True):
        torch.testing.assert_close(value, want, **tolerance)
    assert results[0][0].dtype == (torch.bfloat16 if autocast else torch.float32)


def test_extreme_scores():
    """Edges whose score is minus infinity, first or last in their row, count for
    nothing; scores of any size do not overflow.
    """
    leaves, structure = inputs("hubs", 1, 1, ("outer",), 5)
    with torch.no_grad():
        leaves[2][::3] *= 1e4
        first = int(structure.ptr[3])
        leaves[5][first : first + 10] = -torch.inf
    x, scale, *scores = [None if t is None else t.detach() for t in leaves]
    outs = []
    for backend in ("triton", "torch"):
        with use_backend(backend):
            out = diagonal_attention(x, scale, Scores(*scores), structure, 1, 0.2)
            outs.append(out)
    torch.testing.assert_close(*outs, equal_nan=True)
    assert outs[0][0, 3].isfinite().all()


def test_nan_stays_with_its_receivers():
    leaves, structure = inputs("hubs", 2, 2, OPTIONAL, 5, torch.float32)
    with torch.no_grad():
        leaves[2][6, 0] = torch.nan
    out = call("triton", leaves, structure, 2)[0]
    reached = torch.zeros(out.size(1), dtype=torch.bool)
    reached[structure.target[structure.source == 6]] = True
    assert out[0, reached].isnan().all()
    assert out[0, ~reached].isfinite().all()
    assert out[1].isfinite().all()
