"""The models of a finished training, and what they say together."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from torch import Tensor
from torch.nn import Module
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Alignment, Clusters, Cosine, Decoder
from pyg_ibmea.anchors.seeds import Seeds
from pyg_ibmea.options import DecodingOptions
from pyg_ibmea.problem import (
    Pair,
    links_of,
    pair_problems,
    pair_title,
    unaligned_entities,
    uris_of,
)
from pyg_ibmea.train._anchor_figures import anchor_metrics
from pyg_ibmea.train._clusters import cluster_metrics, join_matches
from pyg_ibmea.train._confidence import (
    Judgement,
    align_with_confidence,
    calibrate,
    confidence_metrics,
    match_figures,
    matches_of_test,
)
from pyg_ibmea.train._diagnostics import check_agreement
from pyg_ibmea.train._figures import mean_figures
from pyg_ibmea.train._training import graph_of, warn
from pyg_ibmea.train.decoding import (
    csls_of,
    encode_unaligned,
    final_sinkhorn_of,
    neighborhood_evidence,
    value_bonus,
)
from pyg_ibmea.train.encoding import Encoding, asked_links, search_figures
from pyg_ibmea.train.evaluation import evaluate
from pyg_ibmea.train.proposals import share_right

# Parts of a problem's metrics that are means over pairs of graphs.
_RANKED = ("test", "val", "vectors_alone")


class TrainedModels:
    """The models of a finished training and the problem that they are asked about.

    Each result is computed once. Only :meth:`ranked` and :meth:`metrics` read the test
    pairs.

    Args:
        data (HeteroData): The problem, of two graphs or more.
        options (DecodingOptions): The options.
        judged (sequence of Module): The models that did not learn from the validation
            pairs, which judge them and calibrate the confidence.
        final (sequence of Module): Those that are joined for the matches.
        decoder (Decoder, optional): What chooses the matches. (default: CSLS or
            Sinkhorn scaling, whichever gets more validation pairs right)
        seeds (Seeds, optional): Where the seed pairs come from, if they were found.
            (default: they are known)
    """

    def __init__(
        self,
        data: HeteroData,
        options: DecodingOptions,
        judged: Sequence[Module],
        final: Sequence[Module],
        decoder: Decoder | None = None,
        seeds: Seeds | None = None,
    ):
        self.data = data
        self.seeds = seeds
        self.options = options
        self.judged = list(judged)
        self.final = list(final)
        self.decoder = decoder
        self._ranked: dict[tuple[Pair, str, bool], dict[str, Any]] = {}
        self._encodings: dict[tuple[Pair, bool], Encoding | None] = {}
        # What the final neighbourhood agreement of each pair of graphs follows from.
        self.probable: dict[Pair, Tensor] = {}
        # What the values of attributes have in it.
        self.by_values: dict[Pair, Tensor | None] = {}

    @cached_property
    def problems(self) -> dict[Pair, HeteroData]:
        """The problem of each pair of graphs."""
        return dict(pair_problems(self.data))

    @cached_property
    def graph(self) -> object | None:
        """The structure that all models pass messages over."""
        return graph_of(self.final[0], self.data)

    @cached_property
    def bonuses(self) -> dict[Pair, tuple[Tensor | None, Tensor | None]]:
        """What neighbourhoods and attribute values add to the cosines of every pair of
        graphs: for the judgement by the validation pairs, from the training pairs only
        (``None`` where there are no validation pairs), and for the final alignment.
        """
        found = {}
        for pair, problem in self.problems.items():
            before = None
            if links_of(problem, "val").size(1):
                before = self._bonus(pair, judged=True)
            after = self._bonus(pair, judged=False)
            found[pair] = before, after
        return found

    def _bonus(self, pair: Pair, judged: bool) -> Tensor | None:
        models = self.judged if judged else self.final
        known = ("train",) if judged else ("train", "val")
        options = (self.options, known, self.graph)
        values = value_bonus(self.problems[pair], self.options, known)
        if not judged:
            self.by_values[pair] = values
        if not self.options.neighbor_agreement:
            return values
        encoding = self.encoding(pair, judged)
        given = (encoding, values)
        bonus, matches = neighborhood_evidence(
            models, self.problems[pair], *options, *given
        )
        if not judged:
            self.probable[pair] = matches
        return bonus

    def encode(self) -> None:
        """Makes what :meth:`encoding` gives, of all pairs of graphs."""
        for pair in self.problems:
            for judged in (True, False):
                self.encoding(pair, judged)

    def encoding(self, pair: Pair, judged: bool) -> Encoding | None:
        """What the models make of all entities outside known pairs, with the pairs to
        choose among; ``None`` where all pairs are compared.

        Args:
            pair (tuple): Names of the two graphs.
            judged (bool): Whether of the models that the validation pairs judge, which
                know the training pairs only.
        """
        asked = (pair, judged)
        if asked not in self._encodings:
            self._encodings[asked] = self._encode(*asked)
        return self._encodings[asked]

    def _encode(self, pair: Pair, judged: bool) -> Encoding | None:
        problem, known = self.problems[pair], ("train", "val")
        if judged:
            options = (self.options, ("train",), self.graph)
            return encode_unaligned(self.judged, problem, *options)
        entities = unaligned_entities(problem, known)
        same = all(map(operator.is_, self.judged, self.final))
        if same and len(self.judged) == len(self.final) and all(map(len, entities)):
            every = self.encoding(pair, judged=True)
            return None if every is None else every.among(entities)
        return encode_unaligned(self.final, problem, self.options, known, self.graph)

    @cached_property
    def judgements(self) -> dict[Pair, Judgement]:
        """What the validation pairs taught, by pair of graphs."""
        return {
            pair: calibrate(
                *(self.judged, problem, self.options, self.graph),
                self.bonuses[pair][0],
                self.decoder,
                self.encoding(pair, judged=True),
            )
            for pair, problem in self.problems.items()
        }

    @cached_property
    def alignment(self) -> Alignment:
        """The matches of every linked pair of graphs."""
        return Alignment.join(
            align_with_confidence(
                self.final,
                problem,
                self.judgements[pair],
                self.options,
                self.graph,
                self.bonuses[pair][1],
                self.decoder,
                self.encoding(pair, judged=False),
            )
            for pair, problem in self.problems.items()
        )

    @cached_property
    def complete(self) -> Alignment:
        """The matches with, before them, the seed pairs that were found."""
        if self.seeds is None:
            return self.alignment
        uris = uris_of(self.data)
        own = self.seeds.alignment(uris)
        return Alignment.join([own, self.alignment]) if len(own) else self.alignment

    @cached_property
    def clusters(self) -> Clusters:
        """The clusters of entities that known pairs and matches agree on."""
        return join_matches(self.data, self.alignment)

    def matched(self, pair: Pair, part: str) -> dict[str, Any]:
        """How many matches of a part of the pairs are right, each found among all
        entities of the other graph outside the known pairs; empty if there are none.

        Args:
            pair (tuple): Names of the two graphs.
            part (str): ``'val'``, for the matches of models that did not learn from
                these pairs, or ``'test'``, for those that are given in the end.
        """
        if part == "val":
            return self.judgements[pair].matches
        matches = self.alignment.between(*pair)
        return matches_of_test(self.problems[pair], matches)

    def ranked(self, pair: Pair, part: str, agreement: bool = True) -> dict[str, Any]:
        """The ranking metrics of a part of the pairs of two graphs, by decoder; empty
        if there are none.

        Args:
            pair (tuple): Names of the two graphs.
            part (str): ``'val'`` or ``'test'``.
            agreement (bool, optional): Whether to use neighbourhood agreement, or
                embeddings only. (default: :obj:`True`)
        """
        asked = (pair, part, agreement)
        if asked not in self._ranked:
            self._ranked[asked] = self._rank(*asked)
        return self._ranked[asked]

    def _rank(self, pair: Pair, part: str, agreement: bool) -> dict[str, Any]:
        problem = self.problems[pair]
        if not links_of(problem, part).size(1):
            return {}
        # Models that learned from the validation pairs cannot be judged by them.
        models = self.judged if part == "val" else self.final
        bonus = self.bonuses[pair][part != "val"] if agreement else None
        decoders: list[Decoder] = [
            Cosine(),
            csls_of(self.options),
            final_sinkhorn_of(self.options, bonus),
        ]
        if self.decoder is not None:
            own = self.decoder
            decoders = [d for d in decoders if d.name != own.name] + [own]
        options = (decoders, "counterparts", self.graph, bonus)
        return evaluate(
            *(models, problem, part, *options),
            encoding=self.encoding(pair, judged=part == "val"),
            num_queries=self.options.eval_queries,
        )

    def metrics(
        self, pseudo_seeds: Mapping[Pair, Tensor] | None = None
    ) -> dict[str, Any]:
        """All figures of a run; see ``metrics.json`` of
        :class:`~pyg_ibmea.train.RunFolder`.

        Args:
            pseudo_seeds (dict, optional): The pairs that the training adopted.

        Returns:
            dict: Figures of the ``test`` and ``val`` pairs, and under
            ``vectors_alone`` what they are by embeddings only; under ``matches`` how
            many matches are right. With several pairs of graphs, ``pairs`` holds the
            figures of each, ``clusters`` those of their clusters; ``matches`` are those
            of all together, the others are means.
        """
        figures = {
            pair_title(pair): self._metrics_of(pair, pseudo_seeds)
            for pair in self.problems
        }
        # Last, when nothing depends on it any more: it reads all links.
        found = {}
        if self.seeds is not None:
            found = {"anchors": anchor_metrics(self.seeds, self.complete)}
        if len(figures) == 1:
            return {**next(iter(figures.values())), **found}
        ranked: list[dict[str, Any]] = [
            {part: of_pair[part] for part in _RANKED if part in of_pair}
            for of_pair in figures.values()
        ]
        metrics = mean_figures(ranked)
        metrics["matches"] = _together([f["matches"] for f in figures.values()])
        metrics["clusters"] = cluster_metrics(self.data, self.alignment, self.clusters)
        metrics["pairs"] = figures
        return {**metrics, **found}

    def _metrics_of(
        self, pair: Pair, pseudo_seeds: Mapping[Pair, Tensor] | None
    ) -> dict[str, Any]:
        problem, name = self.problems[pair], pair_title(pair)
        found = self._parts(pair, agreement=True)
        if any(bonus is not None for bonus in self.bonuses[pair]):
            # Training does not depend on the agreement: no second one is needed.
            alone = self._parts(pair, agreement=False)
            judges = links_of(problem, "val").size(1)
            warn(check_agreement(found.get("val"), alone.get("val"), judges, name))
            if alone:
                found["vectors_alone"] = alone
        matched = {part: self.matched(pair, part) for part in ("test", "val")}
        found["matches"] = {part: given for part, given in matched.items() if given}
        matches = self.alignment.between(*pair)
        judgement = self.judgements[pair]
        if searched := self._searched(pair):
            found["candidates"] = searched
        found["confidence"] = confidence_metrics(problem, judgement, matches)
        if pseudo_seeds is not None:
            # Last, when nothing depends on it any more: it reads the test pairs.
            found["pseudo_seeds"] = share_right(problem, pseudo_seeds[pair])
        return found

    def _searched(self, pair: Pair) -> dict[str, Any]:
        encoding, problem = self.encoding(pair, judged=True), self.problems[pair]
        if encoding is None:
            return {}
        parts = {part: links_of(problem, part) for part in ("test", "val")}
        ranked = {
            part: asked_links(
                links, [side.unique() for side in links], self.options.eval_queries
            ).size(1)
            for part, links in parts.items()
            if links.size(1)
        }
        return search_figures(encoding, parts["val"], ranked)

    def _parts(self, pair: Pair, agreement: bool) -> dict[str, Any]:
        found = {p: self.ranked(pair, p, agreement) for p in ("test", "val")}
        return {part: figures for part, figures in found.items() if figures}


def _together(several: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """How many matches of all pairs of graphs are right, by part."""
    found = {}
    for part in ("test", "val"):
        of_part = [figures[part] for figures in several if part in figures]
        if of_part:
            right, asked = (sum(f[key] for f in of_part) for key in ("right", "asked"))
            found[part] = match_figures(right, asked)
    return found
