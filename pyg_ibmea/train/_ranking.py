"""Several matches of an entity, and how sure each of them is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Alignment, Calibration
from pyg_ibmea.align._ranked_evidence import Allowed, Ranked, RankedEvidence
from pyg_ibmea.problem import alignment_pair, dangling_of, links_of, uris_of
from pyg_ibmea.train._confidence import Judgement
from pyg_ibmea.train._novelty import known_modalities

_RANKS = 20
"""How many matches of each validation entity teach about those below the best."""

_UNCALIBRATED_TEMPERATURE = 0.1


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked about a problem.

    Attributes:
        k (int): How many matches of each source entity, at most.
        sources (torch.Tensor, optional): Node ids to match. (default: all)
        allowed (callable, optional): Which pairs of rows may be given. (default: all)
        one_each (bool): Whether an entity has one counterpart at most, so that the
            confidences of its matches cannot add up to more than 1.
    """

    k: int
    sources: Tensor | None = None
    allowed: Allowed | None = None
    one_each: bool = True


@torch.no_grad()
def calibrate_below(
    evidence: RankedEvidence, data: HeteroData, entities: Sequence[Tensor]
) -> Calibration:
    """Learns from the validation pairs how likely a match is right that is not the best
    of its source entity. Entities known to have no counterpart, of which all matches
    are wrong, weigh as much as their share of the known entities.

    Args:
        evidence (RankedEvidence): Of the models that did not learn from these pairs.
        data (HeteroData): The problem of one pair of graphs.
        entities (sequence of torch.Tensor): Node ids of the rows of both sides,
            ascending.

    Returns:
        Calibration: Not fitted where there are no such pairs.
    """
    below = evidence.ranked(_RANKS).target[:, 1:]
    links = links_of(data, "val")
    lonely = torch.cat([dangling_of(data, part) for part in ("train", "val")])
    rows = [
        torch.searchsorted(ids, side.contiguous())
        for ids, side in zip(entities, links, strict=True)
    ]
    alone = torch.isin(entities[0], lonely).nonzero().flatten()
    asked = [_pairs_of(below, ids) for ids in (rows[0].unique(), alone)]
    pairs, size = torch.cat(asked, dim=1), entities[1].numel()
    count, others = (part.size(1) for part in asked)
    if not count:
        return Calibration()
    right = torch.isin(pairs[0] * size + pairs[1], rows[0] * size + rows[1])
    right[count:] = False
    number = links.size(1) + links_of(data, "train").size(1)
    weight = torch.ones(count + others, dtype=torch.double)
    weight[count:] = lonely.numel() / max(1, number) * count / max(1, others)
    return Calibration().fit(evidence.features(pairs), right, weight, float(count))


def _pairs_of(target: Tensor, rows: Tensor) -> Tensor:
    """The matches ``[N, k]`` of some rows as pairs, long ``[2, L]``."""
    found = target[rows]
    there = found >= 0
    return torch.stack([rows[:, None].expand_as(found)[there], found[there]])


@torch.no_grad()
def align_ranked(
    evidence: RankedEvidence,
    data: HeteroData,
    models: Sequence[Module],
    entities: Sequence[Tensor],
    best: Alignment,
    judgement: Judgement,
    below: Calibration,
    asked: Asked,
) -> Alignment:
    """The best matches of each source entity, the best first.

    The best of all keeps the confidence that :func:`align_with_confidence` gives it.
    That of another is learned by :func:`calibrate_below` and is at most that of the
    best; where an entity has one counterpart at most, all of those given together get
    what the best leaves of 1 at most. A restriction changes no confidence: it is the
    probability that the pair is right, among all entities.

    Args:
        evidence (RankedEvidence): Of the models whose matches are given.
        data (HeteroData): The problem of one pair of graphs.
        models (sequence of Module): The models.
        entities (sequence of torch.Tensor): Node ids of the rows of both sides,
            ascending.
        best (Alignment): The match of each source entity.
        judgement (Judgement): What the validation pairs taught about those.
        below (Calibration): What they taught about the others.
        asked (Asked): What is asked.
    """
    pair = alignment_pair(data)
    # One more, which the last is ahead of.
    ranked = evidence.ranked(asked.k + 1, asked.allowed)
    rows = torch.arange(entities[0].numel(), device=entities[0].device)
    if asked.sources is not None:
        rows = rows[torch.isin(entities[0], asked.sources.to(rows.device))]
    every, scores = (
        _wider(column[rows], asked.k + 1, empty)
        for column, empty in ((ranked.target, -1), (ranked.score, -torch.inf))
    )
    target, second = every[:, :-1], every[:, 1:]
    score, there = scores[:, :-1], target >= 0
    confidence = _confidences(
        *(evidence, ranked, rows, target, score, best, judgement, below),
        *(data, models, entities, asked.one_each),
    )
    margin = torch.where(second >= 0, score - scores[:, 1:], 0.0)
    other = torch.where(second < 0, -1, entities[1][second.clamp(min=0)])
    return Alignment.of_pair(
        pair,
        source=entities[0][rows[:, None].expand_as(target)[there]],
        target=entities[1][target[there]],
        score=score[there],
        margin=margin[there],
        confidence=confidence[there],
        runner_up=other[there],
        uris=uris_of(data),
        decoder=best.decoder[pair],
        threshold=judgement.threshold,
        calibrated=judgement.calibrated,
    )


def _wider(column: Tensor, width: int, empty: float) -> Tensor:
    """A matrix with columns added to a width."""
    more = column.new_full((len(column), width - column.size(1)), empty)
    return torch.cat([column, more], dim=1)


def _confidences(
    evidence: RankedEvidence,
    ranked: Ranked,
    rows: Tensor,
    target: Tensor,
    score: Tensor,
    best: Alignment,
    judgement: Judgement,
    below: Calibration,
    data: HeteroData,
    models: Sequence[Module],
    entities: Sequence[Tensor],
    one_each: bool,
) -> Tensor:
    """Of matches ``[n, k]``, double; of any value where there is no match."""
    there = target >= 0
    first = torch.zeros(entities[0].numel(), dtype=torch.double)
    place = torch.searchsorted(entities[0].cpu(), torch.from_numpy(best.source))
    first[place] = torch.from_numpy(best.confidence)
    first = first.to(target.device)[rows]
    is_best = there & (target == ranked.best[rows, None])
    other = there & ~is_best
    found = torch.zeros(target.shape, dtype=torch.double, device=target.device)
    pairs = torch.stack([rows[:, None].expand_as(target)[other], target[other]])
    if not judgement.calibrated or below.weight is None:
        logit = score.double().masked_fill(~there, -torch.inf)
        odds = (logit / _UNCALIBRATED_TEMPERATURE).softmax(dim=1)
        found = torch.where(other, odds, found)
    elif pairs.size(1):
        found[other] = below(evidence.features(pairs)).to(found)
    # As for the best: what nothing is known of is as likely as any other.
    bare = [
        ~known_modalities(models, data, kg).any(dim=1).to(ids.device)[ids]
        for kg, ids in zip(alignment_pair(data), entities, strict=True)
    ]
    unknown = bare[0][rows, None] | bare[1][target.clamp(min=0)]
    most = judgement.matches.get("precision", 1.0) / entities[1].numel()
    found = torch.where(unknown & other, found.clamp(max=most), found)
    found = torch.minimum(found, first[:, None])
    if one_each:
        left, total = 1.0 - first, found.sum(dim=1)
        found = found * (left / total.clamp(min=1e-300)).clamp(max=1.0)[:, None]
    return torch.where(is_best, first[:, None], found)
