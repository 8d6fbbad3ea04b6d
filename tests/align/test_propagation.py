import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.align import append_neighbors


@given(
    num_rows=st.integers(1, 6),
    num_edges=st.integers(0, 12),
    weight=st.floats(0.0, 2.0),
    seed=st.integers(0, 2**16),
)
def test_equals_a_loop_over_nodes(num_rows, num_edges, weight, seed):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(num_rows, 3, generator=generator, dtype=torch.float64)
    edge_index = torch.randint(num_rows, (2, num_edges), generator=generator)
    unit = z / z.norm(dim=1, keepdim=True)
    out = append_neighbors(z, edge_index, weight)
    torch.testing.assert_close(out[:, :3], unit)
    for i in range(num_rows):
        around = [unit[j] for j, k in edge_index.t().tolist() if k == i and j != i]
        if around:
            mean = torch.stack(around).mean(0)
            torch.testing.assert_close(out[i, 3:], weight * mean / mean.norm())
        else:
            assert out[i, 3:].eq(0).all()


def test_bad_input():
    z, edge_index = torch.eye(3), torch.tensor([[0, 3], [1, 2]])
    with pytest.raises(ValueError, match="names row 3, but z has rows 0 to 2"):
        append_neighbors(z, edge_index, 0.5)
    with pytest.raises(ValueError, match=r"at least 0, got -1\.0"):
        append_neighbors(z, edge_index[:, :1], -1.0)
