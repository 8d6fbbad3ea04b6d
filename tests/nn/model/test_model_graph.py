import pytest
import torch
from torch_geometric import EdgeIndex
from torch_geometric.data import HeteroData

from pyg_ibmea.nn import IBMEA, RelationalGraph


@pytest.fixture
def data():
    data = HeteroData()
    for kg, size in (("a", 4), ("b", 3)):
        data[kg].num_nodes = size
        data[kg].x_image = torch.randn(size, 3)
        data[kg].mask_image = torch.ones(size, dtype=torch.bool)
    # A self-loop joins nobody, and nor do links between the graphs.
    data["a", "rel", "a"].edge_index = torch.tensor([[0, 3], [2, 3]])
    data["a", "rel", "a"].edge_type = torch.tensor([0, 0])
    data["b", "rel", "b"].edge_index = torch.empty(2, 0, dtype=torch.long)
    data["b", "rel", "b"].edge_type = torch.empty(0, dtype=torch.long)
    data["a", "same_as", "b"].edge_index = torch.tensor([[1], [1]])
    return data


@pytest.mark.parametrize(
    ("relational", "kind", "neighbors"),
    [(True, RelationalGraph, ["neighbor_image"]), (False, EdgeIndex, [])],
)
def test_graph_of_a_model(data, relational, kind, neighbors):
    model = IBMEA.from_data(data, relational=relational).eval()
    graph = model.graph_of(data)
    assert isinstance(graph.structure, kind)
    assert graph.linked.tolist() == [True, False, True, False] + 3 * [False]
    assert list(graph.neighbors) == neighbors
    out, built = model(data, graph=graph), model(data)
    assert all(out.z[kg].equal(built.z[kg]) for kg in "ab")
    assert torch.cat(list(out.masks["graph"].values())).equal(graph.linked)


def test_without_the_graph_modality(data):
    model = IBMEA.from_data(data, modalities=["image"]).eval()
    graph = model.graph_of(data)
    assert (graph.structure, graph.neighbors) == (None, {})
    assert model(data, graph=graph).z["a"].equal(model(data).z["a"])
