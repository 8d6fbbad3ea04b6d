"""Pairs that a model proposes, and how many of them are right."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Sinkhorn
from pyg_ibmea.align.decoders import Similarity
from pyg_ibmea.align.forbidding import is_among
from pyg_ibmea.align.matching import mutual_pairs
from pyg_ibmea.problem import (
    alignment_pair,
    different_of,
    links_between,
    links_of,
    unaligned_entities,
)
from pyg_ibmea.train.evaluation import unaligned_similarity


@torch.no_grad()
def propose_pairs(
    model: nn.Module | Sequence[nn.Module],
    data: HeteroData,
    threshold: float,
    decoder: Sinkhorn | None = None,
    graph: object | None = None,
    similarity: Similarity | None = None,
) -> Tensor:
    """Proposes pairs among the entities outside the training pairs: those that are
    each other's best by Sinkhorn scaling, with at least a given probability.

    Validation and test entities are treated like all others, and none of their pairs
    is looked at. A pair that is known to be different is never proposed.

    Args:
        model (Module or sequence of Module): The model, or several, used without noise
            and dropout; their modes are restored afterwards.
        data (HeteroData): The problem.
        threshold (float): Least probability of a proposal.
        decoder (Sinkhorn, optional): The scaling. (default: :obj:`Sinkhorn()`)
        graph (object, optional): What the model's ``graph_of(data)`` returned.
            (default: :obj:`None`)
        similarity (Similarity, optional): The cosines of these entities by this model,
            where they are known. (default: :obj:`None`)

    Returns:
        torch.Tensor: Node ids, long ``[2, L]``; no entity is in two pairs.
    """
    decoder = Sinkhorn() if decoder is None else decoder
    entities = unaligned_entities(data, ("train",))
    if similarity is None:
        similarity = unaligned_similarity(model, data, graph)
    if similarity is None:
        return torch.stack([side[:0] for side in entities])
    # A little less, so that rounding loses no pair.
    least = 0.999 * threshold
    least_score = decoder.temperature * math.log(least) if least > 0 else -math.inf
    rows, score = mutual_pairs(similarity, decoder, least_score)
    rows = rows[:, decoder.probability(score) >= threshold]
    pairs = torch.stack([entities[0][rows[0]], entities[1][rows[1]]])
    return pairs[:, ~is_among(pairs, different_of(data))]


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
    """How many proposed pairs are right, judged by all known links.

    It reads the test pairs, so it is for the end of a training, when nothing depends on
    them any more.

    Args:
        data (HeteroData): The problem.
        pairs (torch.Tensor): Node ids, long ``[2, L]``.

    Returns:
        dict: ``pairs``, their number; ``right``, the share of them that are links;
        ``right_of_known``, that share among the pairs of which an entity is in a link
        (0 where there are none). Whether the others are right is not known.
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
