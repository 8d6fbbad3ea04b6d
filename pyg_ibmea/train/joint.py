"""All pairs of graphs of a problem at once: their matches, and what these agree on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.align import (
    Clusters,
    cluster_matches,
    cycle_consistency,
    precision_recall_f1,
)
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.problem import Pair, links_of, pair_problems
from pyg_ibmea.train.config import TrainConfig
from pyg_ibmea.train.evaluation import Graph
from pyg_ibmea.train.neighborhoods import pair_bonuses
from pyg_ibmea.train.trust import (
    Trust,
    TrustedAlignment,
    align_with_confidence,
    calibrate,
)


def align_pairs(
    judged: Sequence[IBMEA],
    models: Sequence[IBMEA],
    data: HeteroData,
    config: TrainConfig,
    graph: Graph | None = None,
    bonuses: Mapping[Pair, tuple[Tensor | None, Tensor | None]] | None = None,
) -> dict[Pair, tuple[Trust, TrustedAlignment]]:
    """The matches of every linked pair of graphs.

    Args:
        judged (sequence of IBMEA): Models that did not learn from the validation pairs,
            on which the confidence is calibrated; see :func:`calibrate`.
        models (sequence of IBMEA): The models that are joined for the matches.
        data (HeteroData): The problem, of two graphs or more.
        config (TrainConfig): The hyper-parameters.
        graph (RelationalGraph or EdgeIndex, optional): See :meth:`IBMEA.forward`.
        bonuses (dict, optional): What :func:`pair_bonuses` gave. (default: it is
            asked)
    """
    if bonuses is None:
        bonuses = pair_bonuses(judged, models, data, config, graph)
    found = {}
    for pair, problem in pair_problems(data):
        before, after = bonuses[pair]
        trust = calibrate(judged, problem, config, graph, before)
        alignment = align_with_confidence(models, problem, trust, config, graph, after)
        found[pair] = trust, alignment
    return found


def join_matches(
    data: HeteroData, found: Mapping[Pair, tuple[Trust, TrustedAlignment]]
) -> Clusters:
    """The clusters of entities that known pairs and matches agree on.

    Known pairs (training and validation) come first, then the matches by their
    confidence; those under the threshold for entities without counterpart are left out.

    Args:
        data (HeteroData): The problem.
        found (dict): What :func:`align_pairs` gave.
    """
    matches, scores = {}, {}
    for pair, problem in pair_problems(data):
        trust, alignment = found[pair]
        known = _known(problem)
        sure = alignment.confidence >= trust.threshold
        new = torch.stack([alignment.source, alignment.target])[:, sure].cpu()
        matches[pair] = torch.cat([known, new], dim=1)
        certain = torch.full((known.size(1),), torch.inf, dtype=torch.double)
        confidence = alignment.confidence[sure].double().cpu()
        scores[pair] = torch.cat([certain, confidence])
    return cluster_matches(data.node_types, matches, scores)


def cluster_metrics(
    data: HeteroData,
    found: Mapping[Pair, tuple[Trust, TrustedAlignment]],
    clusters: Clusters,
) -> dict[str, Any]:
    """What the clusters repair, by the test pairs.

    Args:
        data (HeteroData): The problem.
        found (dict): What :func:`align_pairs` gave.
        clusters (Clusters): What :func:`join_matches` gave.

    Returns:
        dict: ``clusters``, how many; ``cycle_consistency`` of the matches and the known
        pairs before they were joined (see
        :func:`~pyg_ibmea.align.cycle_consistency`; afterwards it is 1); ``pairs``: for
        each pair of graphs with test pairs, precision, recall and F1 over the source
        entities of those, of the ``matches`` and of the ``clusters``.
    """
    every, pairs = {}, {}
    for pair, problem in pair_problems(data):
        alignment = found[pair][1]
        given = torch.stack([alignment.source, alignment.target]).cpu()
        every[pair] = _first_of_each(torch.cat([_known(problem), given], dim=1))
        test = links_of(problem, "test").cpu()
        if test.size(1):
            pairs[" - ".join(pair)] = {
                "matches": _precision_recall(given, test),
                "clusters": _precision_recall(clusters.pairs(*pair), test),
            }
    return {
        "clusters": clusters.members.size(0),
        "cycle_consistency": cycle_consistency(every),
        "pairs": pairs,
    }


def _known(problem: HeteroData) -> Tensor:
    """The training and validation pairs."""
    parts = [links_of(problem, part).cpu() for part in ("train", "val")]
    return torch.cat(parts, dim=1)


def _first_of_each(pairs: Tensor) -> Tensor:
    """One pair of each source entity."""
    first = {int(i): int(j) for i, j in reversed(pairs.t().tolist())}
    return torch.tensor(list(first.items()), dtype=torch.long).view(-1, 2).t()


def _precision_recall(given: Tensor, true: Tensor) -> dict[str, float]:
    """Of the given pairs whose source is in a true one."""
    asked = {(i, j) for i, j in given[:, torch.isin(given[0], true[0])].t().tolist()}
    right = len(asked & {(i, j) for i, j in true.t().tolist()})
    return precision_recall_f1(right, len(asked), true[0].unique().numel())
