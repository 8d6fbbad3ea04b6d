"""How far an alignment can be trusted: calibrated on the validation pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.align import (
    CSLS,
    Calibration,
    Sinkhorn,
    coverage_curve,
    detection_metrics,
    expected_calibration_error,
    reliability,
)
from pyg_ibmea.align._evidence import match_evidence
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.problem import alignment_pair, dangling_of, links_of, unaligned_entities
from pyg_ibmea.train.config import TrainConfig
from pyg_ibmea.train.evaluation import Graph, bonus_of, encode_entities

# Of the softmax of a match and its runner-up where nothing could be calibrated.
_UNCALIBRATED_TEMPERATURE = 0.1


@dataclass
class Trust:
    """What the validation pairs taught about the model's matches.

    Args:
        decoder (str): What matches are chosen by: the decoder with more of the
            validation pairs right.
        right (Calibration): The probability that a match is right; not fitted if there
            are no validation pairs.
        threshold (float): Below this confidence an entity is taken to have no
            counterpart.
    """

    decoder: str
    right: Calibration
    threshold: float


@dataclass
class TrustedAlignment:
    """The best match of every unaligned source entity.

    Args:
        source (torch.Tensor): Node ids, long ``[N]``.
        target (torch.Tensor): Node ids of their matches, long ``[N]``.
        runner_up (torch.Tensor): Those of the second best, long ``[N]``; -1 for none.
        score (torch.Tensor): By the decoder, ``[N]``.
        margin (torch.Tensor): Over the runner-up, ``[N]``.
        confidence (torch.Tensor): The probability that the match is right, ``[N]``.
    """

    source: Tensor
    target: Tensor
    runner_up: Tensor
    score: Tensor
    margin: Tensor
    confidence: Tensor


@torch.no_grad()
def calibrate(
    model: IBMEA | Sequence[IBMEA],
    data: HeteroData,
    config: TrainConfig,
    graph: Graph | None = None,
    bonus: Tensor | None = None,
) -> Trust:
    """Learns from the validation pairs how likely a match is to be right.

    The model finds the source entities of the validation pairs among all entities
    outside the training pairs. It sees them a second time without their counterpart:
    what it then finds is known to be wrong, and looks as it does for an entity that has
    none. Those count as much as the known entities without a counterpart (see
    :func:`dangling_of`) say; they teach nothing where none is known.

    Args:
        model (IBMEA or sequence of IBMEA): The model, or several, that learned from the
            training pairs only.
        data (HeteroData): The problem.
        config (TrainConfig): The hyper-parameters.
        graph (RelationalGraph or EdgeIndex, optional): See :meth:`IBMEA.forward`.
        bonus (torch.Tensor, optional): What is added to the cosines of some pairs, by
            node ids, sparse ``[N, M]``; see :func:`neighborhood_bonus`.
            (default: :obj:`None`)

    Returns:
        Trust: The better decoder, the calibration and the threshold.
    """
    pair, links = alignment_pair(data), links_of(data, "val")
    entities = unaligned_entities(data, ("train",))
    if links.size(1) == 0 or entities[1].numel() < 2:  # Nothing that could be wrong.
        return Trust("csls", Calibration(), 0.5)
    chosen = dict(zip(pair, entities, strict=True))
    z = encode_entities(model, data, chosen, graph)
    row, true = _first_counterparts(entities, links)
    lonely = torch.cat([dangling_of(data, part) for part in ("train", "val")])
    without = torch.full((entities[0].numel(),), -1, device=row.device)
    without[row] = true
    bonus = bonus_of(bonus, entities)
    decoders = CSLS(config.csls_k), Sinkhorn(config.final_temperature(bonus))
    options = (decoders, *decoders, without)
    found = match_evidence(z[pair[0]], z[pair[1]], *options, bonus=bonus)
    matched = [evidence.target[row] == true for evidence, _ in found]
    best = max(range(len(decoders)), key=lambda i: int(matched[i].sum()))
    decoder, (evidence, lost) = decoders[best].name, found[best]
    alone = torch.isin(entities[0], lonely)
    share = lonely.numel() / max(1, links.size(1) + links_of(data, "train").size(1))
    features = [evidence.features[row], evidence.features[alone], lost.features[row]]
    count = [len(f) for f in features]
    right = torch.zeros(sum(count), dtype=torch.bool)
    right[: count[0]] = matched[best].cpu()
    # Together, those without a counterpart weigh what their share among the known is.
    weight = torch.ones(sum(count), dtype=torch.double)
    weight[count[0] :] = share * count[0] / max(1, count[1] + count[2])
    calibration = Calibration().fit(torch.cat(features), right, weight)
    confidence = calibration(torch.cat(features))
    missing = torch.arange(len(right)) >= count[0]
    return Trust(decoder, calibration, _best_threshold(confidence, missing, weight))


@torch.no_grad()
def align_with_confidence(
    models: Sequence[IBMEA],
    data: HeteroData,
    trust: Trust,
    config: TrainConfig,
    graph: Graph | None = None,
    bonus: Tensor | None = None,
) -> TrustedAlignment:
    """Proposes a counterpart for every source entity outside the seed pairs.

    Args:
        models (sequence of IBMEA): The models, whose similarities are averaged.
        data (HeteroData): The problem.
        trust (Trust): What :func:`calibrate` gave. If there was nothing to calibrate
            on, the confidence is the softmax of the match and its runner-up.
        config (TrainConfig): The hyper-parameters.
        graph (RelationalGraph or EdgeIndex, optional): See :meth:`IBMEA.forward`.
        bonus (torch.Tensor, optional): As for :func:`calibrate`; it may know the
            validation pairs. (default: :obj:`None`)

    Returns:
        TrustedAlignment: By source entity, in the order of the graph; empty if all
        entities of one of the graphs are in seed pairs.
    """
    pair = alignment_pair(data)
    entities = unaligned_entities(data, ("train", "val"))
    if not all(side.numel() for side in entities):
        none, nothing = entities[0][:0], torch.empty(0, device=entities[0].device)
        return TrustedAlignment(none, none, none, nothing, nothing, nothing)
    chosen = dict(zip(pair, entities, strict=True))
    z = encode_entities(models, data, chosen, graph)
    bonus = bonus_of(bonus, entities)
    csls, sinkhorn = CSLS(config.csls_k), Sinkhorn(config.final_temperature(bonus))
    by = csls if trust.decoder == csls.name else sinkhorn
    options = ([by], csls, sinkhorn)
    [(evidence, _)] = match_evidence(z[pair[0]], z[pair[1]], *options, bonus=bonus)
    if trust.right.weight is None:
        confidence = torch.sigmoid(evidence.margin / _UNCALIBRATED_TEMPERATURE)
    else:
        confidence = trust.right(evidence.features)
    runner_up = evidence.runner_up
    return TrustedAlignment(
        entities[0],
        entities[1][evidence.target],
        torch.where(runner_up < 0, runner_up, entities[1][runner_up]),
        evidence.score,
        evidence.margin,
        confidence,
    )


def confidence_metrics(
    data: HeteroData, trust: Trust, alignment: TrustedAlignment
) -> dict[str, Any]:
    """How far the confidence can be trusted, by the test pairs.

    Args:
        data (HeteroData): The problem.
        trust (Trust): What :func:`calibrate` gave.
        alignment (TrustedAlignment): What :func:`align_with_confidence` gave.

    Returns:
        dict: ``decoder``, ``calibrated`` and, if there are test pairs,
        ``expected_calibration_error``, ``reliability`` and ``coverage`` over the source
        entities of the test pairs and those known to have no counterpart; with some of
        those, ``dangling``: precision, recall and F1 of finding them by the
        ``threshold``.
    """
    metrics: dict[str, Any] = {
        "decoder": trust.decoder,
        "calibrated": trust.right.weight is not None,
        "threshold": trust.threshold,
    }
    links = links_of(data, "test").cpu()
    source, target = alignment.source.cpu(), alignment.target.cpu()
    lonely = dangling_of(data, "test").cpu()
    has = torch.isin(source, links[0])
    asked = has | torch.isin(source, lonely)
    if not bool(asked.any()):
        return metrics
    size = data[alignment_pair(data)[1]].num_nodes
    right = torch.isin(source * size + target, links[0] * size + links[1])[asked]
    confidence = alignment.confidence.cpu()[asked]
    metrics["expected_calibration_error"] = expected_calibration_error(
        confidence, right
    )
    metrics["reliability"] = reliability(confidence, right)
    metrics["coverage"] = coverage_curve(confidence, right, int(has.sum()))
    if lonely.numel():
        found = confidence < trust.threshold
        metrics["dangling"] = detection_metrics(found, ~has[asked])
    return metrics


def _first_counterparts(
    entities: Sequence[Tensor], links: Tensor
) -> tuple[Tensor, Tensor]:
    """Rows of the source entities of links, each once, and of a true counterpart."""
    rows, order = links[0].sort(stable=True)
    first = torch.ones_like(rows, dtype=torch.bool)
    first[1:] = rows.diff() != 0
    kept = order[first]
    sides = zip(entities, links[:, kept], strict=True)
    row, true = (torch.searchsorted(ids, side) for ids, side in sides)
    return row, true


def _best_threshold(confidence: Tensor, missing: Tensor, weight: Tensor) -> float:
    """The confidence below which taking entities to have no counterpart has the best
    F1; 0 if none counts.
    """
    if not bool((missing & (weight > 0)).any()):
        return 0.0
    order = confidence.argsort()
    sure, there = weight[order], (weight * missing)[order]
    found, hits = sure.cumsum(0), there.cumsum(0)
    f1 = 2 * hits / (found + there.sum())
    best = int(f1.argmax())
    ordered = confidence[order]
    above = ordered[best + 1] if best + 1 < len(ordered) else ordered[best] + 1e-6
    return float((ordered[best] + above) / 2)
