from __future__ import annotations

from typing import Any

import pytest
import torch

from pyg_ibmea.data import KnowledgeGraph

TRIPLES = torch.tensor([[0, 0, 1]])


def test_node_ids_serve_as_published_ids() -> None:
    graph = KnowledgeGraph("en", ["a", "b"], ["r"], TRIPLES)
    assert graph.entity_ids is not None
    assert graph.entity_ids.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entities": ["a", "a"]}, "lists an entity URI twice"),
        ({"triples": torch.tensor([[0, 0]])}, r"triples must be long \[T, 3\]"),
        ({"triples": TRIPLES.float()}, "head entity ids must be long"),
        ({"triples": torch.tensor([[0, 1, 1]])}, r"relation id 1 lies outside 0\.\.0"),
        ({"triples": torch.tensor([[0, 0, 2]])}, r"tail entity id 2 lies outside"),
        ({"triples": torch.tensor([[-1, 0, 0]])}, r"head entity id -1 lies outside"),
        ({"entity_ids": torch.tensor([1])}, r"entity_ids must be \[2\]"),
        ({"attributes": torch.zeros(3, 1)}, r"attributes must be long \[2, A\]"),
        ({"attributes": torch.tensor([[0], [1]])}, "attribute id 1 lies outside"),
        (
            {"features": {"image": (torch.zeros(3, 1), torch.ones(2) > 0)}},
            r"modality 'image' must be \[2, F\]",
        ),
        (
            {"features": {"image": (torch.zeros(2, 1), torch.ones(2))}},
            r"mask of modality 'image' must be bool \[2\]",
        ),
    ],
)
def test_parts_that_do_not_fit(changes: dict[str, Any], message: str) -> None:
    parts = {
        "name": "en",
        "entities": ["a", "b"],
        "relations": ["r"],
        "triples": TRIPLES,
        "attribute_names": ["x"],
    }
    with pytest.raises(ValueError, match=f"graph 'en'.*{message}"):
        KnowledgeGraph(**{**parts, **changes})
