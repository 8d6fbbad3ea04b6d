import json

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from benchmarks.seedless.cases import with_names
from benchmarks.seedless.figures import Judged, figures
from benchmarks.seedless.report import write_report
from pyg_ibmea.problem import set_labels


@pytest.fixture
def data():
    """Four and five entities, three links."""
    data = HeteroData()
    data["a"].num_nodes, data["b"].num_nodes = 4, 5
    data["a", "same_as", "b"].edge_index = torch.tensor([[0, 1, 2], [0, 1, 2]])
    data.uri = {"a": ["#A0", "#A1", "#A2", "#x"], "b": [f"#B{i}" for i in range(5)]}
    return data


def test_matches_without_an_entity_of_a_link_count_only_if_links_are_complete(data):
    matches = np.array([0, 1, 3]), np.array([0, 2, 4])
    found = figures(data, *matches, complete=False)
    assert (found["right"], found["matches"], found["links"]) == (1, 2, 3)
    assert found["precision"] == 1 / 2
    assert found["recall"] == pytest.approx(1 / 3)
    assert found["f1"] == pytest.approx(2 * 1 / (2 + 3))
    assert figures(data, *matches, complete=True)["precision"] == pytest.approx(1 / 3)


def test_what_is_no_class_does_not_count(data):
    judged = Judged({"a": "A", "b": "B"})
    found = judged.figures(data, np.array([0, 3, 1]), np.array([0, 4, 3]))
    assert (found["right"], found["matches"]) == (1, 2)


def test_labels_become_a_modality(data):
    for kg in ("a", "b"):
        set_labels(data, kg, [["Zug", "Zoug"]] + [[]] * (data[kg].num_nodes - 1))
    data = with_names(data)
    assert data["a"].mask_name.tolist() == [True, False, False, False]
    assert data["a"].x_name[0] @ data["b"].x_name[0] == pytest.approx(1)


def test_the_table_shows_the_last_run_of_a_case(tmp_path):
    figure = {"precision": 0.5, "recall": 0.25, "f1": 1 / 3, "matches": 4}
    lines = [
        {"case": "x", "stages": {"anchors": {**figure, "precision": 0.1}}},
        {"case": "x", "stages": {"anchors": figure}},
        {"case": "x", "epochs": 3, "stages": {"trained": {**figure, "cpu_seconds": 7}}},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "runs.jsonl").write_text(text)
    table = write_report(tmp_path).read_text().splitlines()
    assert table[-2:] == [
        "| x | anchors | 0.500 | 0.250 | 0.333 | 4 |  |",
        "| x | trained, 3 epochs | 0.500 | 0.250 | 0.333 | 4 | 7 |",
    ]
