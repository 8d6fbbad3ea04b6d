"""How the Triton kernels share work; no kernel runs."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pretended_cuda import TRITON_LAUNCHES
from torch.utils._python_dispatch import TorchDispatchMode

pytest.importorskip("triton", reason="Triton is not installed")

from pyg_ibmea.nn.conv import _attention_triton
from pyg_ibmea.nn.conv._triton_pieces import Pieces, groups


def pointer(degrees):
    return torch.tensor([0, *degrees]).cumsum(0)


@given(
    degrees=st.lists(st.integers(0, 40), max_size=20),
    longest=st.sampled_from([1, 4, 8]),
)
def test_pieces_cover_the_hubs_once(degrees, longest):
    pieces = Pieces.of(pointer(degrees), sum(degrees), longest)
    rows = [row for row in pieces.row.tolist() if row < len(degrees)]
    wanted = [
        row
        for row, degree in enumerate(degrees)
        if degree > longest
        for _ in range(-(-degree // longest))
    ]
    assert rows == wanted
    for place, row in enumerate(rows):
        first = int(pieces.first[row])
        assert rows[first : place + 1] == [row] * (place + 1 - first)


@given(degrees=st.lists(st.integers(0, 20), max_size=30), number=st.integers(1, 9))
def test_groups_share_rows_evenly(degrees, number):
    number = min(number, len(degrees))
    borders = groups(pointer(degrees), number, 8).tolist()
    assert (len(borders), borders[0], borders[-1]) == (number + 1, 0, len(degrees))
    cost = [1 if degree > 8 else degree + 1 for degree in degrees]
    for first, last in pairwise(borders):
        assert sum(cost[first:last]) <= sum(cost) / number + 9


def test_a_hub_of_a_hundred_thousand_edges_is_many_programs():
    ptr = pointer([3, 100_000, 2])
    pieces = Pieces.of(ptr, int(ptr[-1]), _attention_triton.LONGEST)
    assert (pieces.row == 1).sum() == 391


class Operators(TorchDispatchMode):
    """Counts what PyTorch launches for the kernels."""

    number = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        empty = func._opname.startswith(("empty", "new_empty"))
        self.number += not (func.is_view or empty)
        return func(*args, **(kwargs or {}))


def test_launches(monkeypatch):
    """On a graph with hubs that has been seen before."""
    kernels = []
    monkeypatch.setattr(
        _attention_triton,
        "_launch",
        lambda kernel, grid, *args, warps=1: kernels.append(kernel),
    )
    ptr = pointer([2000, 3, 2])
    edges = torch.zeros(2005, dtype=torch.long)
    x, scale, of_nodes, of_edges = (
        torch.ones(*shape) for shape in ((3, 8), (2, 8), (3, 2), (2005, 2))
    )
    given_, grad = (x, scale, of_nodes, of_nodes, of_edges), torch.ones(2, 3, 8)
    calls = {
        "diagonal_attention": lambda: _attention_triton.forward(
            *(*given_, of_edges, of_edges, edges, ptr, 1, 0.2)
        ),
        "diagonal_attention_backward": lambda: _attention_triton.backward(
            *(grad, of_edges, *given_, of_edges, edges, ptr),
            *(edges, ptr, edges, 1, 0.2),
        ),
    }
    for name, call in calls.items():
        call()
        kernels.clear()
        with Operators() as operators:
            call()
        assert len(kernels) + operators.number == TRITON_LAUNCHES[name]


def test_the_host_waits_for_nothing(monkeypatch):
    """Tensors without data cannot be read by the host."""
    launched = []
    monkeypatch.setattr(
        _attention_triton,
        "_launch",
        lambda kernel, grid, *args, warps=1: launched.append(grid),
    )
    with torch.device("meta"):
        x, scale = torch.ones(7, 300, dtype=torch.half), torch.ones(4, 300)
        of_nodes, of_edges = torch.ones(7, 4), torch.ones(2000, 4)
        edges, ptr = torch.ones(2000, dtype=torch.long), torch.ones(8).long()
    given_ = (x, scale, of_nodes, of_nodes, of_edges)
    out, alpha = _attention_triton.forward(
        *(*given_, of_edges, of_edges, edges, ptr, 2, 0.2)
    )
    grads = _attention_triton.backward(
        *(out, alpha, *given_, of_edges, edges, ptr, edges, ptr, edges, 2, 0.2)
    )
    assert out.shape == (2, 7, 300)
    assert [grad.shape for grad in grads] == [
        t.shape for t in (*given_[:4], *3 * [of_edges])
    ]
    assert all(isinstance(size, int) for grid in launched for size in grid)
