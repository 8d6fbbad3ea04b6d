import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.data import KnowledgeGraph, merge_graphs
from pyg_ibmea.data.merging import single_hetero_data


def graph(name, size, triples, relations=("in", "of"), values=(), **features):
    has = [(i, a) for i, a, _ in values]
    return KnowledgeGraph(
        name, [f"{name}{i}" for i in range(size)], list(relations),
        torch.tensor(triples, dtype=torch.long).view(-1, 3),
        attributes=torch.tensor(has, dtype=torch.long).view(-1, 2).t(),
        attribute_names=["height", "born"], values=[v for _, _, v in values],
        features={m: (torch.tensor(x), torch.tensor(mask))
                  for m, (x, mask) in features.items()},
    )  # fmt: skip


def statements(merged):
    uri, relation = merged.entities, merged.relations
    return [(uri[h], relation[r], uri[t]) for h, r, t in merged.triples.tolist()]


@pytest.fixture
def pair():
    one = graph(
        "a", 3, [(0, 0, 1), (2, 1, 1)], values=[(0, 0, "7"), (1, 1, "x")],
        look=([[1.0], [2.0], [3.0]], [True, True, False]),
    )  # fmt: skip
    # The same relations in another order; "in" is its number 1.
    two = graph(
        "b", 3, [(2, 1, 0), (1, 0, 1)], ("of", "in"), [(2, 0, "7"), (0, 0, "8")],
        look=([[5.0], [6.0], [7.0]], [True, True, True]),
    )  # fmt: skip
    return one, two


CLUSTERS = torch.tensor([[1, 0], [0, 2]])


def test_by_hand(pair):
    merged, members = merge_graphs(pair, CLUSTERS)
    assert members == [["a0", "b2"], ["a1", "b0"], ["a2"], ["b1"]]
    assert merged.entities == ["a0", "a1", "a2", "b1"]
    # b2 in b0 is what a0 in a1 says.
    assert statements(merged) == [
        ("a0", "in", "a1"), ("a2", "of", "a1"), ("b1", "of", "b1")
    ]  # fmt: skip
    entity, kind = merged.attributes
    said = zip(entity.tolist(), kind.tolist(), merged.values, strict=True)
    assert list(said) == [(0, 0, "7"), (1, 1, "x"), (1, 0, "8")]
    x, mask = merged.features["look"]
    assert x.tolist() == [[4.0], [3.5], [0.0], [6.0]]
    assert mask.tolist() == [True, True, False, True]


def test_as_hetero_data(pair):
    merged, _ = merge_graphs(pair, CLUSTERS)
    data = single_hetero_data(merged)
    assert data["entity"].num_nodes == 4
    assert data["entity", "rel", "entity"].edge_type.tolist() == [0, 1, 1]
    assert data["entity"].x_look.equal(merged.features["look"][0])
    assert data.validate()


def test_different_entities_of_one_name():
    none = torch.empty(0, 3, dtype=torch.long)
    graphs = [KnowledgeGraph(kg, ["x", "y"], [], none) for kg in "ab"]
    merged, members = merge_graphs(graphs, torch.tensor([[0, 1]]))
    assert merged.entities == ["x", "y", "b/x"]
    assert members == [["x", "y"], ["y"], ["x"]]
    assert merged.attributes is None


@given(st.data())
def test_any_clusters_of_three_graphs(data):
    sizes = [data.draw(st.integers(0, 4)) for _ in range(3)]
    graphs = [graph(kg, size, []) for kg, size in zip("abc", sizes, strict=True)]
    free = [list(range(size)) for size in sizes]
    rows = []
    for _ in range(data.draw(st.integers(0, 3))):
        row = [
            nodes.pop(data.draw(st.integers(0, len(nodes) - 1)))
            if nodes and data.draw(st.booleans()) else -1
            for nodes in free
        ]  # fmt: skip
        if max(row) >= 0:
            rows.append(row)
    clusters = torch.tensor(rows, dtype=torch.long).view(-1, 3)
    merged, members = merge_graphs(graphs, clusters)
    wanted = {
        frozenset(f"{kg}{n}" for kg, n in zip("abc", row, strict=True) if n >= 0)
        for row in rows
    }
    wanted |= {
        frozenset([f"{kg}{n}"]) for kg, nodes in zip("abc", free, strict=True)
        for n in nodes
    }  # fmt: skip
    assert {frozenset(those) for those in members} == wanted
    assert len(members) == len(wanted)
    order = [uri for g in graphs for uri in g.entities if uri in merged.entities]
    assert merged.entities == order


def test_features_of_different_width_are_left_out(pair):
    one, two = pair
    two.features["look"] = torch.zeros(3, 2), torch.ones(3, dtype=torch.bool)
    assert merge_graphs([one, two], CLUSTERS)[0].features == {}


@pytest.mark.parametrize(
    ("clusters", "message"),
    [
        ([[0]], r"must be long \[C, 2\], got \[1, 1\]"),
        ([[0, 3]], "node 3 of 'b'"),
        ([[0, 1], [0, 2]], "'a' is in two clusters"),
    ],
)
def test_errors(pair, clusters, message):
    with pytest.raises(ValueError, match=message):
        merge_graphs(pair, torch.tensor(clusters))
