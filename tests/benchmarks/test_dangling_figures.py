"""Figures of entities without a counterpart, counted by hand."""

import pytest
import torch
from torch_geometric.data import HeteroData

from benchmarks.dangling.__main__ import PAIR, figures
from pyg_ibmea import Alignment


def test_figures():
    data = HeteroData()
    store = data[PAIR[0], "same_as", PAIR[1]]
    store.edge_index = torch.tensor([[0, 1, 2, 6], [0, 1, 2, 3]])
    store.test_mask = torch.tensor([True, True, True, False])
    store.dangling = torch.tensor([3, 4])
    alignment = Alignment(
        [PAIR],
        {PAIR[0]: list("abcdefg"), PAIR[1]: list("uvwx")},
        source=[0, 1, 2, 3, 4, 5],
        target=[0, 1, 3, 3, 2, 0],  # Right, right, wrong, alone, alone, unknown.
        runner_up=[-1] * 6,
        score=[0.9, 0.5, 0.2, 0.6, 0.1, 0.8],
        margin=[0.0] * 6,
        confidence=[0.9, 0.4, 0.7, 0.8, 0.1, 0.9],
        pair=[0] * 6,
        threshold={PAIR: 0.5},
    )
    found = figures(data, alignment)
    assert (found["asked"], found["alone"]) == (5, 2)
    # Below .5 are 1 and 4, and 4 alone is right to be there.
    assert found["found"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5}
    # Given are 0, 2 and 3, of which 0 is right; three have a counterpart.
    assert found["matched"] == pytest.approx(
        {"precision": 1 / 3, "recall": 1 / 3, "f1": 1 / 3}
    )
    # From the lowest score: alone, no, no, alone, no.
    assert found["found_by_score"] == pytest.approx(max(2 / 3, 2 * 2 / (4 + 2)))
    # From the highest: right, wrong, right, wrong, wrong.
    assert found["matched_by_score"] == pytest.approx(2 * 2 / (3 + 3))
    assert found["right_at_all"] == pytest.approx(2 / 3)
