import pytest
import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.nn import feature_channels, union_graph


@pytest.fixture
def data():
    data = HeteroData()
    for kg, size in (("zh", 5), ("type", 6)):
        data[kg].num_nodes = size
        data[kg].x_image = torch.randn(size, 8)
        data[kg].mask_image = torch.ones(size, dtype=torch.bool)
        data[kg].x_attribute = torch.ones(size, 7).to_sparse()
        data[kg].mask_attribute = torch.ones(size, dtype=torch.bool)
    # A parallel edge, one both ways and a self-loop.
    data["zh", "rel", "zh"].edge_index = torch.tensor([[0, 1, 2, 1], [1, 2, 3, 0]])
    data["type", "rel", "type"].edge_index = torch.tensor([[0, 1, 1, 4], [1, 2, 2, 4]])
    data["zh", "same_as", "type"].edge_index = torch.tensor([[0, 1], [0, 1]])
    return data


def test_union_graph_is_undirected_merged_and_without_links(data):
    graph = union_graph(data)
    pairs = set(zip(*graph.tolist(), strict=True))
    relations = {(0, 1), (1, 2), (2, 3), (5, 6), (6, 7)}
    expected = relations | {(j, i) for i, j in relations} | {(i, i) for i in range(11)}
    assert pairs == expected
    assert graph.size(1) == len(expected)
    assert graph.is_sorted_by_col


def test_modalities_must_fit_both_graphs(data):
    assert feature_channels(data) == {"image": 8, "attribute": 7}
    data["type"].x_image = torch.zeros(6, 9)
    with pytest.raises(ValueError, match=r"9 channels in graph 'type'"):
        feature_channels(data)
    del data["type"].x_image
    with pytest.raises(ValueError, match="graph 'type' needs both x_image and mask"):
        feature_channels(data)
