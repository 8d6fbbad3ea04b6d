"""Entities of three or more graphs that are the same, from matches of every pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_ibmea.problem import Pair


class Clusters(NamedTuple):
    """Groups of entities that are the same, with at most one of each graph.

    Attributes:
        graphs: Names of the graphs.
        members: Node ids, long ``[C, K]``, a column for each graph; -1 where a cluster
            has no entity of it. Every cluster has two entities or more; no entity is in
            two clusters.
        score: The least score of the matches that hold a cluster together, ``[C]``.
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

    The matches are taken from the best score down. One is dropped if it would bring two
    entities of one graph together; so of matches that contradict each other, directly
    or around a cycle of graphs, the surer ones stay. Matches of equal score are taken
    pair of graphs by pair of graphs, in their order.

    Args:
        graphs: Names of the graphs.
        matches: By pair of graphs, node ids, long ``[2, L]``.
        scores: By pair of graphs, how sure each match is, ``[L]``; ``inf`` for what is
            known.

    Returns:
        The :class:`Clusters`, ordered by their first entities.

    Raises:
        ValueError: If a pair names an unknown graph or the same graph twice, or scores
            do not fit the matches.

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
        raise ValueError(f"graphs need different names, got {list(graphs)}")
    edges: list[tuple[float, int, int, int, int]] = []
    for pair, ids in matches.items():
        if pair[0] == pair[1] or not set(pair) <= set(column):
            raise ValueError(f"the matches of {pair} are not between two of {graphs}")
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
    edges.sort(key=lambda edge: -edge[0])  # Stable: equal ones keep their order.
    # The cluster of each entity; clusters are {column: node} and their least score.
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
            number = len(home)  # Never used before: at least one new entity a group.
        if left is not None and right is not None:
            del groups[right], least[right]
        groups[number] = mine | other
        least[number] = value  # They come from the best down.
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
    """How often two ways between graphs lead to the same entity.

    For all a, b, c with matches from a to b, b to c and a to c: of the entities of a
    that both ways match, the share that they match with the same entity of c. Matches
    are followed in both directions, where they are one to one.

    Args:
        matches: By pair of graphs, node ids, long ``[2, L]``; no source entity twice.

    Returns:
        The share; not a number if no entity is matched both ways.

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
