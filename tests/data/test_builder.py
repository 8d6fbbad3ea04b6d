import torch

from pyg_ibmea.data import KnowledgeGraph
from pyg_ibmea.data.builder import GraphBuilder, without_leaves


def test_statements_are_numbered_in_order_and_count_once() -> None:
    builder = GraphBuilder("en", exclude=["no"])
    for head, tail in [("b", "a"), ("a", "b"), ("b", "a"), ("no", "a"), ("c", "no")]:
        builder.add_triple(head, "r", tail)
    builder.add_entity("z")
    builder.add_entity("no")
    builder.add_attribute("no", "p", "1")
    assert "z" in builder
    assert "no" not in builder
    graph = builder.build()
    assert graph.entities == ["b", "a", "z"]
    assert graph.triples.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert graph.attributes is None
    assert graph.values is None
    assert GraphBuilder("empty").build().num_nodes == 0


def test_leaves_are_tails_of_one_triple_and_nothing_else() -> None:
    # 1: tail twice; 3: has an attribute; 4: is a head; 5: has an image; 6: kept.
    tails = [1, 1, 2, 3, 4, 5, 6]
    triples = torch.tensor([[0, 0, tail] for tail in tails[:1]] + [[7, 0, 1]])
    triples = torch.cat([triples, torch.tensor([[0, 0, t] for t in tails[2:]])])
    triples = torch.cat([triples, torch.tensor([[4, 0, 0]])])
    image = torch.zeros(8, 1), torch.tensor([False] * 5 + [True] + [False] * 2)
    graph = KnowledgeGraph(
        "en",
        list("abcdefgh"),
        ["r"],
        triples,
        attributes=torch.tensor([[3], [0]]),
        attribute_names=["p"],
        values=["1"],
        features={"image": image},
    )
    smaller = without_leaves(graph, keep=["g"])
    assert smaller.entities == list("abdefgh")
    assert smaller.num_triples == graph.num_triples - 1
    names = smaller.entities
    found = {(names[h], names[t]) for h, _, t in smaller.triples.tolist()}
    assert found == {("a", x) for x in "bdefg"} | {("h", "b"), ("e", "a")}
    assert smaller.attributes is not None
    assert smaller.attributes.tolist() == [[2], [0]]
    assert smaller.features["image"][1].tolist() == [False] * 4 + [True, False, False]
    assert graph.num_nodes == 8
