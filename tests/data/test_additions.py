import pytest
import torch

from pyg_ibmea.data import KnowledgeGraph, add_entities, to_hetero_data


def graph(name):
    triples = torch.tensor([[0, 0, 1], [2, 1, 1], [2, 0, 0]])
    return KnowledgeGraph(
        name, [f"{name}{i}" for i in range(3)], ["in", "of"], triples,
        attributes=torch.tensor([[0, 1, 1], [0, 0, 1]]),
        attribute_names=["height", "born"],
        features={
            "image": (torch.arange(6.0).view(3, 2), torch.tensor([True, True, False]))
        },
    )  # fmt: skip


@pytest.fixture
def data():
    return to_hetero_data(
        [graph("a"), graph("b")], {("a", "b"): torch.zeros(2, 1).long()}
    )


NEW = ["x", "y"]
TRIPLES = [("x", "in", "a1"), ("a2", "of", "x"), ("x", "in", "y")]
ATTRIBUTES = [("y", "height"), ("y", "born"), ("y", "height"), ("y", "weight")]


def test_everything_is_as_if_the_graph_had_been_larger(data):
    more = add_entities(data, "a", NEW, TRIPLES, ATTRIBUTES)
    larger = graph("a")
    larger.entities += NEW
    rows = torch.tensor([[3, 0, 1], [2, 1, 3], [3, 0, 4]])
    larger.triples = torch.cat([larger.triples, rows])
    has = torch.tensor([[4, 4], [0, 1]])
    larger.attributes = torch.cat([larger.attributes, has], dim=1)
    x, mask = larger.features["image"]
    larger.features["image"] = (
        torch.cat([x, torch.zeros(2, 2)]),
        torch.cat([mask, torch.zeros(2, dtype=torch.bool)]),
    )
    whole = to_hetero_data([larger, graph("b")], {("a", "b"): torch.zeros(2, 1).long()})
    assert more.uri == whole.uri
    assert more["a"].num_nodes == 5
    for modality in ("relation", "attribute", "image"):
        # The columns are in the order that they had, whatever is frequent now.
        order = [
            whole.column_uri[modality].index(uri) for uri in data.column_uri[modality]
        ] if modality in data.column_uri else [0, 1]  # fmt: skip
        mine, other = more["a"][f"x_{modality}"], whole["a"][f"x_{modality}"]
        mine, other = (x.to_dense() if x.is_sparse else x for x in (mine, other))
        if modality == "relation":  # The bags of the known stay as they are.
            mine, other = mine[3:], other[3:]
        assert mine.equal(other[:, order])
        assert more["a"][f"mask_{modality}"].equal(whole["a"][f"mask_{modality}"])
    store = more["a", "rel", "a"]
    assert store.edge_index.equal(whole["a", "rel", "a"].edge_index)
    assert store.edge_type.equal(whole["a", "rel", "a"].edge_type)
    # What was given is as it was.
    assert data["a"].num_nodes == 3
    assert data["a"].x_image.shape == (3, 2)
    assert data["a", "rel", "a"].edge_index.shape == (2, 3)
    assert more["b"].x_image is data["b"].x_image


def test_features_with_and_without_a_mask(data):
    x = torch.tensor([[7.0, 8.0], [9.0, 10.0]])
    more = add_entities(data, "a", NEW, features={"image": x})
    assert more["a"].x_image[3:].equal(x)
    assert more["a"].mask_image[3:].all()
    there = torch.tensor([False, True])
    more = add_entities(data, "a", NEW, features={"image": (x, there)})
    assert more["a"].x_image[3:].tolist() == [[0.0, 0.0], [9.0, 10.0]]
    assert more["a"].mask_image[3:].tolist() == [False, True]


def test_unknown_relations_are_left_out_and_told(data):
    with pytest.warns(UserWarning, match="1 triples are left out: .* 'near'"):
        more = add_entities(data, "a", ["x"], [("x", "near", "a0"), ("x", "in", "a0")])
    assert more["a", "rel", "a"].edge_index.size(1) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("c", NEW), "no graph 'c'; there are a, b"),
        (("a", ["a1"]), "'a1' is already"),
        (("a", ["x", "x"]), "'x' is already"),
        (("a", NEW, [("x", "in", "z")]), r"\('x', 'in', 'z'\) names 'z'"),
        (("a", NEW, [("a0", "in", "a1")]), "names no new entity"),
        (("a", NEW, [], [("z", "born")]), "attribute 'born' names 'z'"),
        (("a", NEW, [], [("a0", "born")]), "'a0', which is not new"),
        (("a", NEW, [], [], {"image": torch.zeros(2, 3)}), r"\[2, 2\] with a mask"),
        (("a", NEW, [], [], {"image": torch.zeros(1, 2)}), r"got \[1, 2\]"),
        (("a", NEW, [], [], {"sound": torch.zeros(2, 2)}), "no modality 'sound'"),
    ],
)
def test_errors(data, arguments, message):
    with pytest.raises(ValueError, match=message):
        add_entities(data, *arguments)


def test_fractions_are_kept_beside_integers(data):
    data["a"].x_image = data["a"].x_image.long()
    more = add_entities(
        data, "a", ["x"], features={"image": torch.tensor([[0.5, 2.0]])}
    )
    assert more["a"].x_image[-1].tolist() == [0.5, 2.0]
