"""The known pairs of an alignment problem, and what is outside them."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

PARTS = ("train", "val", "test")


def alignment_pair(data: HeteroData) -> tuple[str, str]:
    """The names of the two graphs that an alignment problem links.

    Raises:
        ValueError: If there is not exactly one pair.
    """
    pairs = [(a, b) for a, relation, b in data.edge_types if relation == "same_as"]
    if len(pairs) != 1:
        raise ValueError(f"one pair of linked graphs is needed, got {pairs}")
    return pairs[0]


def links_of(data: HeteroData, part: str) -> Tensor:
    """The links of a part of the split.

    Args:
        data (HeteroData): The problem.
        part (str): ``'train'``, ``'val'`` or ``'test'``.

    Returns:
        torch.Tensor: Node ids, long ``[2, L]``.
    """
    if part not in PARTS:
        raise ValueError(f"part must be one of {PARTS}, got {part!r}")
    source, target = alignment_pair(data)
    store = data[source, "same_as", target]
    links: Tensor = store.edge_index[:, store[f"{part}_mask"]]
    return links


def add_validation_pairs(data: HeteroData) -> HeteroData:
    """The problem with the validation pairs among the training pairs, for a last
    training when there is nothing left to choose.

    Args:
        data (HeteroData): The problem; it is left as it is.
    """
    source, target = alignment_pair(data)
    known = copy.copy(data)
    store = known[source, "same_as", target]
    store.train_mask = store.train_mask | store.val_mask
    store.val_mask = torch.zeros_like(store.val_mask)
    return known


def unaligned_entities(data: HeteroData, parts: Sequence[str]) -> list[Tensor]:
    """Node ids of both graphs, ascending, that are in no pair of the given parts."""
    entities = []
    for side, kg in enumerate(alignment_pair(data)):
        free = torch.ones(data[kg].num_nodes, dtype=torch.bool)
        for part in parts:
            free[links_of(data, part)[side].cpu()] = False
        device = links_of(data, "train").device
        entities.append(free.nonzero().flatten().to(device))
    return entities


def dangling_of(data: HeteroData, part: str) -> Tensor:
    """The source entities of a part of the split that are known to have no counterpart.

    Args:
        data (HeteroData): The problem; its links may hold ``dangling``, node ids of
            such entities, long ``[D]``, and ``dangling_part``, the number of the part
            each belongs to: 0 training, 1 validation, 2 test.
        part (str): ``'train'``, ``'val'`` or ``'test'``.

    Returns:
        torch.Tensor: Node ids, long; empty if nothing is known.
    """
    if part not in PARTS:
        raise ValueError(f"part must be one of {PARTS}, got {part!r}")
    source, target = alignment_pair(data)
    store = data[source, "same_as", target]
    if "dangling" not in store:
        return torch.empty(0, dtype=torch.long, device=store.edge_index.device)
    found: Tensor = store.dangling[store.dangling_part == PARTS.index(part)]
    return found
