"""Metrics of a model on the validation or test pairs."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.data import HeteroData

from pyg_ibmea.align import (
    Alignment,
    Decoder,
    align_greedy,
    join_views,
    mutual_nearest,
    ranking_metrics,
)
from pyg_ibmea.nn import IBMEA, RelationalGraph

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


@torch.no_grad()
def evaluate(
    model: IBMEA | Sequence[IBMEA],
    data: HeteroData,
    part: str,
    decoders: Sequence[Decoder] = ("csls",),
    csls_k: int = 3,
    candidates: str = "counterparts",
    graph: RelationalGraph | EdgeIndex | None = None,
    sinkhorn_temperature: float = 0.02,
) -> dict[str, Any]:
    """Ranks the true counterparts of the pairs of one part, in evaluation mode.

    Args:
        model (IBMEA or sequence of IBMEA): The model, or several whose similarities
            are averaged; their modes are restored afterwards.
        data (HeteroData): The problem.
        part (str): ``'val'`` or ``'test'``.
        decoders (sequence of str, optional): See
            :func:`pyg_ibmea.align.ranking_metrics`. (default: :obj:`('csls',)`)
        csls_k (int, optional): Neighbours of CSLS. (default: :obj:`3`)
        candidates (str, optional): ``'counterparts'``: ranks among the counterparts
            of the part's pairs, as the literature reports them; ``'unaligned'``:
            among all entities outside the training pairs, which is harder and needs
            no knowledge of any pair outside the part.
            (default: :obj:`'counterparts'`)
        graph (RelationalGraph or EdgeIndex, optional): See :meth:`IBMEA.forward`.
        sinkhorn_temperature (float, optional): See :func:`pyg_ibmea.align.sinkhorn`.
            (default: :obj:`0.02`)

    Returns:
        dict: By decoder, what :func:`pyg_ibmea.align.ranking_metrics` returns.
    """
    pair = alignment_pair(data)
    links = links_of(data, part)
    if candidates == "counterparts":
        entities = [side.unique() for side in links]
    elif candidates == "unaligned":
        entities = unaligned_entities(data, ("train",))
    else:
        raise ValueError(
            f"candidates must be 'counterparts' or 'unaligned', got {candidates!r}"
        )
    sides = zip(entities, links, strict=True)
    rows = torch.stack([torch.searchsorted(ids, side) for ids, side in sides])
    for ids, row, side in zip(entities, rows, links, strict=True):
        if not torch.equal(ids[row.clamp(max=ids.numel() - 1)], side):
            raise ValueError(
                f"an entity of the {part} pairs is in a training pair too; split the "
                "links by connected component (pyg_ibmea.data.split_links does)"
            )
    z = _encode(model, data, pair, entities, graph)
    return {
        decoder: ranking_metrics(
            z[pair[0]],
            z[pair[1]],
            decoder=decoder,
            csls_k=csls_k,
            pairs=rows,
            sinkhorn_temperature=sinkhorn_temperature,
        )
        for decoder in decoders
    }


@torch.no_grad()
def align_unaligned(
    model: IBMEA | Sequence[IBMEA],
    data: HeteroData,
    temperature: float,
    csls_k: int = 3,
    graph: RelationalGraph | EdgeIndex | None = None,
) -> tuple[Tensor, Alignment]:
    """Proposes a counterpart for every source entity outside the seed pairs.

    Args:
        model (IBMEA or sequence of IBMEA): The trained model, or several.
        data (HeteroData): The problem.
        temperature (float): See :func:`pyg_ibmea.align.align_greedy`.
        csls_k (int, optional): Neighbours of CSLS. (default: :obj:`3`)
        graph (RelationalGraph or EdgeIndex, optional): See :meth:`IBMEA.forward`.

    Returns:
        tuple: The source entities ``[n]`` and their alignment, whose ``target`` holds
        node ids of the target graph.
    """
    pair = alignment_pair(data)
    entities = unaligned_entities(data, ("train", "val"))
    z = _encode(model, data, pair, entities, graph)
    alignment = align_greedy(
        z[pair[0]], z[pair[1]], temperature=temperature, csls_k=csls_k
    )
    return entities[0], alignment._replace(target=entities[1][alignment.target])


@torch.no_grad()
def propose_pairs(
    model: IBMEA | Sequence[IBMEA],
    data: HeteroData,
    threshold: float,
    sinkhorn_temperature: float = 0.02,
    graph: RelationalGraph | EdgeIndex | None = None,
) -> Tensor:
    """Proposes pairs among the entities outside the training pairs: those that are
    each other's best by Sinkhorn scaling, with at least a given probability.

    Validation and test entities are proposed for like any other, and no pair of
    theirs is looked at.

    Args:
        model (IBMEA or sequence of IBMEA): The model, or several; noise and dropout
            are off, their modes are restored.
        data (HeteroData): The problem.
        threshold (float): Least probability of a proposal.
        sinkhorn_temperature (float, optional): See :func:`pyg_ibmea.align.sinkhorn`.
            (default: :obj:`0.02`)
        graph (RelationalGraph or EdgeIndex, optional): See :meth:`IBMEA.forward`.

    Returns:
        torch.Tensor: Node ids, long ``[2, L]``; no entity is in two pairs.
    """
    pair = alignment_pair(data)
    entities = unaligned_entities(data, ("train",))
    z = _encode(model, data, pair, entities, graph)
    rows, score = mutual_nearest(
        z[pair[0]],
        z[pair[1]],
        decoder="sinkhorn",
        sinkhorn_temperature=sinkhorn_temperature,
    )
    # The score of Sinkhorn scaling is temperature * log(probability).
    rows = rows[:, (score / sinkhorn_temperature).exp() >= threshold]
    return torch.stack([entities[0][rows[0]], entities[1][rows[1]]])


def share_right(data: HeteroData, pairs: Tensor) -> dict[str, float]:
    """How many of some proposed pairs are right, by all links that are known.

    It reads the test pairs: for the end of a training, when nothing depends on them.

    Args:
        data (HeteroData): The problem.
        pairs (torch.Tensor): Node ids, long ``[2, L]``.

    Returns:
        dict: ``pairs``, their number; ``right``, the share of them that are links;
        ``right_of_known``, that share among the pairs of which an entity is in a link
        (0 where there are none). The others may be right or wrong: nobody knows.
    """
    pair = alignment_pair(data)
    links = data[pair[0], "same_as", pair[1]].edge_index.cpu()
    size = data[pair[1]].num_nodes
    pairs = pairs.cpu()
    known = torch.isin(pairs[0], links[0]) | torch.isin(pairs[1], links[1])
    right = torch.isin(pairs[0] * size + pairs[1], links[0] * size + links[1])
    count = int(right.sum())
    return {
        "pairs": pairs.size(1),
        "right": count / max(1, pairs.size(1)),
        "right_of_known": count / max(1, int(known.sum())),
    }


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


def _encode(
    model: IBMEA | Sequence[IBMEA],
    data: HeteroData,
    pair: tuple[str, str],
    entities: Sequence[Tensor],
    graph: RelationalGraph | EdgeIndex | None,
) -> dict[str, Tensor]:
    """The embeddings of some entities of both graphs, without noise or dropout."""
    chosen = dict(zip(pair, entities, strict=True))
    views = []
    for member in [model] if isinstance(model, IBMEA) else model:
        training = member.training
        member.eval()
        try:
            views.append(member(data, chosen, graph).z)
        finally:
            member.train(training)
    if len(views) == 1:
        z: dict[str, Tensor] = views[0]
        return z
    return {kg: join_views([view[kg] for view in views]) for kg in pair}
