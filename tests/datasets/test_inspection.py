import pytest
import torch

from pyg_ibmea.data import KnowledgeGraph, read_tables
from pyg_ibmea.datasets import KnowledgeGraphs, inspect_problem
from pyg_ibmea.datasets.inspection import exchanged_columns


def problem(sizes=(40, 40), seeds=20):
    graphs = []
    for name, size in zip("ab", sizes, strict=True):
        triples = torch.tensor([[i, i % 2, i + 1] for i in range(9)])
        mask = torch.arange(size) < 3
        graphs.append(
            KnowledgeGraph(
                name,
                [f"{name}{i}" for i in range(size)],
                ["r", f"only {name}"],
                triples,
                features={"image": (mask[:, None].float(), mask)},
            )
        )
    links = {("a", "b"): torch.arange(seeds).repeat(2, 1)}
    return KnowledgeGraphs(graphs, links, val_ratio=0.2)[0]


def test_counts():
    found = inspect_problem(problem())
    graph = found["graphs"]["a"]
    assert (graph["entities"], graph["triples"], graph["relations"]) == (40, 9, 2)
    assert graph["isolated"] == 30
    assert graph["degree"] == [0.0] * 8 + [pytest.approx(0.2, abs=1), 2.0, 2.0]
    assert graph["degrees"] == {"0": 30, "1": 2, "2-3": 8}
    assert graph["coverage"]["image"] == 0.075
    assert found["links"] == {"a - b": {"train": 16, "val": 4, "test": 0}}
    assert found["shared_relations"] == 1


def test_what_may_go_wrong_is_said():
    problems = " ".join(inspect_problem(problem(sizes=(40, 100)))["problems"])
    for text in (
        "'a': 30 of 40 entities are in no triple",
        "'a': only 8% of the entities have modality 'image'",
        "a - b: 20 seed pairs are few",
        "a - b: 4 validation pairs can hardly",
        "differ greatly in size (40, 100)",
    ):
        assert text in problems


def test_more_relations_than_entities_look_exchanged():
    triples = torch.tensor([[0, i, 1] for i in range(50)])
    relations = [f"r{i}" for i in range(50)]
    graphs = [
        KnowledgeGraph("a", [f"a{i}" for i in range(40)], relations, triples),
        KnowledgeGraph("b", [f"b{i}" for i in range(60)], relations, triples),
    ]
    links = {("a", "b"): torch.arange(20).repeat(2, 1)}
    found = inspect_problem(KnowledgeGraphs(graphs, links)[0])["problems"]
    said = [text for text in found if "exchanged" in text]
    assert said == [
        "Graph 'a' has more relations (50) than entities (40): are the columns of its "
        "triples exchanged?"
    ]


@pytest.mark.parametrize(
    ("order", "said"), [((0, 1, 2), False), ((1, 0, 2), True), ((0, 2, 1), True)]
)
def test_relations_that_are_entities_look_exchanged(order, said, tmp_path):
    rows = [(f"e{i}", f"r{i % 40}", f"e{(7 * i + 1) % 100}") for i in range(70)]
    table = tmp_path / "triples.tsv"
    table.write_text("".join("\t".join(row[i] for i in order) + "\n" for row in rows))
    graphs = [read_tables(name, triples=table) for name in "ab"]
    links = {("a", "b"): torch.arange(20).repeat(2, 1)}
    data = KnowledgeGraphs(graphs, links)[0]
    relations, entities = len(graphs[0].relations), graphs[0].num_nodes
    both = len({*graphs[0].relations} & {*graphs[0].entities})
    assert relations <= entities
    assert exchanged_columns(data) == said * [
        f"Graph '{name}' has {relations} relations, of which {both} are among its "
        f"{entities} entities: are the columns of its triples exchanged?"
        for name in "ab"
    ]
    del data.relation_uri, data.uri
    assert exchanged_columns(data) == []


@pytest.mark.parametrize(
    ("size", "shared", "said"), [(40, 20, 2), (41, 20, 0), (40, 11, 2), (40, 10, 0)]
)
def test_many_relations_and_most_of_them_entities(size, shared, said):
    entities = [f"e{i}" for i in range(size)]
    relations = entities[:shared] + [f"r{i}" for i in range(20 - shared)]
    triples = torch.tensor([[i, i % 20, i + 1] for i in range(size - 1)])
    graphs = [KnowledgeGraph(name, entities, relations, triples) for name in "ab"]
    links = {("a", "b"): torch.arange(20).repeat(2, 1)}
    assert len(exchanged_columns(KnowledgeGraphs(graphs, links)[0])) == said
