from __future__ import annotations

import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.data.gaps import describe_gaps


def problem() -> HeteroData:
    data = HeteroData()
    for name in ("zh", "en"):
        data[name].num_nodes = 2
        data[name].x_image = torch.ones(2, 1)
        data[name].x_relation = torch.eye(2).to_sparse()
        data[name, "rel", name].edge_index = torch.tensor([[0], [1]])
    return data


def test_nothing_to_say() -> None:
    data = problem()
    edge_types = list(data.edge_types)
    assert describe_gaps(data) == []
    assert data.edge_types == edge_types


def test_modality_without_a_matrix_on_one_side() -> None:
    data = problem()
    del data["en"]["x_image"]
    assert [gap.split(":")[0] for gap in describe_gaps(data)] == [
        "Modality 'image' is missing for every entity of 'en'"
    ]


def test_mask_without_a_present_row() -> None:
    data = problem()
    data["zh"].mask_image = torch.zeros(2, dtype=torch.bool)
    assert "'image' is missing for every entity of 'zh'" in describe_gaps(data)[0]


def test_columns_apart() -> None:
    data = problem()
    data["zh"].x_relation = torch.tensor([[1.0, 0], [0, 0]]).to_sparse()
    data["en"].x_relation = torch.tensor([[0, 0], [0, 1.0]]).to_sparse()
    assert "'relation': the graphs 'zh', 'en' share no column" in describe_gaps(data)[0]
