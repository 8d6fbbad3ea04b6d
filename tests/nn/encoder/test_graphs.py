import pytest
import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.nn import GraphVIBEncoder, RelationalVIBEncoder


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
    # The third triple of zh is there twice.
    data["zh", "rel", "zh"].edge_type = torch.tensor([0, 1, 1, 1])
    data["type", "rel", "type"].edge_type = torch.tensor([2, 0, 1, 1])
    data["zh", "same_as", "type"].edge_index = torch.tensor([[0, 1], [0, 1]])
    return data


def test_union_graph_is_undirected_merged_and_without_links(data):
    graph = GraphVIBEncoder(4).build_graph(data)
    pairs = set(zip(*graph.tolist(), strict=True))
    relations = {(0, 1), (1, 2), (2, 3), (5, 6), (6, 7)}
    expected = relations | {(j, i) for i, j in relations} | {(i, i) for i in range(11)}
    assert pairs == expected
    assert graph.size(1) == len(expected)
    assert graph.is_sorted_by_col


def triples_by_hand(data, numbers, num_relations):
    """Typed edges, both ways, as a set of (source, type, target)."""
    edges = set()
    for offset, kg in ((0, "zh"), (5, "type")):
        store = data[kg, "rel", kg]
        for head, tail, relation in zip(
            *store.edge_index.tolist(), store.edge_type.tolist(), strict=True
        ):
            number = numbers[kg][relation]
            edges.add((head + offset, number, tail + offset))
            edges.add((tail + offset, number + num_relations, head + offset))
    return edges


@pytest.mark.parametrize("uris", [False, True])
def test_relational_graph_has_every_triple_once_each_way(data, uris):
    numbers, num_relations = {"zh": [0, 1], "type": [2, 3, 4]}, 5
    if uris:  # The second relation of zh is the first of the other.
        data.relation_uri = {"zh": ["a", "b"], "type": ["b", "c", "d"]}
        numbers, num_relations = {"zh": [0, 1], "type": [1, 2, 3]}, 4
    store = data["zh", "rel", "zh"]
    store.edge_index = torch.cat([store.edge_index, store.edge_index[:, 2:3]], dim=1)
    store.edge_type = torch.cat([store.edge_type, store.edge_type[2:3]])
    graph = RelationalVIBEncoder(4, 10).build_graph(data)
    source, target = graph.edge_index.as_tensor().tolist()
    edges = list(zip(source, graph.edge_type.tolist(), target, strict=True))
    assert len(edges) == len(set(edges))
    assert set(edges) == triples_by_hand(data, numbers, num_relations)
    assert graph.edge_index.is_sorted_by_col
    assert graph.edge_index.sparse_size() == (11, 11)
    assert graph.incidence.as_tensor().tolist() == [graph.edge_type.tolist(), target]
    assert graph.incidence.sparse_size() == (2 * num_relations, 11)
    graph.edge_index.validate()
    graph.incidence.validate()


def test_graphs_without_triples(data):
    for kg in ("zh", "type"):
        data[kg, "rel", kg].edge_index = torch.empty(2, 0, dtype=torch.long)
        data[kg, "rel", kg].edge_type = torch.empty(0, dtype=torch.long)
    graph = RelationalVIBEncoder(4, 10).build_graph(data)
    assert graph.edge_index.shape == graph.incidence.shape == (2, 0)
    assert graph.edge_index.sparse_size() == (11, 11)


def test_without_any_triple_entities_are_encoded_alone(data):
    for kg in data.node_types:
        store = data[kg, "rel", kg]
        store.edge_index = store.edge_index[:, :0]
        store.edge_type = store.edge_type[:0]
    encoder = RelationalVIBEncoder(4, 0).eval()
    graph = encoder.build_graph(data)
    assert graph.edge_type.numel() == 0
    x = torch.randn(11, 4, requires_grad=True)
    z, _ = encoder(x, graph)
    # Own embedding, normalised; nothing arrives from anywhere.
    own = torch.nn.functional.layer_norm(x, (4,))
    assert torch.allclose(z[:, :4], own)
    assert not z[:, 4:].any()
    z.square().sum().backward()
    assert x.grad is not None
