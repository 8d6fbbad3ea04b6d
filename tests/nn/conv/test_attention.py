import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_ibmea.nn import use_backend
from pyg_ibmea.nn.conv._attention import Scores, diagonal_attention
from pyg_ibmea.nn.conv._structure import Structure

BACKENDS = ["torch", "numba"]


def by_loops(x, scale, scores, edge_index, num_target, heads, slope):
    """The operator's formula, node by node and edge by edge."""
    num_stacks = scale.size(0) // heads
    out = x.new_zeros(num_stacks, num_target, x.size(1))
    rows = {(s, i): [] for s in range(num_stacks) for i in range(num_target)}
    for i in range(num_target):
        edges = (edge_index[1] == i).nonzero().flatten().tolist()
        for k in range(scale.size(0)):
            logits = []
            for e in edges:
                score = scores.source[edge_index[0, e], k]
                if scores.target is not None:
                    score = score + scores.target[i, k]
                if scores.inner is not None:
                    score = score + scores.inner[e, k]
                score = -F.leaky_relu(score, slope)
                if scores.outer is not None:
                    score = score + scores.outer[e, k]
                logits.append(score)
            if not edges:
                continue
            alpha = torch.stack(logits).softmax(0)
            for e, weight in zip(edges, alpha, strict=True):
                if scores.gate is not None:
                    weight = weight * scores.gate[e, k]
                message = weight * scale[k] * x[edge_index[0, e]] / heads
                rows[k // heads, i].append(message)
    return torch.stack(
        [
            torch.stack([sum(rows[s, i], out[s, i]) for i in range(num_target)])
            for s in range(num_stacks)
        ]
    )


def problem(seed, num_source, num_target, num_edges, heads, stacks, given, channels=5):
    """Random inputs; parallel edges and isolated nodes come up by themselves."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        out = torch.randn(*shape, generator=generator, dtype=torch.double)
        return out.requires_grad_()

    edge_index = torch.stack(
        [
            torch.randint(size, (num_edges,), generator=generator)
            for size in (num_source, num_target)
        ]
    )
    k = stacks * heads
    scores = Scores(
        normal(num_source, k),
        normal(num_target, k) if "target" in given else None,
        *[normal(num_edges, k) if name in given else None for name in OPTIONAL[1:]],
    )
    return normal(num_source, channels), normal(k, channels), scores, edge_index


OPTIONAL = ("target", "inner", "outer", "gate")


def in_receiver_order(scores, structure):
    edges = [None if t is None else t[structure.perm] for t in scores[2:]]
    return Scores(scores.source, scores.target, *edges)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=40, derandomize=True)
@given(
    num_source=st.integers(1, 6),
    num_target=st.integers(1, 6),
    num_edges=st.integers(0, 15),
    heads=st.integers(1, 3),
    stacks=st.integers(1, 2),
    given_=st.sets(st.sampled_from(OPTIONAL)),
    seed=st.integers(0, 2**16),
)
def test_value_and_gradients_equal_loops(
    backend, num_source, num_target, num_edges, heads, stacks, given_, seed
):
    x, scale, scores, edge_index = problem(
        seed, num_source, num_target, num_edges, heads, stacks, given_
    )
    expected = by_loops(x, scale, scores, edge_index, num_target, heads, 0.2)
    structure = Structure.from_edge_index(edge_index, num_source, num_target)
    sorted_scores = in_receiver_order(scores, structure)
    with use_backend(backend):
        out = diagonal_attention(x, scale, sorted_scores, structure, heads, 0.2)
        torch.testing.assert_close(out, expected)
        grad = torch.randn_like(out)
        inputs = [x, scale, *[t for t in scores if t is not None]]
        grads = torch.autograd.grad(out, inputs, grad)
    if expected.requires_grad:
        wanted = torch.autograd.grad(expected, inputs, grad, allow_unused=True)
    else:  # No edge, nothing to differentiate.
        wanted = [None] * len(inputs)
    for value, want in zip(grads, wanted, strict=True):
        want = torch.zeros_like(value) if want is None else want
        torch.testing.assert_close(value, want)


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradcheck(backend):
    x, scale, scores, edge_index = problem(0, 4, 3, 9, 2, 2, OPTIONAL, channels=2)
    structure = Structure.from_edge_index(edge_index, 4, 3)

    def call(x, scale, *scores):
        scores = in_receiver_order(Scores(*scores), structure)
        return diagonal_attention(x, scale, scores, structure, 2, 0.2)

    with use_backend(backend):
        assert torch.autograd.gradcheck(call, (x, scale, *scores))


def large(dtype):
    """A graph with a hub, so that pieces of work differ."""
    x, scale, scores, edge_index = problem(
        1, 400, 400, 3000, 2, 2, OPTIONAL, channels=33
    )
    edge_index[1, :700] = 7
    structure = Structure.from_edge_index(edge_index, 400, 400)
    leaves = [t.detach().to(dtype) for t in (x, scale, *scores)]
    return [t.requires_grad_() for t in leaves], structure


def run(leaves, structure):
    x, scale, *scores = leaves
    out = diagonal_attention(x, scale, Scores(*scores), structure, 2, 0.2)
    weight = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    return [out.detach(), *torch.autograd.grad((out * weight).sum(), leaves)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kernels_and_sparse_products_agree(dtype):
    results = []
    for backend in BACKENDS:
        leaves, structure = large(dtype)
        with use_backend(backend):
            results.append(run(leaves, structure))
    tolerance = {"atol": 2e-4, "rtol": 2e-4} if dtype == torch.float32 else {}
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, **tolerance)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_same_bits_again(backend):
    leaves, structure = large(torch.float32)
    with use_backend(backend):
        first, second = run(leaves, structure), run(leaves, structure)
    assert all(a.equal(b) for a, b in zip(first, second, strict=True))


def test_kernels_give_the_same_bits_with_any_number_of_threads():
    import numba

    leaves, structure = large(torch.float32)
    before = numba.get_num_threads()
    with use_backend("numba"):
        many = run(leaves, structure)
        numba.set_num_threads(1)
        try:
            one = run(leaves, structure)
        finally:
            numba.set_num_threads(before)
    assert all(a.equal(b) for a, b in zip(many, one, strict=True))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("given_", [(), OPTIONAL])
def test_registration_is_sound(backend, given_):
    x, scale, scores, edge_index = problem(0, 4, 3, 9, 2, 1, given_)
    structure = Structure.from_edge_index(edge_index, 4, 3)
    scores = [
        None if t is None else t.detach().requires_grad_()
        for t in in_receiver_order(scores, structure)
    ]
    args = (x, scale, *scores, *structure[:6], 2, 0.2)
    with use_backend(backend):
        torch.library.opcheck(torch.ops.pyg_ibmea.diagonal_attention.default, args)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(backend, dtype):
    leaves, structure = large(torch.float32)
    x, scale, *scores = [t.detach().to(dtype) for t in leaves]
    with use_backend(backend):
        out = diagonal_attention(x, scale, Scores(*scores), structure, 2, 0.2)
        wide = [t.float() for t in (x, scale, *scores)]
        exact = diagonal_attention(*wide[:2], Scores(*wide[2:]), structure, 2, 0.2)
    assert out.dtype == dtype
    assert out.equal(exact.to(dtype))


@pytest.mark.parametrize("backend", BACKENDS)
def test_nan_stays_nan(backend):
    leaves, structure = large(torch.float32)
    with torch.no_grad():
        leaves[0][3, 5] = torch.nan
        leaves[2][9, 0] = torch.nan
    with use_backend(backend):
        out = run(leaves, structure)[0]
    from_3 = structure.target[structure.source == 3]
    assert out[:, from_3, 5].isnan().all()
    from_9 = structure.target[structure.source == 9]
    assert out[0, from_9].isnan().all()
    clean = torch.ones(out.size(1), dtype=torch.bool)
    clean[from_3] = clean[from_9] = False
    assert out[:, clean].isfinite().all()
