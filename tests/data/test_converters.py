import networkx
import pytest
import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.data import from_hetero, from_networkx


def statements(graph) -> set[tuple[str, str, str]]:
    names, relations = graph.entities, graph.relations
    return {(names[h], relations[r], names[t]) for h, r, t in graph.triples.tolist()}


def test_networkx() -> None:
    graph = networkx.MultiDiGraph()
    graph.add_node(7, height=1.5)
    graph.add_edge("a", 7, key="in")
    graph.add_edge("a", 7, relation="near")
    graph.add_edge("a", "a")
    found = from_networkx("en", graph)
    assert found.entities == ["7", "a"]
    expected = {("in", "7"), ("near", "7"), ("related", "a")}
    assert statements(found) == {("a", *end) for end in expected}
    assert found.values == ["1.5"]
    assert statements(from_networkx("en", networkx.path_graph(3))) == {
        ("0", "related", "1"),
        ("1", "related", "2"),
    }
    with pytest.raises(ValueError, match="7 and '7'"):
        from_networkx("en", networkx.Graph([(7, "7")]))


def test_hetero() -> None:
    data = HeteroData()
    data["city"].x = torch.ones(2, 3)
    data["city"].uri = ["Paris", "Rome"]
    data["land"].num_nodes = 1
    data["city", "in", "land"].edge_index = torch.tensor([[1], [0]])
    data["land", "in", "city"].edge_index = torch.tensor([[0], [0]])
    graph = from_hetero("en", data)
    assert statements(graph) == {("Rome", "in", "land/0"), ("land/0", "in", "Paris")}
    x, mask = graph.features["feature"]
    assert mask.tolist() == [True, True, False]
    assert x.sum() == 6
    data["land"].x = torch.ones(1, 2)
    with pytest.raises(ValueError, match="differ in width"):
        from_hetero("en", data)
    data["city"].uri = ["Paris"]
    with pytest.raises(ValueError, match="has 2 nodes, but 1 texts in 'uri'"):
        from_hetero("en", data)
    data["city"].uri = ["Paris", "Paris"]
    with pytest.raises(ValueError, match="lists an entity URI twice"):
        from_hetero("en", data)
