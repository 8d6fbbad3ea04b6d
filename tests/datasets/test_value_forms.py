from __future__ import annotations

import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.datasets._value_forms import mixed_forms
from pyg_ibmea.datasets.inspection import inspect_problem


def with_values(data: HeteroData, **values: list[str]) -> HeteroData:
    texts = [text for found in values.values() for text in found]
    sizes = torch.tensor([len(found) for found in values.values()])
    data.literals = {
        "source": {
            "entity": torch.zeros(len(texts), dtype=torch.long),
            "attribute": torch.arange(len(values)).repeat_interleave(sizes),
            "text": texts,
            "attribute_uri": list(values),
        }
    }
    return data


def test_dates_in_several_forms_are_counted() -> None:
    data = with_values(
        SyntheticMMKG(num_entities=100)[0],
        born=["1884-05-08", "1894.0802", "1905.0000", "1900-01", "1982"],
        died=["1982.333", "1955.75", "1960"],
        height=["1.80", "1.75"],
    )
    [sentence] = mixed_forms(data)
    assert sentence == (
        "Graph 'source': the values of 'born' are written in several ways: 2 like "
        "'1884-05-08' (date of ISO 8601), 2 like '1894.0802' (date as year.MMDD)."
    )
    assert sentence in inspect_problem(data)["problems"]


def test_units_are_counted() -> None:
    data = with_values(
        SyntheticMMKG(num_entities=100)[0],
        height=["180 cm", "1.8 m", "1.75 m", "tall"],
        weight=["70 kg", "75 kg"],
    )
    [sentence] = mixed_forms(data)
    assert "1 like '180 cm' (number in cm), 2 like '1.8 m' (number in m)." in sentence


def test_no_values_no_sentences() -> None:
    assert mixed_forms(SyntheticMMKG(num_entities=100)[0]) == []
