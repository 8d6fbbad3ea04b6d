"""What ``metrics.json`` says of seed pairs that were found, not given."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from pyg_ibmea.align import Alignment
from pyg_ibmea.anchors.seeds import Seeds
from pyg_ibmea.problem import linked_pairs, links_between, uris_of
from pyg_ibmea.train._confidence import match_figures


def anchor_metrics(seeds: Seeds, matches: Alignment) -> dict[str, Any]:
    """How many anchors there are, and how much is right where links are known.

    It reads all links: nothing may depend on it.

    Args:
        seeds (Seeds): The seed pairs.
        matches (Alignment): All matches in the end, seed pairs among them.

    Returns:
        dict: ``kinds`` (anchors by kind), ``seed_pairs`` and ``contradictions`` (their
        numbers) and, if links are known, ``seeds`` (of the seed pairs with an entity of
        a link, how many are right) and ``all`` (of the source entities of all links,
        how many have the right match).
    """
    kinds: Counter[str] = Counter()
    for each in seeds.found:
        kinds.update(each.anchors.counts)
    figures: dict[str, Any] = {
        "kinds": dict(kinds),
        "seed_pairs": sum(int(kept.sum()) for kept in seeds.kept.values()),
        "contradictions": seeds.dropped,
    }
    data = seeds.given
    if any(links_between(data, p).edge_index.size(1) for p in linked_pairs(data)):
        own = seeds.alignment(uris_of(data))
        figures["seeds"] = match_figures(*_right(seeds, own, every=False))
        figures["all"] = match_figures(*_right(seeds, matches, every=True))
    return figures


def _right(seeds: Seeds, matches: Alignment, every: bool) -> tuple[int, int]:
    """How many matches are right, and of how many: all source entities of links, or
    the matches with an entity of a link.
    """
    right = asked = 0
    for pair in linked_pairs(seeds.given):
        links = links_between(seeds.given, pair).edge_index.cpu().numpy()
        asked += len(np.unique(links[0])) if every else 0
        if pair not in matches.pairs:
            continue
        own = matches.between(*pair)
        size = int(seeds.given[pair[1]].num_nodes)
        true = links[0] * size + links[1]
        right += int(np.isin(own.source * size + own.target, true).sum())
        if not every:
            touched = np.isin(own.source, links[0]) | np.isin(own.target, links[1])
            asked += int(touched.sum())
    return right, asked
