"""What graphs and modalities may be called, from given data to an alignment."""

import pytest
import torch

from pyg_ibmea import Aligner
from pyg_ibmea.data import KnowledgeGraph
from pyg_ibmea.datasets import GraphFiles, KnowledgeGraphs, MMKGPair

SIZE = 30


def problem(kg="en", modality="looks"):
    graphs = []
    for name in (kg, "other"):
        triples = torch.randint(3, (90, 3))
        triples[:, [0, 2]] = torch.randint(SIZE, (90, 2))
        features = {modality: (torch.randn(SIZE, 4), torch.ones(SIZE).bool())}
        graphs.append(
            KnowledgeGraph(name, [f"e{i}" for i in range(SIZE)], list("abc"),
                           triples.unique(dim=0), features=features)
        )  # fmt: skip
    links = {(kg, "other"): torch.arange(SIZE).repeat(2, 1)}
    return KnowledgeGraphs(graphs, links, ratio=0.5, val_ratio=0.3)[0]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("kg", "modality"),
    [("a/b", "training"), ("a#b c", "_modules"), ("type", "a#b"), ("東京", "a/b, 'c'")],
)
def test_any_reasonable_name_works_from_training_to_loading(tmp_path, kg, modality):
    data = problem(kg, modality)
    aligner = Aligner(epochs=2, graph_channels=8, modal_channels=8, progress=False)
    aligner.fit(data, tmp_path / "run")
    again = Aligner.load(tmp_path / "run", data)
    assert again.embed()[kg].equal(aligner.embed()[kg])
    assert list(again.align().pairs) == [(kg, "other")]
    assert aligner.history_[-1]["loss"][f"info_nce/{modality}"] > 0


@pytest.mark.parametrize(
    ("kg", "modality", "message"),
    [
        *((name, "m", f"graph name '{name}' is taken") for name in
          ("uri", "relation_uri", "column_uri", "literals", "_global_store")),
        (" ", "m", "a graph needs a name, got ' '"),
        ("a\tb", "m", "control character or line break"),
        ("a\u2028b", "m", "control character or line break"),
        ("\udcff", "m", r"graph name '\\udcff' is not UTF-8"),
        ("en", "graph", "modality name 'graph' is taken"),
        ("en", "*", r"modality name '\*' is taken"),
        ("en", "", "a modality needs a name, got ''"),
        ("en", "a\nb", "control character or line break"),
        ("en", "\udcff", r"modality name '\\udcff' is not UTF-8"),
        ("en", "relation", "'relation' is made from the graphs, not from given"),
        ("en", "attribute", "'attribute' is made from the graphs, not from given"),
    ],
)  # fmt: skip
def test_other_names_are_refused_before_anything_is_read(
    kg, modality, message, tmp_path
):
    with pytest.raises(ValueError, match=message):
        problem(kg, modality)
    with pytest.raises(ValueError, match=message):
        GraphFiles.parse([kg, "rdf=no.nt", f"feature:{modality}=no.npz"])
    if kg != "en":
        with pytest.raises(ValueError, match=message):
            MMKGPair(tmp_path / "nowhere", names=("en", kg))


@pytest.mark.parametrize("kind", ["image", "name"])
def test_a_modality_is_given_once(kind):
    message = f"give either {kind}s or the vectors feature:{kind}, not both"
    with pytest.raises(ValueError, match=message):
        GraphFiles.parse(["en", "rdf=g.nt", f"{kind}s=x", f"feature:{kind}=x.npz"])


def test_a_name_of_half_a_character_is_refused_before_it_is_encoded():
    triples = torch.tensor([[0, 0, 1]])
    graphs = [KnowledgeGraph(kg, ["u", "v"], ["r"], triples) for kg in "ab"]
    links = {("a", "b"): torch.arange(2).repeat(2, 1)}
    names = {"a": {"u": "name"}, "b": {"v": "caf\udce9"}}
    with pytest.raises(ValueError, match=r"names of entities: 'caf\\udce9' is not"):
        KnowledgeGraphs(graphs, links, names=names)
