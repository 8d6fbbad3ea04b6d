import pytest
import torch
from torch_geometric import EdgeIndex

from pyg_ibmea.nn.conv._graph_inputs import EdgeInputs, attention_as, number_of_nodes

ADJ_T = torch.tensor([[0.0, 2.0], [0.0, 0.5], [0.0, 0.0]])
SPARSE = (ADJ_T.to_sparse_csr(), ADJ_T.to_sparse_coo(), ADJ_T.to_sparse_csc())


@pytest.mark.parametrize("sparse", SPARSE, ids=str)
def test_sparse_matrices_are_transposed_adjacency_with_weights(sparse):
    edges = EdgeInputs.read(sparse)
    assert edges.edge_index.tolist() == [[1, 1], [0, 1]]
    assert edges.weight.tolist() == [2.0, 0.5]
    assert edges.attr is None
    assert edges.sizes == (2, 3)
    with pytest.raises(ValueError, match="edge_weight is given twice"):
        EdgeInputs.read(sparse, torch.ones(2))


def test_values_of_a_sparse_matrix_are_features_where_the_layer_reads_some():
    edges = EdgeInputs.read(SPARSE[0], values_are_features=True)
    assert edges.weight is None
    assert edges.attr.tolist() == [[2.0], [0.5]]
    # Features beside it leave the values their usual meaning.
    attr = torch.ones(2, 3)
    edges = EdgeInputs.read(SPARSE[0], edge_attr=attr, values_are_features=True)
    assert edges.weight.tolist() == [2.0, 0.5]
    assert edges.attr is attr


@pytest.mark.parametrize(
    ("edge_index", "message"),
    [
        (torch.zeros(3, 2, dtype=torch.long), r"\[2, num_edges\], got \[3, 2\]"),
        (torch.zeros(2, dtype=torch.long), r"\[2, num_edges\], got \[2\]"),
        (
            torch.zeros(2, 1, dtype=torch.int32),
            r"torch.long \(int64\), got torch.int32",
        ),
    ],
)
def test_malformed_edge_index(edge_index, message):
    with pytest.raises(ValueError, match=message):
        EdgeInputs.read(edge_index)


def test_weights_come_as_a_row_or_a_column():
    edge_index = torch.tensor([[0, 1], [1, 0]])
    weight = torch.tensor([0.5, 2.0])
    assert EdgeInputs.read(edge_index, weight[:, None]).weight.equal(weight)
    with pytest.raises(ValueError, match=r"\[num_edges, 1\], got \[2, 3\]"):
        EdgeInputs.read(edge_index, torch.ones(2, 3))


def test_self_loops_replace_those_that_are_there():
    edge_index = torch.tensor([[0, 1, 1], [1, 1, 0]])
    edges = EdgeInputs(
        edge_index,
        torch.tensor([2.0, 3.0, 4.0]),
        torch.tensor([[1.0], [5.0], [3.0]]),
        torch.tensor([0, 1, 0]),
    )
    looped = edges.with_self_loops(2, "mean", 7)
    assert looped.edge_index.tolist() == [[0, 1, 0, 1], [1, 0, 0, 1]]
    assert looped.weight.tolist() == [2.0, 4.0, 1.0, 1.0]
    assert looped.attr.tolist() == [[1.0], [3.0], [3.0], [1.0]]
    assert looped.type.tolist() == [0, 0, 7, 7]


def test_numbers_of_nodes_come_from_all_that_tell():
    assert number_of_nodes((4, None), None, (None, None)) == [4, None]
    assert number_of_nodes((4, None), None, (4, 2)) == [4, 2]
    assert number_of_nodes((4, None), (4, 3), (None, None)) == [4, 3]
    with pytest.raises(ValueError, match=r"target nodes .*x has 5, size has 3"):
        number_of_nodes((4, 5), (4, 3), (None, None))
    with pytest.raises(ValueError, match=r"source nodes .*x has 4, edge_index has 2"):
        number_of_nodes((4, None), None, (2, 2))


@pytest.mark.parametrize("sparse", SPARSE, ids=str)
def test_attention_in_the_form_of_the_graph(sparse):
    edges = torch.tensor([[1, 1, 0], [1, 0, 0]])
    alpha = torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    adj, values = attention_as(sparse, edges, alpha, (2, 3))
    assert adj.layout == sparse.layout
    assert adj.shape[:2] == (3, 2)
    dense = torch.zeros(3, 2, 2)
    dense[edges[1], edges[0]] = alpha
    torch.testing.assert_close(adj.to_dense(), dense)
    torch.testing.assert_close(adj.values(), values)


def test_attention_of_an_edge_index_is_the_pair_itself():
    edges, alpha = torch.tensor([[0], [1]]), torch.ones(1, 2)
    for given in (edges, EdgeIndex(edges, sparse_size=(2, 2))):
        assert attention_as(given, edges, alpha, (2, 2)) == (edges, alpha)
