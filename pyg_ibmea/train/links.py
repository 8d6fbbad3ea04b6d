"""The known pairs of an alignment problem, and what is outside them."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

PARTS = ("train", "val", "test")
Pair = tuple[str, str]


def linked_pairs(data: HeteroData) -> list[Pair]:
    """The names of the graphs that an alignment problem links, pair by pair.

    Raises:
        ValueError: If there are no links.
    """
    pairs = [(a, b) for a, relation, b in data.edge_types if relation == "same_as"]
    if not pairs:
        raise ValueError("no graphs are linked by 'same_as'")
    return pairs


def pair_problems(data: HeteroData) -> list[HeteroData]:
    """The alignment problem of each linked pair of graphs.

    Each holds all graphs, but the links of its pair only; whatever takes a problem of
    two graphs takes it, and a model of all graphs fits all of them.

    Args:
        data (HeteroData): The problem; it is left as it is.

    Returns:
        list: The problems, in the order of :func:`linked_pairs`; with one pair the
        problem itself.
    """
    pairs = linked_pairs(data)
    if len(pairs) == 1:
        return [data]
    problems = []
    for pair in pairs:
        problem = copy.copy(data)
        for a, b in pairs:
            if (a, b) != pair:
                del problem[a, "same_as", b]
        problems.append(problem)
    return problems


def alignment_pair(data: HeteroData) -> Pair:
    """The names of the two graphs that an alignment problem links.

    Raises:
        ValueError: If there is not exactly one pair.
    """
    pairs = linked_pairs(data)
    if len(pairs) != 1:
        raise ValueError(
            f"one pair of linked graphs is needed, got {pairs}; take them one by one "
            "with pair_problems"
        )
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


def seed_pairs(data: HeteroData) -> dict[Pair, Tensor]:
    """The training pairs of every linked pair of graphs, long ``[2, L]``."""
    problems = pair_problems(data)
    return {alignment_pair(p): links_of(p, "train") for p in problems}


def add_validation_pairs(data: HeteroData) -> HeteroData:
    """The problem with the validation pairs among the training pairs, for a last
    training when there is nothing left to choose.

    Args:
        data (HeteroData): The problem; it is left as it is.
    """
    known = copy.copy(data)
    for source, target in linked_pairs(data):
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
