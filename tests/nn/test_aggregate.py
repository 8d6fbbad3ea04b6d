import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_ibmea.nn._aggregate import weighted_aggregate
from pyg_ibmea.nn._structure import Structure


def dense_aggregate(x, weight, edge_index, num_target):
    """y[k, i] = sum over edges (j -> i) of weight[k, edge] * x[j], edge by edge."""
    rows = []
    for values in weight:
        out = [torch.zeros_like(x[0]) for _ in range(num_target)]
        for edge, (j, i) in enumerate(edge_index.t().tolist()):
            out[i] = out[i] + values[edge] * x[j]
        out[0] = out[0] + 0 * (x.sum() + weight.sum())  # A graph even without edges.
        rows.append(torch.stack(out))
    return torch.stack(rows)


@settings(max_examples=40)
@given(
    num_source=st.integers(1, 6),
    num_target=st.integers(1, 6),
    num_edges=st.integers(0, 15),
    heads=st.integers(1, 3),
    seed=st.integers(0, 2**16),
)
def test_value_and_gradient_equal_a_loop_over_edges(
    num_source, num_target, num_edges, heads, seed
):
    generator = torch.Generator().manual_seed(seed)
    # Parallel edges and isolated nodes come up by themselves.
    edge_index = torch.stack(
        [
            torch.randint(num_source, (num_edges,), generator=generator),
            torch.randint(num_target, (num_edges,), generator=generator),
        ]
    )
    structure = Structure.from_edge_index(edge_index, num_source, num_target)
    x = torch.randn(num_source, 4, generator=generator, dtype=torch.float64)
    weight = torch.randn(heads, num_edges, generator=generator, dtype=torch.float64)
    grad = torch.randn(heads, num_target, 4, generator=generator, dtype=torch.float64)

    x.requires_grad_()
    weight.requires_grad_()
    expected = dense_aggregate(x, weight, edge_index, num_target)
    expected_grads = torch.autograd.grad(expected, (x, weight), grad)
    out = weighted_aggregate(x, weight[:, structure.perm], structure)
    grads = torch.autograd.grad(out, (x, weight), grad)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(grads, expected_grads)


def test_gradcheck():
    edge_index = torch.tensor([[0, 1, 1, 2], [1, 1, 2, 0]])
    structure = Structure.from_edge_index(edge_index, 3, 3)
    x = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, w: weighted_aggregate(x, w, structure), (x, weight)
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype):
    edge_index = torch.tensor([[0, 1, 2], [1, 1, 0]])
    structure = Structure.from_edge_index(edge_index, 3, 2)
    x = torch.randn(3, 4).to(dtype)
    weight = torch.rand(1, 3).to(dtype)
    out = weighted_aggregate(x, weight, structure)
    wide = weighted_aggregate(x.float(), weight.float(), structure)
    assert out.dtype == dtype
    assert out.equal(wide.to(dtype))


def test_only_what_needs_a_gradient_gets_one():
    structure = Structure.from_edge_index(torch.tensor([[0, 1], [1, 0]]), 2, 2)
    x = torch.randn(2, 3, requires_grad=True)
    weighted_aggregate(x, torch.ones(1, 2), structure).sum().backward()
    torch.testing.assert_close(x.grad, torch.ones(2, 3))
