"""What can be asked of trained models: why, and which other matches there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from pyg_ibmea.align import Alignment, Calibration
from pyg_ibmea.align._ranked_evidence import RankedEvidence, ranked_evidence
from pyg_ibmea.align.explanation import Explanation
from pyg_ibmea.problem import Pair, unaligned_entities
from pyg_ibmea.train._asking import explain_all, explain_match
from pyg_ibmea.train._choice import Choice, allowed_pairs, chosen_nodes
from pyg_ibmea.train._confidence import decoders_for
from pyg_ibmea.train._entity_names import Names
from pyg_ibmea.train._explaining import Explainer, explainer_of, similarity_of
from pyg_ibmea.train._named_bonus import NamedBonus, NeighborhoodBonus
from pyg_ibmea.train._ranking import Asked, align_ranked, calibrate_below
from pyg_ibmea.train._trained import TrainedModels
from pyg_ibmea.train._types import SameType
from pyg_ibmea.train._value_bonus import ValueBonus
from pyg_ibmea.train.decoding import csls_of, final_sinkhorn_of


class Answers:
    """Answers questions about the matches of trained models; what an answer needs is
    computed once.

    Args:
        trained (TrainedModels): The models and the problem.
    """

    def __init__(self, trained: TrainedModels) -> None:
        self.trained = trained
        self._explainers: dict[Pair, Explainer] = {}
        self._below: dict[Pair, Calibration] = {}
        self._rankings: dict[Pair, tuple[RankedEvidence, Sequence[Tensor]]] = {}

    @cached_property
    def alignment(self) -> Alignment:
        """The match of each source entity, which knows whom to ask why."""
        return self.trained.complete.explained_by(self.explain)

    @cached_property
    def names(self) -> Names:
        """What entities are called."""
        return Names(self.trained.data)

    def chosen(self, choice: Choice) -> Alignment:
        """The matches that are asked for.

        Args:
            choice (Choice): What is asked.
        """
        if choice.is_usual:
            return self.alignment
        sources, targets = (
            chosen_nodes(uris, side, self.trained.problems, self.names)
            for side, uris in enumerate((choice.sources, choice.targets))
        )
        found = Alignment.join(
            self._chosen(pair, choice, sources, targets)
            for pair in self.trained.problems
        )
        if choice.cardinality is not None:
            found = found.with_cardinality(choice.cardinality)
        return found.explained_by(self.explain)

    def _chosen(
        self,
        pair: Pair,
        choice: Choice,
        sources: Mapping[str, Tensor] | None,
        targets: Mapping[str, Tensor] | None,
    ) -> Alignment:
        problem, same = self.trained.problems[pair], choice.same_type
        entities = unaligned_entities(problem, ("train", "val"))
        if not all(map(len, entities)):
            return self.alignment.between(*pair)
        kinds = None if same is None else SameType(problem, same, self.names)
        asked = Asked(
            choice.k,
            None if sources is None else sources[pair[0]],
            allowed_pairs(
                entities, None if targets is None else targets[pair[1]], kinds
            ),
            choice.one_each,
        )
        return self._matches(pair, asked)

    def _matches(self, pair: Pair, asked: Asked) -> Alignment:
        """What is asked of a pair of graphs."""
        trained = self.trained
        problem, judgement = trained.problems[pair], trained.judgements[pair]
        if pair not in self._below:
            self._below[pair] = Calibration()
            if judgement.calibrated:
                known = self._ranked_evidence(pair, judged=True)
                self._below[pair] = calibrate_below(known[0], problem, known[1])
        if pair not in self._rankings:
            self._rankings[pair] = self._ranked_evidence(pair, judged=False)
        evidence, entities = self._rankings[pair]
        best = trained.alignment.between(*pair)
        taught = judgement, self._below[pair]
        parts = problem, trained.final, entities, best
        return align_ranked(evidence, *parts, *taught, asked)

    def _ranked_evidence(
        self, pair: Pair, judged: bool
    ) -> tuple[RankedEvidence, Sequence[Tensor]]:
        trained, bonus = self.trained, self.trained.bonuses[pair][not judged]
        if judged:
            known = (trained.problems[pair], ("train",), bonus, trained.graph)
            encoding = trained.encoding(pair, judged)
            entities, _, similarity = similarity_of(trained.judged, *known, encoding)
        else:  # The same as is explained.
            explainer = self.explainer(pair)
            entities, similarity = explainer.entities, explainer.similarity
        by = decoders_for(trained.options, bonus, trained.decoder)
        features = csls_of(trained.options), final_sinkhorn_of(trained.options, bonus)
        choice = trained.judgements[pair].choice
        return ranked_evidence(similarity, by[choice], *features), entities

    def named_bonuses(self, pair: Pair) -> list[NamedBonus]:
        """What is added to the cosines for the final alignment, by name; the values
        add up to the last of :attr:`TrainedModels.bonuses`.
        """
        trained, bonus = self.trained, self.trained.bonuses[pair][1]
        if bonus is None:
            return []
        found: list[NamedBonus] = []
        problem = trained.problems[pair]
        values = trained.by_values[pair]
        if pair in trained.probable:
            alone = bonus if values is None else (bonus - values).coalesce()
            parts = problem, pair, alone, trained.probable[pair]
            weight = trained.options.neighbor_agreement
            found.append(NeighborhoodBonus(*parts, weight, self.names))
        if values is not None:
            found.append(ValueBonus(problem, pair, values))
        return found

    def explainer(self, pair: Pair) -> Explainer:
        """What explains the scores of a pair of graphs."""
        if pair not in self._explainers:
            trained, bonus = self.trained, self.trained.bonuses[pair][1]
            choice = trained.judgements[pair].choice
            by = decoders_for(trained.options, bonus, trained.decoder)[choice]
            self._explainers[pair] = explainer_of(
                *(trained.final, trained.problems[pair], by, bonus),
                *(self.named_bonuses(pair), self.names, trained.graph),
                trained.encoding(pair, judged=False),
            )
        return self._explainers[pair]

    def explain(
        self,
        source: str,
        target: str | None = None,
        graphs: Pair | None = None,
        most: int = 5,
    ) -> Explanation:
        """Explains a match; see :meth:`pyg_ibmea.Aligner.explain`."""
        asked = (source, target, graphs, most)
        known = (self.trained.problems, self.names, self.explainer, self.alignment)
        return explain_match(*known, self._confidence, *asked)

    def _confidence(self, pair: Pair, source: int, target: int) -> float | None:
        """The probability that two entities match; ``None`` if they are no candidate of
        each other.
        """
        entities = unaligned_entities(self.trained.problems[pair], ("train", "val"))
        one = allowed_pairs(entities, torch.tensor([target]), None)
        found = self._matches(pair, Asked(1, torch.tensor([source]), one))
        return float(found.confidence[0]) if len(found) else None

    def explain_all(
        self, alignment: Alignment, most: int = 3
    ) -> list[Explanation | None]:
        """Explains each match of an alignment; ``None`` for those of known pairs.

        Args:
            alignment (Alignment): The matches.
            most (int, optional): How many facts are told one by one.
                (default: :obj:`3`)
        """
        return explain_all(self.explainer, self.names, alignment, most)
