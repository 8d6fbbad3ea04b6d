"""Takes the scores of a pair of graphs apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.data import HeteroData

from pyg_ibmea.align import CSLS, Decoder, Scoring, Similarity, Sinkhorn
from pyg_ibmea.align.decoders import scores_of
from pyg_ibmea.align.explanation import (
    DECODER,
    FACT,
    REST,
    Contribution,
    Explanation,
)
from pyg_ibmea.align.forbidding import is_among
from pyg_ibmea.problem import (
    Pair,
    alignment_pair,
    different_of,
    unaligned_entities,
)
from pyg_ibmea.train._entity_names import Names
from pyg_ibmea.train._fused_parts import CosineParts, cosine_parts, fused_channels
from pyg_ibmea.train._named_bonus import NamedBonus, values_at
from pyg_ibmea.train.encoding import Encoding
from pyg_ibmea.train.evaluation import bonus_of, encode_sides

# What facts leave of a bonus by rounding alone.
_ROUNDING = 1e-5


@dataclass(frozen=True, eq=False)
class Explainer:
    """Explains the scores of pairs of entities that are in no known pair.

    Attributes:
        pair (tuple): Names of the two graphs.
        entities (tuple): Node ids of the rows of both sides, ascending.
        z (tuple): Their embeddings, ``[n, C]`` and ``[m, C]``.
        channels (list of dict): Of each of the joined models, the channels by modality.
        similarity (Similarity): The cosines, bonus included.
        decoder (Decoder): What chose the matches.
        scoring (Scoring): Its scores.
        bonuses (sequence of NamedBonus): What was added to the cosines.
        names (Names): What entities are called.
        different (torch.Tensor): Node ids of pairs that are known to be different, long
            ``[2, D]``.
    """

    pair: Pair
    entities: tuple[Tensor, Tensor]
    z: tuple[Tensor, Tensor]
    channels: list[dict[str, int]]
    similarity: Similarity
    decoder: Decoder
    scoring: Scoring
    bonuses: Sequence[NamedBonus]
    names: Names
    different: Tensor

    def rows_of(self, nodes: Tensor) -> Tensor:
        """The rows of pairs of node ids, long ``[2, L]``; -1 for entities of known
        pairs.
        """
        rows = []
        for ids, side in zip(self.entities, nodes.to(self.entities[0]), strict=True):
            place = torch.searchsorted(ids, side.contiguous())
            place = place.clamp(max=max(0, ids.numel() - 1))
            rows.append(torch.where(ids[place] == side, place, -1))
        return torch.stack(rows)

    @torch.no_grad()
    def explain(self, nodes: Tensor, most: int = 5) -> list[Explanation]:
        """Explains the scores of pairs.

        Args:
            nodes (torch.Tensor): Node ids of entities outside known pairs, long
                ``[2, L]``.
            most (int, optional): How many facts of each bonus are told one by one.
                (default: :obj:`5`)
        """
        nodes = nodes.to(self.entities[0].device)
        rows = self.rows_of(nodes)
        parts = cosine_parts(*self.z, self.channels, rows)
        cosine = self.similarity.of_pairs(rows)
        score = self.scoring.of_pairs(cosine, rows).tolist()
        told = [(bonus, bonus.facts(nodes, most)) for bonus in self.bonuses]
        added = [values_at(bonus.value, nodes).tolist() for bonus in self.bonuses]
        ends = nodes.t().tolist()
        offsets = self._offsets(rows)
        different = is_among(nodes, self.different).tolist()
        columns = CosineParts(parts.modalities, *(p.cpu() for p in parts[1:]))
        found = []
        for number, (i, j) in enumerate(ends):
            terms = self._modalities(columns, number, (i, j))
            for (bonus, facts), value in zip(told, added, strict=True):
                terms += self._facts(bonus.name, facts[number], value[number])
            terms += self._decoder_terms(offsets, number, (i, j))
            if different[number]:
                left = score[number] - sum(term.value for term in terms)
                terms.append(Contribution("answer", left, "known as different", FACT))
            uris = [
                self.names.uri(kg, n) for kg, n in zip(self.pair, (i, j), strict=True)
            ]
            explained = Explanation(
                *(uris[0], uris[1], *self.pair, score[number]),
                contributions=tuple(terms),
                decoder=self.decoder.name,
                notes=self._notes(rows[:, number : number + 1]),
            )
            found.append(explained)
        return found

    def _modalities(
        self, parts: CosineParts, number: int, nodes: tuple[int, int]
    ) -> list[Contribution]:
        terms = []
        entities = list(zip(self.pair, nodes, strict=True))
        rows = (part[number].tolist() for part in parts[1:])
        for name, value, weight, there in zip(parts.modalities, *rows, strict=True):
            text = _missing(there)
            if not text:
                factor = self.scoring.factor
                text = "" if factor == 1 else f"{factor:g} x "
                text += f"similarity {value / weight:.2f} x weight {weight:.2f}"
                if shared := self.names.shared_columns(name, entities):
                    text += f"; both have {shared}"
            terms.append(Contribution(name, self.scoring.factor * value, text))
        return sorted(terms, key=lambda term: -term.value)

    def _facts(
        self, name: str, facts: tuple[list[Contribution], int], value: float
    ) -> list[Contribution]:
        factor = self.scoring.factor
        told = [
            Contribution(c.name, factor * c.value, c.text, c.kind, c.source, c.target)
            for c in facts[0]
        ]
        rest = factor * value - sum(c.value for c in told)
        if facts[1] or abs(rest) > _ROUNDING:
            text = f"{facts[1]} more" if facts[1] else "what no single fact tells"
            told.append(Contribution(name, rest, text, REST))
        return told

    def _offsets(self, rows: Tensor) -> list[list[float] | None]:
        sides = zip((self.scoring.source, self.scoring.target), rows, strict=True)
        return [
            None if offset is None else offset.index_select(0, ids).double().tolist()
            for offset, ids in sides
        ]

    def _decoder_terms(
        self, offsets: Sequence[list[float] | None], number: int, nodes: tuple[int, int]
    ) -> list[Contribution]:
        values = [0.0 if side is None else side[number] for side in offsets]
        if isinstance(self.decoder, Sinkhorn):
            text = "what the others that want the same leave (one-to-one)"
            return [Contribution("competition", sum(values), text, DECODER)]
        hub = isinstance(self.decoder, CSLS)
        terms = []
        for kg, node, value, side in zip(
            self.pair, nodes, values, offsets, strict=True
        ):
            if side is None:
                continue
            label = self.names.label(kg, node)
            text = f"offset of {label}"
            if hub:
                text = f"mean similarity {-value:.2f} of {label} to its nearest"
            name = "hubness" if hub else self.decoder.name
            terms.append(Contribution(name, value, text, DECODER))
        return terms

    def _notes(self, rows: Tensor) -> tuple[str, ...]:
        candidates = self.similarity.candidates
        if candidates is None or bool(candidates.contains(rows).all()):
            return ()
        return ("the pair is not among the candidates, so it could not be chosen",)


def _missing(there: Sequence[bool]) -> str:
    """Which side lacks a modality; ``''`` if none."""
    sides = [
        side for side, has in zip(("source", "target"), there, strict=True) if not has
    ]
    return f"missing for the {' and the '.join(sides)}" if sides else ""


def explainer_of(
    models: Sequence[Module],
    data: HeteroData,
    by: Decoder,
    bonus: Tensor | None,
    bonuses: Sequence[NamedBonus],
    names: Names,
    graph: object | None = None,
    encoding: Encoding | None = None,
) -> Explainer:
    """What explains the matches of a problem, made as the matches are.

    Args:
        models (sequence of Module): The models, whose similarities are averaged.
        data (HeteroData): The problem of one pair of graphs.
        by (Decoder): What chose the matches.
        bonus (torch.Tensor): What was added to the cosines, by node ids, or ``None``.
        bonuses (sequence of NamedBonus): What that is the sum of.
        names (Names): What entities are called.
        graph (object, optional): What the model's ``graph_of(data)`` returned.
            (default: :obj:`None`)
        encoding (Encoding, optional): What the models make of the entities outside the
            training and validation pairs. (default: made here)

    Raises:
        ValueError: If all entities of one of the graphs are in known pairs.
    """
    known = ("train", "val")
    entities, z, similarity = similarity_of(models, data, known, bonus, graph, encoding)
    width = z[0].size(1) // len(models)
    channels = [fused_channels(model, data, graph, width) for model in models]
    return Explainer(
        alignment_pair(data),
        *(entities, z, channels, similarity, by, scores_of(similarity, by)),
        *(bonuses, names, different_of(data)),
    )


def similarity_of(
    models: Sequence[Module],
    data: HeteroData,
    known: Sequence[str],
    bonus: Tensor | None,
    graph: object | None = None,
    encoding: Encoding | None = None,
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], Similarity]:
    """The entities outside known pairs, their embeddings, and their cosines.

    Args:
        models (sequence of Module): The models, whose similarities are averaged.
        data (HeteroData): The problem of one pair of graphs.
        known (sequence of str): Parts of the split whose pairs are known.
        bonus (torch.Tensor): What is added to the cosines, by node ids, or ``None``.
        graph (object, optional): As for :func:`explainer_of`. (default: :obj:`None`)
        encoding (Encoding, optional): Of the same entities. (default: made here)

    Raises:
        ValueError: If all entities of one of the graphs are in known pairs.
    """
    source, target = unaligned_entities(data, known)
    if not source.numel() or not target.numel():
        raise ValueError("all entities of one of the graphs are in known pairs")
    if encoding is None:
        z, found = encode_sides(models, data, (source, target), graph), None
    else:
        z, found = encoding.z, encoding.candidates
    added = bonus_of(bonus, (source, target), different_of(data))
    similarity = Similarity.of(*z, bonus=added, candidates=found)
    return (source, target), z, similarity
