"""Alignment without known pairs: anchors, then a fixed point over relations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Alignment
from pyg_ibmea.anchors._entries import Ints, Pairs
from pyg_ibmea.anchors._facts import Values
from pyg_ibmea.anchors._reasons import reasons_of
from pyg_ibmea.anchors.anchors import Anchors, find_anchors
from pyg_ibmea.anchors.fixed_point import FixedPoint, fixed_point
from pyg_ibmea.problem import Pair, linked_pairs, uris_of

DECODER = "fixed_point"


@dataclass(frozen=True)
class Seedless:
    """What was found for two graphs without known pairs.

    Attributes:
        anchors (Anchors): What identifies entities, relations apart.
        found (FixedPoint): The matches that follow from it.
    """

    anchors: Anchors
    found: FixedPoint

    @property
    def matches(self) -> Pairs:
        """The matches, one-to-one, with their probabilities."""
        return self.found.matches

    def reasons(self, data: HeteroData, most: int = 3) -> list[str]:
        """What made each match, in words.

        Args:
            data (HeteroData): The problem.
            most (int, optional): Most facts to name. (default: :obj:`3`)

        Returns:
            list: A text for each match.
        """
        return reasons_of(data, self.anchors, self.found, most)

    def alignment(
        self, uris: Mapping[str, Sequence[str]], decoder: str = DECODER
    ) -> Alignment:
        """The matches as an alignment.

        Args:
            uris (dict): The URIs of each graph by node id.
            decoder (str, optional): What it says the matches were chosen by.
                (default: :obj:`"fixed_point"`)
        """
        matches, pairs = self.matches, self.found.pairs
        other, value = _runners_up(pairs, matches)
        return Alignment(
            [self.anchors.graphs],
            uris,
            source=matches.row,
            target=matches.column,
            runner_up=other,
            score=matches.value,
            margin=matches.value - value,
            confidence=matches.value,
            pair=np.zeros(len(matches.row), dtype=np.int64),
            decoder={self.anchors.graphs: decoder},
            calibrated={self.anchors.graphs: False if decoder else None},
        )


def pairs_of_graphs(data: HeteroData) -> list[Pair]:
    """The pairs of graphs to align: those that links name, else all.

    Args:
        data (HeteroData): The problem.

    Example:
        >>> data = HeteroData()
        >>> data["zh"].num_nodes = data["en"].num_nodes = data["fr"].num_nodes = 1
        >>> pairs_of_graphs(data)
        [('zh', 'en'), ('zh', 'fr'), ('en', 'fr')]
    """
    return linked_pairs(data) or list(combinations(data.node_types, 2))


def match_without_seeds(
    data: HeteroData,
    graphs: Pair,
    values: Mapping[str, Values] | None = None,
    rounds: int = 10,
) -> Seedless:
    """Finds anchors of two graphs and what follows from them over relations.

    Args:
        data (HeteroData): The problem; its links are not read.
        graphs (tuple): Names of the source and the target graph.
        values (dict, optional): See :func:`find_anchors`. (default: those of the
            problem)
        rounds (int, optional): Most rounds of the fixed point; with 0, there are
            anchors alone. (default: :obj:`10`)
    """
    anchors = find_anchors(data, graphs, values)
    size = int(data[graphs[0]].num_nodes), int(data[graphs[1]].num_nodes)
    prior = Pairs(anchors.source, anchors.target, anchors.probability, size)
    left, right = anchors.values.facts
    same = _same_relations(data, graphs, anchors)
    found = fixed_point(prior, left, right, same, anchors.values.equal, rounds)
    return Seedless(anchors, found)


def align_without_seeds(
    data: HeteroData,
    values: Mapping[str, Values] | None = None,
    rounds: int = 10,
) -> Alignment:
    """Aligns graphs without known pairs and without training.

    What identifies entities (see :func:`find_anchors`) gives the first matches, and
    these support the matches of their neighbours (see :func:`fixed_point`), in seconds.

    Args:
        data (HeteroData): The problem, of two graphs or more. Links may be there; they
            only say which pairs of graphs are aligned.
        values (dict, optional): By graph, attribute values: entity and attribute ids,
            long ``[A]``, and ``A`` texts. (default: those of the problem)
        rounds (int, optional): Most rounds of the fixed point. (default: :obj:`10`)

    Returns:
        Alignment: The matches of each pair of graphs, one-to-one, with the probability
        of each as confidence; it is estimated, not calibrated.

    Raises:
        ValueError: If nothing identifies any entity.

    Example:
        >>> from pyg_ibmea.datasets import SyntheticMMKG
        >>> from pyg_ibmea.problem import set_labels
        >>> data = SyntheticMMKG(num_entities=100)[0]
        >>> for kg in data.node_types:
        ...     data = set_labels(data, kg, [[f"name {i}"] for i in range(100)])
        >>> align_without_seeds(data)
        Alignment(source - target: 100 matches, median confidence 0.97 (not calibrated))
    """
    found = [
        match_without_seeds(data, pair, values, rounds)
        for pair in pairs_of_graphs(data)
    ]
    check_found(found)
    return Alignment.join(each.alignment(uris_of(data)) for each in found)


def check_found(found: Sequence[Seedless]) -> None:
    """Raises ValueError if nothing identifies any entity of any pair of graphs."""
    if any(len(each.anchors) for each in found):
        return
    titles = ", ".join(" - ".join(each.anchors.graphs) for each in found)
    notes = "".join(f"; {note}" for each in found for note in each.anchors.notes)
    raise ValueError(
        f"nothing identifies an entity in both graphs ({titles}): they share no "
        "labels, URIs or values of attributes, and no features that tell entities "
        "apart. Give names of entities in one language (names=FILE of a graph, or "
        "--labels-from-uris if URIs are made of names), attributes with values such as "
        f"identifiers, or some known pairs (--links){notes}"
    )


def _same_relations(data: HeteroData, graphs: Pair, anchors: Anchors) -> Ints:
    """The target relation with the URI of each source relation, -1 for none, in the
    numbers of facts.
    """
    left, right = anchors.values.facts
    same = np.full(left.num_relations, -1, dtype=np.int64)
    uris = data.to_dict().get("_global_store", {}).get("relation_uri", {})
    if any(kg not in uris for kg in graphs):
        return same
    place = {uri: r for r, uri in enumerate(uris[graphs[1]])}
    ours, theirs = left.num_directed, right.num_directed
    for r, uri in enumerate(uris[graphs[0]][:ours]):
        other = place.get(uri, theirs)
        if other < theirs:
            same[r], same[r + ours] = other, other + theirs
    return same


def _runners_up(pairs: Pairs, matches: Pairs) -> tuple[Ints, np.ndarray]:
    """The next best target of each matched source entity, -1 for none, and its
    probability.
    """
    other = np.full(pairs.size[0], -1, dtype=np.int64)
    value = np.zeros(pairs.size[0])
    taken = np.full(pairs.size[0], -1, dtype=np.int64)
    taken[matches.row] = matches.column
    left = pairs.take(taken[pairs.row] != pairs.column)
    order = np.argsort(left.value, kind="stable")
    other[left.row[order]] = left.column[order]
    value[left.row[order]] = left.value[order]
    return other[matches.row], value[matches.row]
