import pytest
import torch
from torch_geometric import EdgeIndex

from pyg_ibmea.nn import DiagonalGATConv
from pyg_ibmea.nn.conv._structure import Structure, check_graph

EDGE_INDEX = torch.tensor([[2, 0, 1, 0], [1, 1, 0, 2]])


def edges(structure):
    return sorted(zip(structure.source.tolist(), structure.target.tolist()))  # noqa: B905


def test_both_orders_hold_the_same_edges():
    structure = Structure.from_edge_index(EDGE_INDEX, 3, 3)
    assert structure.target.tolist() == [0, 1, 1, 2]
    assert structure.ptr.tolist() == [0, 1, 3, 4]
    assert structure.source.tolist() == [1, 2, 0, 0]
    assert structure.t_ptr.tolist() == [0, 2, 3, 4]
    assert structure.t_target.equal(structure.target[structure.t_perm])
    assert EDGE_INDEX[:, structure.perm].tolist() == [
        structure.source.tolist(),
        structure.target.tolist(),
    ]


def test_sorted_edge_index_is_taken_as_it_is():
    plain = Structure.from_edge_index(EDGE_INDEX, 3, 3)
    given = EdgeIndex(
        torch.stack([plain.source, plain.target]), sparse_size=(3, 3), sort_order="col"
    ).fill_cache_()
    structure = Structure.from_edge_index(given, 3, 3)
    assert structure.perm is None
    for name in ("source", "target", "ptr", "t_ptr"):
        assert getattr(structure, name).equal(getattr(plain, name))
    # Ties in the transposed order may fall either way.
    assert structure.t_target.equal(structure.target[structure.t_perm])


@pytest.mark.parametrize("sort_order", [None, "row"])
def test_other_edge_index_is_sorted(sort_order):
    order = EDGE_INDEX[0].argsort(stable=True) if sort_order else slice(None)
    given = EdgeIndex(EDGE_INDEX[:, order], sparse_size=(3, 3), sort_order=sort_order)
    structure = Structure.from_edge_index(given, 3, 3)
    assert edges(structure) == [(0, 1), (0, 2), (1, 0), (2, 1)]
    assert structure.perm is not None


def test_edge_index_of_another_size_is_sorted_for_this_one():
    given = EdgeIndex(
        torch.tensor([[1, 0], [0, 1]]), sparse_size=(2, 2), sort_order="col"
    )
    assert Structure.from_edge_index(given, 3, 4).ptr.tolist() == [0, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("edge", "message"),
    [
        ([3, 0], "edge 1 has the source node 3, but there are 3 source nodes"),
        ([0, 2], "edge 1 has the target node 2, but there are 2 target nodes"),
        ([-1, 0], "edge 1 has the source node -1"),
    ],
)
def test_index_out_of_range_names_the_edge(edge, message):
    edge_index = torch.tensor([[0, 0], edge]).t().contiguous()
    with pytest.raises(IndexError, match=message):
        check_graph(edge_index, 3, 2)


def test_an_edge_index_that_is_not_sorted_as_it_says():
    edges = EdgeIndex([[0, 1, 2], [2, 0, 1]], sparse_size=(3, 3), sort_order="col")
    conv = DiagonalGATConv(2, 2, add_self_loops=False)
    with pytest.raises(ValueError, match="not sorted by their target nodes"):
        conv(torch.ones(3, 2), edges)


def test_graph_and_features_on_two_devices():
    edge_index = torch.tensor([[0, 1], [1, 0]])
    conv = DiagonalGATConv(2, 2)
    with pytest.raises(ValueError, match=r"edge_index is on cpu .* are on meta"):
        conv.to("meta")(torch.ones(2, 2, device="meta"), edge_index)
