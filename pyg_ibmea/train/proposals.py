"""Pairs that a model proposes, and how many of them are right."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.align import mutual_nearest
from pyg_ibmea.nn import IBMEA, ModelGraph
from pyg_ibmea.problem import (
    alignment_pair,
    links_between,
    links_of,
    unaligned_entities,
)
from pyg_ibmea.train.evaluation import encode_entities


@torch.no_grad()
def propose_pairs(
    model: IBMEA | Sequence[IBMEA],
    data: HeteroData,
    threshold: float,
    sinkhorn_temperature: float = 0.02,
    graph: ModelGraph | None = None,
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
        graph (ModelGraph, optional): See :meth:`IBMEA.forward`.

    Returns:
        torch.Tensor: Node ids, long ``[2, L]``; no entity is in two pairs.
    """
    pair = alignment_pair(data)
    entities = unaligned_entities(data, ("train",))
    if not all(side.numel() for side in entities):
        return torch.stack([side[:0] for side in entities])
    chosen = dict(zip(pair, entities, strict=True))
    z = encode_entities(model, data, chosen, graph)
    rows, score = mutual_nearest(
        z[pair[0]],
        z[pair[1]],
        decoder="sinkhorn",
        sinkhorn_temperature=sinkhorn_temperature,
    )
    # The score of Sinkhorn scaling is temperature * log(probability).
    rows = rows[:, (score / sinkhorn_temperature).exp() >= threshold]
    return torch.stack([entities[0][rows[0]], entities[1][rows[1]]])


def outside_seed_pairs(data: HeteroData, pairs: Tensor) -> Tensor:
    """Those pairs that share no entity with a training pair.

    Args:
        data (HeteroData): The problem.
        pairs (torch.Tensor): Node ids, long ``[2, L]``.
    """
    seeds = links_of(data, "train").to(pairs.device)
    taken = torch.isin(pairs[0], seeds[0]) | torch.isin(pairs[1], seeds[1])
    return pairs[:, ~taken]


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
    links = links_between(data, pair).edge_index.cpu()
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
