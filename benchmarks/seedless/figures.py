"""Precision, recall and F1 of matches beside the known links."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Alignment
from pyg_ibmea.anchors import Anchors
from pyg_ibmea.anchors._by_labels import EQUAL
from pyg_ibmea.problem import linked_pairs, links_between

Ids = NDArray[np.int64]


def figures(
    data: HeteroData, source: Ids, target: Ids, complete: bool
) -> dict[str, float]:
    """How good one-to-one matches are.

    Args:
        data (HeteroData): The problem, with all known links.
        source (numpy.ndarray): Node ids, int64 ``[K]``.
        target (numpy.ndarray): Node ids of their matches, int64 ``[K]``.
        complete (bool): Whether the links are all that there are: then every match
            counts, else only those that have an entity of a link.

    Returns:
        dict: ``precision``, ``recall`` (of all links, Hits@1 where each source entity
        has a match), ``f1`` and the numbers ``matches``, ``right`` and ``links``.
    """
    pair = linked_pairs(data)[0]
    links = links_between(data, pair).edge_index.numpy()
    size = int(data[pair[1]].num_nodes)
    counts = np.ones(len(source), dtype=bool)
    if not complete:
        counts = np.isin(source, links[0]) | np.isin(target, links[1])
    true = np.isin(source * size + target, links[0] * size + links[1])
    matches, right, known = int(counts.sum()), int(true.sum()), links.shape[1]
    return {
        "precision": right / max(1, matches),
        "recall": right / max(1, known),
        "f1": 2 * right / max(1, matches + known),
        "matches": matches,
        "right": right,
        "links": known,
    }


class Judged:
    """Which matches of a case are judged.

    Args:
        prefixes (dict, optional): By graph, what the last part of a URI begins with for
            entities whose links are all known; matches of others do not count.
            (default: none, and matches without an entity of a link do not count)
    """

    def __init__(self, prefixes: Mapping[str, str] | None = None) -> None:
        self.prefixes = dict(prefixes or {})

    def figures(self, data: HeteroData, source: Ids, target: Ids) -> dict[str, float]:
        """The figures of the matches that are judged."""
        pair = linked_pairs(data)[0]
        kept = np.ones(len(source), dtype=bool)
        for kg, ids in zip(pair, (source, target), strict=True):
            if kg in self.prefixes:
                names = [data.uri[kg][i].rpartition("#")[2] for i in ids.tolist()]
                kept &= [name.startswith(self.prefixes[kg]) for name in names]
        return figures(data, source[kept], target[kept], bool(self.prefixes))

    def of_alignment(
        self, data: HeteroData, matches: Alignment, least: float
    ) -> dict[str, float]:
        """The figures of the matches of a confidence of at least ``least``."""
        kept = matches.sure(least)
        return self.figures(data, kept.source, kept.target)


def of_anchors(
    data: HeteroData, anchors: Anchors, judged: Judged
) -> dict[str, dict[str, float]]:
    """The figures of equal labels alone and of all anchors."""
    equal = anchors.sure.copy()
    if EQUAL in anchors.kinds:
        equal &= anchors.kind == anchors.kinds.index(EQUAL)
    else:
        equal[:] = False
    found = {}
    for name, kept in (("equal labels", equal), ("anchors", anchors.sure)):
        pairs = anchors.source[kept], anchors.target[kept]
        found[name] = judged.figures(data, *pairs)
    return found
