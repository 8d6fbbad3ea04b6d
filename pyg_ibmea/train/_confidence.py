"""How far matches can be trusted: calibrated on the validation pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.data import HeteroData

from pyg_ibmea.align import (
    Alignment,
    Calibration,
    Candidates,
    Decoder,
    coverage_curve,
    expected_calibration_error,
    reliability,
)
from pyg_ibmea.align._evidence import Evidence, match_evidence
from pyg_ibmea.align.calibration import detection_metrics, wilson_interval
from pyg_ibmea.align.class_prior import counterpart_share
from pyg_ibmea.align.forbidding import is_among
from pyg_ibmea.large import ranges
from pyg_ibmea.options import DecodingOptions
from pyg_ibmea.problem import (
    alignment_pair,
    dangling_of,
    different_of,
    links_of,
    unaligned_entities,
    uris_of,
)
from pyg_ibmea.train._novelty import known_modalities, shared_kinds, shrink_novel
from pyg_ibmea.train.decoding import csls_of, final_sinkhorn_of
from pyg_ibmea.train.encoding import Encoding
from pyg_ibmea.train.evaluation import bonus_of, encode_sides

# Of the softmax of a match and its runner-up where nothing could be calibrated.
_UNCALIBRATED_TEMPERATURE = 0.1


@dataclass
class Judgement:
    """What the validation pairs taught about a model's matches.

    Attributes:
        choice (int): Index of the decoder that chooses the matches: the one that gets
            more validation pairs right.
        right (Calibration): The probability that a match is right; not fitted if there
            are no validation pairs.
        threshold (float): Below this confidence an entity is taken to have no
            counterpart.
        matches (dict): What :func:`match_figures` gave for the validation pairs; empty
            if nothing was asked.
        share (float): The share of unaligned source entities that have a counterpart:
            among those that are known, or else estimated.
        kinds (torch.Tensor): What each validation pair has on both sides; see
            :func:`~pyg_ibmea.train._novelty.shared_kinds`.
    """

    choice: int
    right: Calibration
    threshold: float
    matches: dict[str, Any] = field(default_factory=dict)
    share: float = 1.0
    kinds: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))

    @property
    def calibrated(self) -> bool:
        """Whether there was anything to learn from."""
        return self.right.weight is not None


def decoders_for(
    options: DecodingOptions, bonus: Tensor | None, decoder: Decoder | None
) -> list[Decoder]:
    """The decoders that the validation pairs choose among.

    Args:
        options (DecodingOptions): The options.
        bonus (torch.Tensor): What neighbourhoods add to the cosines, or ``None``.
        decoder (Decoder): The decoder that was asked for; ``None`` for CSLS or Sinkhorn
            scaling.
    """
    if decoder is not None:
        return [decoder]
    return [csls_of(options), final_sinkhorn_of(options, bonus)]


@torch.no_grad()
def calibrate(
    models: Sequence[Module],
    data: HeteroData,
    options: DecodingOptions,
    graph: object | None = None,
    bonus: Tensor | None = None,
    decoder: Decoder | None = None,
    encoding: Encoding | None = None,
) -> Judgement:
    """Learns from the validation pairs how likely a match is to be right.

    The models match the source entities of the validation pairs with all entities
    outside the training pairs. They do so a second time without the true counterparts:
    what they then find is known to be wrong, and looks like the match of an entity that
    has no counterpart. These wrong matches weigh as much as the share of entities
    without a counterpart: among those that are known (see
    :func:`~pyg_ibmea.problem.dangling_of`) or, where none is, as estimated from the
    evidence for all that are in no known pair (see
    :func:`~pyg_ibmea.align.class_prior.counterpart_share`).

    Args:
        models (sequence of Module): The models, which learned from the training pairs
            only.
        data (HeteroData): The problem of one pair of graphs.
        options (DecodingOptions): The options.
        graph (object, optional): What the model's ``graph_of(data)`` returned.
            (default: :obj:`None`)
        bonus (torch.Tensor, optional): What is added to the cosines of some pairs, by
            node ids, sparse ``[N, M]``. (default: :obj:`None`)
        decoder (Decoder, optional): What chooses the matches. (default: CSLS or
            Sinkhorn scaling, whichever gets more validation pairs right)
        encoding (Encoding, optional): What the models make of the entities outside the
            training pairs. (default: made here)
    """
    links, entities = links_of(data, "val"), unaligned_entities(data, ("train",))
    if links.size(1) == 0 or entities[1].numel() < 2:  # Nothing that could be wrong.
        return Judgement(0, Calibration(), 0.5)
    z, found_pairs = _encoded(models, data, entities, graph, encoding)
    row, true = _first_counterparts(entities, links)
    lonely = torch.cat([dangling_of(data, part) for part in ("train", "val")])
    without = torch.full((entities[0].numel(),), -1, device=row.device)
    without[row] = true
    decoders = decoders_for(options, bonus, decoder)
    features = (csls_of(options), final_sinkhorn_of(options, bonus))
    bonus = bonus_of(bonus, entities, different_of(data))
    found = match_evidence(
        *z, decoders, *features, without, bonus=bonus, candidates=found_pairs
    )
    matched = [evidence.target[row] == true for evidence, _ in found]
    best = max(range(len(decoders)), key=lambda i: int(matched[i].sum()))
    evidence, lost = found[best]
    asked, hits = row.numel(), int(matched[best].sum())
    alone = torch.isin(entities[0], lonely)
    # Where nothing is found, nothing has to be judged.
    alone &= evidence.target >= 0
    there = (evidence.target[row] >= 0) & (lost.target[row] >= 0)
    row, right_ones = row[there], matched[best][there]
    known = [known_modalities(models, data, kg) for kg in alignment_pair(data)]
    if lonely.numel():
        pairs = links.size(1) + links_of(data, "train").size(1)
        share = pairs / (pairs + lonely.numel())
    else:
        rest = (evidence.target >= 0) & ~torch.isin(entities[0], links[0])
        rest &= known[0].any(dim=1)[entities[0]].to(rest.device)
        share = _share_with_counterpart(entities, row, rest, evidence, lost)
    rows = [evidence.features[row], evidence.features[alone], lost.features[row]]
    count = [len(f) for f in rows]
    right = torch.zeros(sum(count), dtype=torch.bool)
    right[: count[0]] = right_ones.cpu()
    # Together, those without a counterpart weigh what their share is.
    weight = torch.ones(sum(count), dtype=torch.double)
    weight[count[0] :] = (1 - share) / share * count[0] / max(1, count[1] + count[2])
    # However many of the others there are, these are the pairs that were asked.
    calibration = Calibration().fit(torch.cat(rows), right, weight, count[0])
    confidence = calibration(torch.cat(rows))
    missing = torch.arange(len(right)) >= count[0]
    threshold = _best_threshold(confidence, missing, weight)
    figures = match_figures(hits, asked)
    kinds = shared_kinds(known, *links)
    return Judgement(best, calibration, threshold, figures, share, kinds)


def _share_with_counterpart(
    entities: Sequence[Tensor],
    row: Tensor,
    rest: Tensor,
    evidence: Evidence,
    lost: Evidence,
) -> float:
    """The share of source entities that have a counterpart, where none is known to have
    none.

    Args:
        entities (sequence of torch.Tensor): The entities of both sides.
        row (torch.Tensor): Rows of validation pairs.
        rest (torch.Tensor): Which rows are in no known pair, bool ``[n]``.
        evidence (Evidence): Of all rows.
        lost (Evidence): Of all rows without the counterparts of the validation pairs.
    """
    # Each validation pair takes a target; entities of which nothing is known take none
    # for sure.
    left = entities[1].numel() - row.numel()
    most = min(1.0, left / max(1, int(rest.sum())))
    if not row.numel() or most <= 0:
        return 1.0
    kinds = evidence.features[row], lost.features[row]
    return counterpart_share(*kinds, evidence.features[rest], most)


@torch.no_grad()
def align_with_confidence(
    models: Sequence[Module],
    data: HeteroData,
    judgement: Judgement,
    options: DecodingOptions,
    graph: object | None = None,
    bonus: Tensor | None = None,
    decoder: Decoder | None = None,
    encoding: Encoding | None = None,
) -> Alignment:
    """Proposes a counterpart for every source entity outside the seed pairs.

    What nothing tells apart shares the confidence: of two target entities that tie, or
    of several source entities alike in all, one at most is right. An entity of which
    nothing is known, or a match of which nothing is known, gets the share of right
    matches among the validation pairs over the number of candidates, at most.

    Args:
        models (sequence of Module): The models, whose similarities are averaged.
        data (HeteroData): The problem of one pair of graphs.
        judgement (Judgement): What :func:`calibrate` returned. If there was nothing to
            calibrate on, the confidence is the softmax of the match and its runner-up.
        options (DecodingOptions): The options.
        graph (object, optional): What the model's ``graph_of(data)`` returned.
            (default: :obj:`None`)
        bonus (torch.Tensor, optional): As for :func:`calibrate`; it may know the
            validation pairs. (default: :obj:`None`)
        decoder (Decoder, optional): As for :func:`calibrate`.
        encoding (Encoding, optional): What the models make of the entities outside the
            training and validation pairs. (default: made here)

    Returns:
        Alignment: The matches, in the order of the source graph, of all entities that
        have candidates; empty if all entities of one of the graphs are in seed pairs.
    """
    pair = alignment_pair(data)
    entities = unaligned_entities(data, ("train", "val"))
    by = decoders_for(options, bonus, decoder)[judgement.choice]
    known: dict[str, Any] = {
        "uris": uris_of(data),
        "decoder": by.name,
        "threshold": judgement.threshold,
        "calibrated": judgement.calibrated,
    }
    if not all(side.numel() for side in entities):
        none, nothing = entities[0][:0], torch.empty(0)
        columns = (none, none, nothing, nothing, nothing, none)
        return Alignment.of_pair(pair, *columns, **known)
    z, found = _encoded(models, data, entities, graph, encoding)
    features = (csls_of(options), final_sinkhorn_of(options, bonus))
    different = different_of(data)
    bonus = bonus_of(bonus, entities, different)
    [(evidence, _)] = match_evidence(*z, [by], *features, bonus=bonus, candidates=found)
    known_of = [known_modalities(models, data, kg) for kg in pair]
    if judgement.calibrated:
        confidence = judgement.right(evidence.features)
        kinds = shared_kinds(known_of, entities[0], entities[1][evidence.target])
        prior = judgement.share * judgement.matches["precision"]
        kinds, judged = kinds.to(confidence.device), judgement.kinds
        confidence = shrink_novel(confidence, kinds, judged.to(kinds), prior)
    else:
        confidence = torch.sigmoid(evidence.margin / _UNCALIBRATED_TEMPERATURE)
    confidence = confidence / number_alike(z[0], evidence).to(confidence)
    bare = [~of.any(dim=1)[ids] for of, ids in zip(known_of, entities, strict=True)]
    unknown = bare[0] | bare[1][evidence.target]
    most = judgement.matches.get("precision", 1.0) / entities[1].numel()
    unknown = unknown.to(confidence.device)
    confidence = torch.where(unknown, confidence.clamp(max=most), confidence)
    second = evidence.runner_up
    matches: dict[str, Any] = {
        "source": entities[0],
        "target": entities[1][evidence.target],
        "score": evidence.score,
        "margin": evidence.margin,
        "confidence": confidence,
        "runner_up": torch.where(second < 0, second, entities[1][second]),
    }
    there = evidence.target >= 0
    if different.size(1):  # Of an entity that has nothing else left.
        pairs = torch.stack([matches["source"], matches["target"]])
        there &= ~is_among(pairs, different)
        pairs = torch.stack([matches["source"], matches["runner_up"].clamp(min=0)])
        matches["runner_up"][is_among(pairs, different)] = -1
    if not bool(there.all()):
        matches = {name: column[there] for name, column in matches.items()}
    return Alignment.of_pair(pair, **matches, **known)


def _encoded(
    models: Sequence[Module],
    data: HeteroData,
    entities: Sequence[Tensor],
    graph: object | None,
    encoding: Encoding | None,
) -> tuple[tuple[Tensor, Tensor], Candidates | None]:
    """The embeddings of both sides and their candidates, made now if there are none;
    then match_evidence compares all pairs, or finds candidates where they are many.
    """
    if encoding is not None:
        return encoding.z, encoding.candidates
    return encode_sides(models, data, entities, graph), None


def number_alike(z: Tensor, evidence: Evidence) -> Tensor:
    """How many pairs a match cannot be told apart from, itself included, ``[N]``: those
    of source entities with the same direction, target and score, times 2 where the
    runner-up ties with the target.

    Args:
        z (torch.Tensor): Embeddings of the source entities ``[N, C]``.
        evidence (Evidence): Of their matches.
    """
    # Equal rows may differ by rounding: their projections are compared to six digits.
    generator = torch.Generator().manual_seed(0)
    onto = torch.randn(z.size(1), 2, generator=generator, dtype=torch.double)
    place = torch.cat([_projected(z[rows], onto) for rows in ranges(z.size(0), 2**18)])
    columns = [evidence.target[:, None].double(), evidence.score[:, None].double()]
    rows = torch.cat([*columns, place], dim=1).mul(1e6).round()
    _, group, count = rows.unique(dim=0, return_inverse=True, return_counts=True)
    tied = (evidence.runner_up >= 0) & (evidence.margin <= 0)
    alike: Tensor = count[group] * (1 + tied.long())
    return alike


def _projected(z: Tensor, onto: Tensor) -> Tensor:
    length = z.double().norm(dim=1, keepdim=True).clamp(min=1e-12)
    place: Tensor = z.double() @ onto.to(z.device) / length
    return place


def confidence_metrics(
    data: HeteroData, judgement: Judgement, alignment: Alignment
) -> dict[str, Any]:
    """How far the confidence can be trusted, judged by the test pairs.

    Args:
        data (HeteroData): The problem of one pair of graphs.
        judgement (Judgement): What :func:`calibrate` returned.
        alignment (Alignment): What :func:`align_with_confidence` returned.

    Returns:
        dict: ``decoder``, ``calibrated``, ``calibrated_on`` (how many validation
        entities), ``threshold`` and, if there are test pairs,
        ``expected_calibration_error``, ``reliability`` and ``coverage`` over the source
        entities of the test pairs and those known to have no counterpart; if there are
        any of the latter, ``dangling``: precision, recall and F1 of finding them by the
        ``threshold``.
    """
    pair = alignment_pair(data)
    metrics: dict[str, Any] = {
        "decoder": alignment.decoder[pair],
        "calibrated": judgement.calibrated,
        "calibrated_on": judgement.matches.get("asked", 0),
        "threshold": judgement.threshold,
    }
    if judgement.calibrated:
        metrics["share_with_counterpart"] = judgement.share
    links = links_of(data, "test").cpu()
    source, target = (
        torch.from_numpy(column) for column in (alignment.source, alignment.target)
    )
    lonely = dangling_of(data, "test").cpu()
    has = torch.isin(source, links[0])
    asked = has | torch.isin(source, lonely)
    if not bool(asked.any()):
        return metrics
    size = data[pair[1]].num_nodes
    right = torch.isin(source * size + target, links[0] * size + links[1])[asked]
    confidence = torch.from_numpy(alignment.confidence)[asked]
    metrics["expected_calibration_error"] = expected_calibration_error(
        confidence, right
    )
    metrics["reliability"] = reliability(confidence, right)
    metrics["coverage"] = coverage_curve(confidence, right, int(has.sum()))
    if lonely.numel():
        found = confidence < judgement.threshold
        metrics["dangling"] = detection_metrics(found, ~has[asked])
    return metrics


def match_figures(right: int, asked: int) -> dict[str, Any]:
    """How many of the matches of some source entities are right, each found among all
    entities of the other graph that are in no known pair.

    Args:
        right (int): How many are right.
        asked (int): How many entities were asked.

    Returns:
        dict: ``right``, ``asked``, ``precision`` (their ratio) and ``interval``, both
        ends of the 95 % interval that so many entities give.
    """
    return {
        "right": right,
        "asked": asked,
        "precision": right / max(1, asked),
        "interval": list(wilson_interval(right, asked)),
    }


def matches_of_test(data: HeteroData, alignment: Alignment) -> dict[str, Any]:
    """What :func:`match_figures` gives for the source entities of the test pairs; empty
    if there are none.

    Args:
        data (HeteroData): The problem of one pair of graphs.
        alignment (Alignment): What :func:`align_with_confidence` gave.
    """
    links = links_of(data, "test").cpu()
    if not links.size(1):
        return {}
    columns = (alignment.source, alignment.target)
    source, target = (torch.from_numpy(column) for column in columns)
    size = data[alignment_pair(data)[1]].num_nodes
    found = torch.isin(source * size + target, links[0] * size + links[1])
    # Each source entity has one match.
    return match_figures(int(found.sum()), links[0].unique().numel())


def _first_counterparts(
    entities: Sequence[Tensor], links: Tensor
) -> tuple[Tensor, Tensor]:
    """Rows of the source entities of links, each once, and of a counterpart of each."""
    rows, order = links[0].sort(stable=True)
    first = torch.ones_like(rows, dtype=torch.bool)
    first[1:] = rows.diff() != 0
    kept = order[first]
    sides = zip(entities, links[:, kept], strict=True)
    row, true = (torch.searchsorted(ids, side) for ids, side in sides)
    return row, true


def _best_threshold(confidence: Tensor, missing: Tensor, weight: Tensor) -> float:
    """The confidence below which entities are best taken to have no counterpart, by F1;
    0 if none of those without one has any weight.
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
