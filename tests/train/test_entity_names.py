"""What entities and facts are called."""

import torch

from pyg_ibmea.data import KnowledgeGraph
from pyg_ibmea.data.builder import UNNAMED
from pyg_ibmea.data.hetero import to_hetero_data
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.train._entity_names import Names


def named(relations):
    graphs = [
        KnowledgeGraph(
            kg, [f"http://{kg}.org/Paris", f"http://{kg}.org/France"], relations,
            torch.tensor([[0, 1, 1], [1, 0, 0]]),
        )
        for kg in ("zh", "en")
    ]  # fmt: skip
    links = {("zh", "en"): torch.tensor([[0], [0]])}
    return to_hetero_data(graphs, links, warn=False)


def test_facts_name_relation_direction_and_neighbour():
    names = Names(named(["http://x.org/#capital", "http://x.org/in"]))
    assert names.num_relations("en") == 2
    assert names.fact("en", 1, 1) == "in → France"
    # From the number of relations on, from tail to head.
    assert names.fact("en", 2, 1) == "capital ← France"
    assert names.fact("en", 3, 0, full=True) == "http://x.org/in ← http://en.org/Paris"
    assert names.node["zh"] == {"http://zh.org/Paris": 0, "http://zh.org/France": 1}


def test_a_relation_without_a_name_is_an_arrow():
    assert Names(named([UNNAMED, "in"])).fact("en", 0, 1) == "→ France"


def test_labels_come_before_uris():
    data = named(["a", "b"])
    data.labels = {"en": ["Paris, France\nLutetia", ""]}
    names = Names(data)
    assert names.label("en", 0) == "Paris, France"
    assert names.label("en", 1) == "France"
    assert names.label("zh", 0) == "Paris"
    assert names.fact("en", 0, 0) == "a → Paris, France"


def test_where_nothing_has_a_name_numbers_stand():
    data = SyntheticMMKG(num_entities=50)[0]
    del data.uri
    names = Names(data)
    assert names.uri("source", 7) == "7"
    assert names.fact("source", 0, 7) == "relation 0 → 7"
