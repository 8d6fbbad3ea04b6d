"""Examples of wrong matches for a report, with what a reader needs to judge them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_geometric.data import HeteroData

from pyg_ibmea.align import Alignment
from pyg_ibmea.datasets import GraphFiles
from pyg_ibmea.problem import links_of, pair_problems
from pyg_ibmea.review import EntityView


def hard_examples(
    data: HeteroData,
    matches: Alignment,
    files: Sequence[GraphFiles],
    most: int = 24,
) -> list[dict[str, Any]]:
    """The surest of the wrong matches, judged by the test pairs.

    Args:
        data (HeteroData): The problem.
        matches (Alignment): The matches.
        files (sequence of GraphFiles): Where the graphs came from, for names and
            images.
        most (int, optional): How many, at most. (default: :obj:`24`)

    Returns:
        list: For each its ``confidence`` and the entities ``source``, ``target`` (what
        was found) and ``truth``, each with ``uri``, ``neighbours`` (texts) and, where
        it has them, ``name`` and ``image`` (a ``data:`` URI).
    """
    true: dict[tuple[str, str, str], list[str]] = {}
    for pair, problem in pair_problems(data):
        left, right = (data.uri[kg] for kg in pair)
        for i, j in links_of(problem, "test").t().tolist():
            true.setdefault((*pair, left[i]), []).append(right[j])
    wrong = []
    for match in matches:
        targets = true.get((*match.graphs, match.source))
        if targets and match.target not in targets:
            wrong.append((match, targets[0]))
    wrong.sort(key=lambda found: -found[0].confidence)
    views = {f.name: EntityView(data, f.name, f) for f in files}
    return [
        {
            "confidence": match.confidence,
            "source": views[match.source_graph].describe(match.source),
            "target": views[match.target_graph].describe(match.target),
            "truth": views[match.target_graph].describe(truth),
        }
        for match, truth in wrong[:most]
    ]
