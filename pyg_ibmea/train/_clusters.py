"""What the matches of all pairs of graphs of a problem agree on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Alignment, Clusters, cluster_matches
from pyg_ibmea.align.calibration import precision_recall_f1
from pyg_ibmea.align.clusters import cycle_consistency
from pyg_ibmea.problem import links_of, pair_problems, pair_title


def join_matches(data: HeteroData, alignment: Alignment) -> Clusters:
    """The clusters of entities that known pairs and matches agree on.

    Known pairs (training and validation) come first, then the matches by their
    confidence; those below the threshold for having a counterpart are left out.

    Args:
        data (HeteroData): The problem.
        alignment (Alignment): The matches of all linked pairs of graphs.
    """
    matches, scores = {}, {}
    for pair, problem in pair_problems(data):
        found = alignment.between(*pair)
        known = _known(problem)
        sure = found[found.confidence >= alignment.threshold[pair]]
        matches[pair] = torch.cat([known, _ids(sure)], dim=1)
        certain = torch.full((known.size(1),), torch.inf, dtype=torch.double)
        scores[pair] = torch.cat([certain, torch.from_numpy(sure.confidence)])
    return cluster_matches(data.node_types, matches, scores)


def cluster_metrics(
    data: HeteroData, alignment: Alignment, clusters: Clusters
) -> dict[str, Any]:
    """What the clusters repair, judged by the test pairs.

    Args:
        data (HeteroData): The problem.
        alignment (Alignment): The matches of all linked pairs of graphs.
        clusters (Clusters): What :func:`join_matches` returned.

    Returns:
        dict: ``clusters``, their number; ``cycle_consistency`` of the matches and the
        known pairs before they are joined (see
        :func:`~pyg_ibmea.align.cycle_consistency`; it is 1 afterwards); ``pairs``: for
        each pair of graphs with test pairs, precision, recall and F1 of the ``matches``
        and of the ``clusters`` over the source entities of the test pairs.
    """
    every, pairs = {}, {}
    for pair, problem in pair_problems(data):
        given = _ids(alignment.between(*pair))
        every[pair] = _first_of_each(torch.cat([_known(problem), given], dim=1))
        test = links_of(problem, "test").cpu()
        if test.size(1):
            pairs[pair_title(pair)] = {
                "matches": _precision_recall(given, test),
                "clusters": _precision_recall(clusters.pairs(*pair), test),
            }
    return {
        "clusters": clusters.members.size(0),
        "cycle_consistency": cycle_consistency(every),
        "pairs": pairs,
    }


def _ids(alignment: Alignment) -> Tensor:
    """Node ids of the matches, long ``[2, N]``."""
    columns = (alignment.source, alignment.target)
    return torch.stack([torch.from_numpy(column) for column in columns])


def _known(problem: HeteroData) -> Tensor:
    """The training and validation pairs."""
    parts = [links_of(problem, part).cpu() for part in ("train", "val")]
    return torch.cat(parts, dim=1)


def _first_of_each(pairs: Tensor) -> Tensor:
    """One pair for each source entity."""
    first = {int(i): int(j) for i, j in reversed(pairs.t().tolist())}
    return torch.tensor(list(first.items()), dtype=torch.long).view(-1, 2).t()


def _precision_recall(given: Tensor, true: Tensor) -> dict[str, float]:
    """Precision, recall and F1 of the given pairs whose source is in a true pair."""
    asked = {(i, j) for i, j in given[:, torch.isin(given[0], true[0])].t().tolist()}
    right = len(asked & {(i, j) for i, j in true.t().tolist()})
    return precision_recall_f1(right, len(asked), true[0].unique().numel())
