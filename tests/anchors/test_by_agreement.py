import numpy as np
import torch
from tiny_graphs import tiny_problem

from pyg_ibmea.anchors import find_anchors
from pyg_ibmea.anchors._by_agreement import AGREEMENT, by_agreement
from pyg_ibmea.problem import Literals

DAYS = [f"19{i:02}-0{1 + i % 9}-1{i % 10}" for i in range(60)]


def literals(entities, texts, name):
    ids = torch.tensor(entities)
    return Literals(ids, torch.zeros_like(ids), list(texts), [name])


def test_only_those_that_single_out_each_other():
    """Entity i was born on day i on both sides, but three share a day."""
    days = [*DAYS[:50], DAYS[0], DAYS[0]]
    source = literals(range(52), days, "born")
    target = literals(range(50), DAYS[:50], "birth")
    found = by_agreement(source, target, (60, 60))
    assert found.row.tolist() == found.column.tolist() == list(range(1, 50))
    assert (found.value <= 0.95).all()
    assert np.median(found.value) > 0.8
    none = by_agreement(literals([], [], "born"), target, (60, 60))
    assert len(none.row) == 0


def test_values_of_the_problem_are_anchors():
    data = tiny_problem(0)
    graphs = tuple(data.node_types)[:2]
    count = [int(data[kg].num_nodes) for kg in graphs]
    data.literals = {}
    for kg, number in zip(graphs, count, strict=True):
        data.literals[kg] = {
            "entity": torch.arange(number),
            "attribute": torch.zeros(number, dtype=torch.long),
            "text": DAYS[:number],
            "attribute_uri": ["born"],
        }
    found = find_anchors(data, graphs)
    pairs = dict(zip(found.source[found.sure], found.target[found.sure], strict=True))
    assert all(pairs[i] == i for i in range(min(count)))
    assert AGREEMENT in found.kinds
    # What is given takes their place.
    assert len(find_anchors(data, graphs, values={})) == 0
