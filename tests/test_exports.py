from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Alignment, Clusters
from pyg_ibmea.cli._exports import (
    join_known,
    read_labels,
    write_embeddings,
    write_merged,
)
from pyg_ibmea.data import KnowledgeGraph, read_rdf
from pyg_ibmea.rdf_terms import name_of_iri

ODD = 'say "hi"\n\ttwice \\ \x01 é \u2028 \U0001f600'


def graph(name, triples):
    return KnowledgeGraph(
        name, [f"http://{name}/{i}" for i in range(3)], ["http://r/in"],
        torch.tensor(triples), attributes=torch.tensor([[0, 1], [0, 0]]),
        attribute_names=["http://r/label"], values=[ODD, ""],
    )  # fmt: skip


@pytest.fixture
def graphs():
    return [graph("a", [[0, 0, 1]]), graph("b", [[2, 0, 0], [0, 0, 1]])]


def alignment(*matches):
    """Matches of ``http://a/i`` and ``http://b/j``: i, j and the confidence."""
    source, target, confidence = zip(*matches, strict=True) if matches else [()] * 3
    return Alignment(
        [("a", "b")],
        {kg: [f"http://{kg}/{i}" for i in range(9)] for kg in "ab"},
        source=source,
        target=target,
        runner_up=[-1] * len(matches),
        score=[0.5] * len(matches),
        margin=[0.1] * len(matches),
        confidence=confidence,
        pair=[0] * len(matches),
    )


KNOWN = {("a", "b"): [("http://a/0", "http://b/0")]}


def test_embeddings_stay_inside_the_folder(tmp_path):
    z = {"../out": torch.arange(6.0).view(3, 2), "b": torch.ones(1, 2)}
    uris = {"../out": ["x", "two\nlines", "é"], "b": ["y"]}
    files = write_embeddings(tmp_path / "new", z, uris)
    assert {file.parent for file in files} == {tmp_path / "new"}
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == [
        "..%2Fout.ids.txt", "..%2Fout.npy", "b.ids.txt", "b.npy"
    ]  # fmt: skip
    assert np.load(files[0]).tolist() == z["../out"].tolist()
    lines = files[1].read_text(encoding="utf-8").splitlines()
    assert lines == ["x", r"two\nlines", "é"]


def test_known_pairs_come_before_matches(graphs):
    matches = alignment((1, 0, 0.99), (1, 1, 0.3), (2, 1, 0.2))
    clusters = join_known(graphs, KNOWN, matches)
    assert clusters.members.tolist() == [[0, 0], [1, 1]]


def test_match_of_an_unknown_entity(graphs):
    with pytest.raises(ValueError, match="'http://b/7', which is not in the graphs"):
        join_known(graphs, KNOWN, alignment((1, 7, 0.5)))


def test_n_triples_are_read_back(graphs, tmp_path):
    pyoxigraph = pytest.importorskip("pyoxigraph")
    clusters = join_known(graphs, KNOWN, alignment((1, 1, 0.5)))
    write_merged(tmp_path / "m.nt", graphs, clusters)
    parsed = pyoxigraph.parse(path=str(tmp_path / "m.nt"))
    found = {(q.subject.value, q.predicate.value, q.object.value) for q in parsed}
    same = "http://www.w3.org/2002/07/owl#sameAs"
    assert found == {
        ("http://a/0", "http://r/in", "http://a/1"),
        ("http://b/2", "http://r/in", "http://a/0"),
        ("http://a/0", "http://r/label", ODD),
        ("http://a/0", same, "http://b/0"),
        ("http://a/1", same, "http://b/1"),
    }


def test_hetero_data_is_read_back(graphs, tmp_path):
    clusters = join_known(graphs, KNOWN, alignment())
    merged = write_merged(tmp_path / "m.pt", graphs, clusters)
    data = HeteroData.from_dict(torch.load(tmp_path / "m.pt", weights_only=True))
    assert data["entity"].num_nodes == merged.num_nodes == 5
    assert data.uri["entity"][0] == "http://a/0"
    edges = data["entity", "rel", "entity"].edge_index
    assert edges.t().tolist() == merged.triples[:, [0, 2]].tolist()


def test_old_file_stays_if_writing_fails(graphs, tmp_path, monkeypatch):
    path = tmp_path / "m.pt"
    path.write_text("old")

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", fail)
    clusters = join_known(graphs, KNOWN, alignment())
    with pytest.raises(OSError, match="no space left"):
        write_merged(path, graphs, clusters)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["m.pt"]


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
names = (texts | texts.map("http://x/{}".format)).filter(lambda name: name[:2] != "_:")


@pytest.mark.parametrize("library", ["pyoxigraph", "rdflib"])
@given(data=st.data())
def test_any_name_survives_a_merged_graph(tmp_path_factory, library, data):
    parser = pytest.importorskip(library)
    entities = data.draw(st.lists(names, min_size=3, max_size=9, unique=True))
    relation, kind, value = data.draw(names), data.draw(names), data.draw(texts)
    merged = KnowledgeGraph(
        "a", entities, [relation], torch.tensor([[0, 0, 1]]),
        attributes=torch.tensor([[2], [0]]), attribute_names=[kind], values=[value],
    )  # fmt: skip
    path = tmp_path_factory.mktemp("merged") / "m.nt"
    other = replace(merged, name="b", entities=[f"{name} b" for name in entities])
    nothing = torch.empty(0, 2, dtype=torch.long)
    write_merged(path, [merged, other], Clusters(("a", "b"), nothing, torch.ones(0)))
    if library == "rdflib":
        found = {tuple(map(str, s)) for s in parser.Graph().parse(path, format="nt")}
    else:
        found = {
            (q.subject.value, q.predicate.value, q.object.value)
            for q in parser.parse(path=str(path))
        }
    read = {tuple(map(name_of_iri, statement[:2])) for statement in found}
    assert {(entities[0], relation), (entities[2], kind)} <= read
    assert value in {statement[2] for statement in found}
    again = read_rdf("again", path)
    assert set(again.relations) == {relation}
    assert set(entities[:2]) <= set(again.entities)
    assert set(again.values) == {value}


def test_blank_nodes_of_a_merged_graph(tmp_path):
    pyoxigraph = pytest.importorskip("pyoxigraph")
    triples = torch.tensor([[0, 0, 1], [1, 0, 2], [2, 0, 3]])
    left = KnowledgeGraph("a", ["_:p", "_:q", "urn:r", "urn:s"], ["urn:in"], triples)
    right = KnowledgeGraph("b", ["urn:p", "_:u", "_:v", "_:q"], ["urn:in"], triples)
    members = torch.tensor([[0, 0], [1, 1], [2, 2]])
    path = tmp_path / "m.nt"
    with pytest.warns(UserWarning, match="left out 3 owl:sameAs statements"):
        write_merged(path, [left, right], Clusters(("a", "b"), members, torch.ones(3)))
    # What is the same as an IRI bears it; the other _:q has a name of its own.
    assert {str(q.triple) for q in pyoxigraph.parse(path=str(path))} == {
        "<urn:p> <urn:in> _:q",
        "_:q <urn:in> <urn:r>",
        "<urn:r> <urn:in> <urn:s>",
        "<urn:r> <urn:in> _:m4",
    }


def test_labels_of_the_files_of_a_run(tmp_path):
    (tmp_path / "a.tsv").write_text("x\tin\ty\n")
    (tmp_path / "names.tsv").write_text("x\tZug\n")
    (tmp_path / "b.tsv").write_text("z\tname\tBern\nz\tname\tBerne\n")
    triples, names = f"triples={tmp_path / 'a.tsv'}", f"names={tmp_path / 'names.tsv'}"
    attributes = f"attributes={tmp_path / 'b.tsv'}"
    config = {"graphs": [["a", triples, names], ["b", attributes]]}
    assert read_labels(config) == {"a": {"x": "Zug"}, "b": {"z": "Bern"}}
    assert read_labels({}) == {}  # Made in Python: nothing says from what.
    (tmp_path / "b.tsv").unlink()
    with pytest.warns(UserWarning, match=r"matches are without labels: .*b\.tsv"):
        assert read_labels(config) == {}
