import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.data import KnowledgeGraph, add_entities
from pyg_ibmea.data.features.labels import label_by_uri, labels_in, names_in_uris
from pyg_ibmea.data.features.literals import NAME_ATTRIBUTES
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.datasets.perturbations import DensestPairs
from pyg_ibmea.problem import labels_of, set_labels
from pyg_ibmea.train.part_problem import part_problem

OBO = "http://www.geneontology.org/formats/oboInOwl#hasRelatedSynonym"
ALT = "http://www.w3.org/2004/02/skos/core#altLabel"


def graph():
    """A class with two labels, a synonym as a value and one as a node."""
    return KnowledgeGraph(
        "en",
        ["heart", "genid1"],
        ["part of", OBO],
        torch.tensor([[0, 1, 1], [1, 0, 0]]),
        attributes=torch.tensor([[0, 0, 0, 0, 1], [1, 0, 0, 2, 0]]),
        attribute_names=[NAME_ATTRIBUTES[0], ALT, "weight"],
        values=["pump", "heart", "Herz", "300", "cor"],
    )


def test_labels_come_from_names_then_labels_then_synonyms():
    assert labels_in(graph()) == [["heart", "Herz", "pump", "cor"], []]
    named = labels_in(graph(), {"heart": "the heart", "genid1": "", "lung": "lung"})
    assert named == [["the heart", "heart", "Herz", "pump", "cor"], []]


def test_uris_name_entities_only_where_labels_lack():
    data = HeteroData()
    for kg in ("a", "b"):
        data[kg].num_nodes = 2
    data.uri = {
        "a": ["http://x/Zug_(Stadt)", "http://x/Basel/"],
        "b": ["http://y/Q12", "http://y/Bern"],
    }
    set_labels(data, "b", [["Zug"], []])
    label_by_uri(data)
    assert data.labels == {"a": ["Zug (Stadt)", "Basel"], "b": ["Zug", ""]}
    label_by_uri(data, ["b"])
    assert data.labels["b"] == ["Q12", "Bern"]


def test_what_is_no_name_is_no_label():
    uris = ["http://x/12345", "_:b1x00ff", "http://x/onto#genid7", "", "http://x/a%20b"]
    assert names_in_uris(uris) == [[], [], [], [], ["a b"]]


def test_labels_follow_the_entities_they_are_of():
    data = SyntheticMMKG(num_entities=60)[0]
    for kg in data.node_types:
        set_labels(data, kg, [[uri, "x"] for uri in data.uri[kg]])
    more = add_entities(data, "source", ["new"])
    assert labels_of(more, "source") == [*labels_of(data, "source"), ()]
    members = {kg: torch.tensor([7, 3]) for kg in data.node_types}
    for small in (DensestPairs(20)(data), part_problem(data, members)[0]):
        for kg in data.node_types:
            assert labels_of(small, kg) == [(uri, "x") for uri in small.uri[kg]]
