"""Clusters of equivalent entities of three or more graphs, from pairwise matches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_ibmea.problem import Pair


class Clusters(NamedTuple):
    """Groups of equivalent entities, with at most one entity of each graph.

    Attributes:
        graphs (tuple): Names of the graphs.
        members (torch.Tensor): Node ids, long ``[C, K]``, one column per graph; -1
            where a cluster has no entity of that graph. Every cluster has two or more
            entities; no entity is in two clusters.
        score (torch.Tensor): The lowest score of the matches that hold a cluster
            together, ``[C]``.
    """

    graphs: tuple[str, ...]
    members: Tensor
    score: Tensor

    def pairs(self, source: str, target: str) -> Tensor:
        """The matches of two graphs that the clusters imply, long ``[2, L]``."""
        columns = [self.graphs.index(source), self.graphs.index(target)]
        both = self.members[:, columns]
        found: Tensor = both[(both >= 0).all(dim=1)].t().contiguous()
        return found


def cluster_matches(
    graphs: Sequence[str],
    matches: Mapping[Pair, Tensor],
    scores: Mapping[Pair, Tensor],
) -> Clusters:
    """Joins the matches of several pairs of graphs into consistent clusters.

    The matches are taken in descending order of score. A match is dropped if it would
    put two entities of one graph into the same cluster; so among matches that
    contradict each other, directly or around a cycle of graphs, those with the higher
    score are kept. Matches of equal score are taken in the given order, one pair of
    graphs after another.

    Args:
        graphs (sequence of str): Names of the graphs.
        matches (dict): Node ids, long ``[2, L]``, for each pair of graphs.
        scores (dict): Scores of the matches, ``[L]``, for each pair of graphs; ``inf``
            for known pairs.

    Returns:
        Clusters: The clusters, ordered by their first entities.

    Raises:
        ValueError: If graph names repeat, a pair names an unknown graph or the same
            graph twice, or scores do not fit the matches.

    Example:
        >>> matches = {("en", "nl"): torch.tensor([[0], [0]]),
        ...            ("nl", "fr"): torch.tensor([[0], [0]]),
        ...            ("en", "fr"): torch.tensor([[0], [1]])}
        >>> scores = {pair: torch.tensor([s]) for pair, s in zip(matches, (9., 8., 7.))}
        >>> cluster_matches(("en", "nl", "fr"), matches, scores).members.tolist()
        [[0, 0, 0]]
    """
    column = {name: k for k, name in enumerate(graphs)}
    if len(column) != len(graphs):
        raise ValueError(f"graphs must have distinct names, got {list(graphs)}")
    edges: list[tuple[float, int, int, int, int]] = []
    for pair, ids in matches.items():
        if pair[0] == pair[1] or not set(pair) <= set(column):
            raise ValueError(f"the matches of {pair} must be between two of {graphs}")
        score = scores[pair]
        if ids.dim() != 2 or ids.size(0) != 2 or score.shape != ids.shape[1:]:
            raise ValueError(
                f"the matches of {pair} must be long [2, L] with scores [L], got "
                f"{list(ids.shape)} and {list(score.shape)}"
            )
        a, b = column[pair[0]], column[pair[1]]
        edges += [
            (value, a, i, b, j)
            for value, i, j in zip(score.tolist(), *ids.tolist(), strict=True)
        ]
    edges.sort(key=lambda edge: -edge[0])  # Stable: equal scores keep their order.
    # The cluster of each entity; a cluster is {column: node} with its lowest score.
    home: dict[tuple[int, int], int] = {}
    groups: dict[int, dict[int, int]] = {}
    least: dict[int, float] = {}
    for value, a, i, b, j in edges:
        left, right = home.get((a, i)), home.get((b, j))
        mine = groups[left] if left is not None else {a: i}
        other = groups[right] if right is not None else {b: j}
        if (left is not None and left == right) or mine.keys() & other.keys():
            continue
        number = left if left is not None else right
        if number is None:
            number = len(home)  # Unused so far: each group adds an entity.
        if left is not None and right is not None:
            del groups[right], least[right]
        groups[number] = mine | other
        least[number] = value  # Scores descend.
        for at in (*mine.items(), *other.items()):
            home[at] = number
    rows = [
        ([group.get(k, -1) for k in range(len(graphs))], least[number])
        for number, group in groups.items()
    ]
    rows.sort(key=lambda row: [(node < 0, node) for node in row[0]])
    members = torch.tensor([row[0] for row in rows], dtype=torch.long)
    return Clusters(
        tuple(graphs),
        members.view(-1, len(graphs)),
        torch.tensor([row[1] for row in rows]),
    )


def cycle_consistency(matches: Mapping[Pair, Tensor]) -> float:
    """How often two paths between graphs lead to the same entity.

    For all graphs a, b, c with matches from a to b, b to c and a to c: among the
    entities of a that both paths match, the share that both match with the same entity
    of c. Matches that are one to one are followed in both directions.

    Args:
        matches (dict): Node ids, long ``[2, L]``, for each pair of graphs; no source
            entity occurs twice.

    Returns:
        float: The share; NaN if no entity is matched by two paths.

    Example:
        >>> matches = {("a", "b"): torch.tensor([[0, 1], [0, 1]]),
        ...            ("b", "c"): torch.tensor([[0, 1], [0, 1]]),
        ...            ("a", "c"): torch.tensor([[0, 1], [0, 2]])}
        >>> cycle_consistency(matches)
        0.75
    """
    to: dict[Pair, dict[int, int]] = {}
    for (a, b), ids in matches.items():
        source, target = ids.tolist()
        to[a, b] = dict(zip(source, target, strict=True))
        once = {j for j in target if j >= 0}
        if len(once) == len(target):
            to.setdefault((b, a), dict(zip(target, source, strict=True)))
    graphs = list(dict.fromkeys(name for pair in matches for name in pair))
    same = asked = 0
    for a, b, c in permutations(graphs, 3):
        if not {(a, b), (b, c), (a, c)} <= to.keys():
            continue
        for start, middle in to[a, b].items():
            if middle in to[b, c] and start in to[a, c]:
                asked += 1
                same += to[b, c][middle] == to[a, c][start]
    return same / asked if asked else float("nan")
