"""Anchors: pairs of entities that are identified without known pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from torch_geometric.data import HeteroData

from pyg_ibmea.anchors._by_agreement import AGREEMENT, by_agreement
from pyg_ibmea.anchors._by_labels import by_labels
from pyg_ibmea.anchors._by_values import VALUE, ByValues, by_values
from pyg_ibmea.anchors._by_vectors import by_vectors
from pyg_ibmea.anchors._entries import Ints, Pairs, one_to_one
from pyg_ibmea.anchors._facts import Facts, Values
from pyg_ibmea.anchors._keys import pairs_by_key
from pyg_ibmea.problem import Literals, Pair, labels_of, literals_of, modalities_of

URI = "the same URI"
_BAGS = ("relation", "attribute")
_SAME_URI = 0.99
#: A pair that is less probable is evidence, but no anchor.
SURE = 0.5


@dataclass(frozen=True)
class Anchors:
    """What identifies entities of two graphs, relations apart.

    Attributes:
        graphs (tuple): Names of the source and the target graph.
        kinds (tuple): What anchors are made of, such as ``'equal labels'``.
        source (numpy.ndarray): Node ids of the source graph, int64 ``[K]``, ascending.
        target (numpy.ndarray): Node ids of the target graph, int64 ``[K]``.
        probability (numpy.ndarray): How probably a pair is right, float64 ``[K]``.
        kind (numpy.ndarray): Index into ``kinds`` of what gives a pair its probability,
            int64 ``[K]``.
        sure (numpy.ndarray): Which pairs are anchors: one-to-one and more probable than
            not, bool ``[K]``. The others only count beside the facts.
        notes (tuple): Sentences on what was not used, and on contradictions.
        values (ByValues): The facts of both graphs and the values that they share.
    """

    graphs: Pair
    kinds: tuple[str, ...]
    source: Ints
    target: Ints
    probability: np.ndarray
    kind: Ints
    sure: np.ndarray
    notes: tuple[str, ...]
    values: ByValues = field(repr=False)

    @property
    def counts(self) -> dict[str, int]:
        """How many anchors there are of each kind that has any."""
        number = np.bincount(self.kind[self.sure], minlength=len(self.kinds))
        return {k: n for k, n in zip(self.kinds, number.tolist(), strict=True) if n}

    def __len__(self) -> int:
        return int(self.sure.sum())

    def sentence(self) -> str:
        """How many anchors of which kind there are, in words."""
        title = " - ".join(self.graphs)
        kinds = ", ".join(f"{n:,} by {kind}" for kind, n in self.counts.items())
        return f"{title}: {len(self):,} anchors" + f" ({kinds})" * bool(kinds)


def find_anchors(
    data: HeteroData, graphs: Pair, values: Mapping[str, Values] | None = None
) -> Anchors:
    """Finds pairs of entities of two graphs that something but relations identifies.

    - the same URI, where it is one (``scheme://...`` or ``urn:...``), not a number
    - labels that are equal but for case, accents, punctuation and the order of words,
      or but for what is in brackets, and that no other entity of either graph has
    - labels whose character n-grams are alike, and more so than those of all others
    - a value of an attribute whose values hold of one entity each
    - values of attributes, as numbers, dates and texts, that together single out an
      entity (see :func:`~pyg_ibmea.align.value_agreement`)
    - rows of a modality, bags apart, that are clearly each other's nearest

    A label that many entities share is reported and not used. No links are read.

    Args:
        data (HeteroData): The problem; see :func:`~pyg_ibmea.problem.labels_of` for its
            labels.
        graphs (tuple): Names of the source and the target graph.
        values (dict, optional): By graph, attribute values: entity and attribute ids,
            long ``[A]``, and ``A`` texts. (default: those of the problem; see
            :func:`~pyg_ibmea.problem.literals_of`)

    Returns:
        Anchors: All pairs with their probabilities, and which of them are anchors.

    Raises:
        ValueError: If a graph is unknown, or values do not fit it.

    Example:
        >>> from pyg_ibmea.datasets import SyntheticMMKG
        >>> from pyg_ibmea.problem import set_labels
        >>> data = SyntheticMMKG(num_entities=100)[0]
        >>> for kg in data.node_types:
        ...     data = set_labels(data, kg, [[f"name {i}"] for i in range(100)])
        >>> find_anchors(data, ("source", "target")).counts["equal labels"]
        100
    """
    for kg in graphs:
        if kg not in data.node_types:
            raise ValueError(
                f"there is no graph {kg!r}; there are {', '.join(data.node_types)}"
            )
    literals = [_literals(data, kg, values) for kg in graphs]
    given = {
        kg: (own.entity, own.attribute, own.text)
        for kg, own in zip(graphs, literals, strict=True)
        if own.text
    }
    left, right = (Facts.of(data, kg) for kg in graphs)
    told = by_values(left, right, given.get(graphs[0]), given.get(graphs[1]))
    found = _by_uri(data, graphs)
    notes: list[str] = []
    labels = [labels_of(data, kg) for kg in graphs]
    named = all(any(own) for own in labels)
    if named:
        by_kind, notes = by_labels(*labels)
        found |= by_kind
    found[VALUE] = told.anchors
    size = left.num_entities, right.num_entities
    found[AGREEMENT] = by_agreement(literals[0], literals[1], size)
    for modality in modalities_of(data):
        if modality in _BAGS or (modality == "name" and named):
            continue  # Counts tell kinds of entities; names are the same texts.
        stores = [data[kg] for kg in graphs]
        keys = f"x_{modality}", f"mask_{modality}"
        if all(key in store for key in keys for store in stores):
            rows = [(store[keys[0]], store[keys[1]]) for store in stores]
            found[f"rows of {modality!r}"] = by_vectors(*rows)
    return _joined(data, graphs, found, notes, told)


def _joined(
    data: HeteroData,
    graphs: Pair,
    found: dict[str, Pairs],
    notes: list[str],
    told: ByValues,
) -> Anchors:
    """The most probable reason for each pair."""
    kinds = tuple(found)
    row, column, value = (
        np.concatenate([pairs[part] for pairs in found.values()]) for part in range(3)
    )
    kind = np.repeat(np.arange(len(kinds)), [len(p.row) for p in found.values()])
    order = np.lexsort((kind, -value, column, row))
    row, column, value, kind = row[order], column[order], value[order], kind[order]
    first = np.ones(len(row), dtype=bool)
    first[1:] = (row[1:] != row[:-1]) | (column[1:] != column[:-1])
    row, column, value, kind = row[first], column[first], value[first], kind[first]
    size = int(data[graphs[0]].num_nodes), int(data[graphs[1]].num_nodes)
    pairs = Pairs(row, column, value, size)
    likely = value > SURE
    sure = likely.copy()
    sure[likely] = one_to_one(pairs.take(likely))
    notes = [f"{graphs[0]} - {graphs[1]}: {note}" for note in notes]
    notes += _contradictions(data, graphs, pairs, kind, kinds, likely & ~sure)
    return Anchors(graphs, kinds, row, column, value, kind, sure, tuple(notes), told)


def _contradictions(
    data: HeteroData,
    graphs: Pair,
    pairs: Pairs,
    kind: Ints,
    kinds: tuple[str, ...],
    dropped: np.ndarray,
) -> list[str]:
    """Says how many likely pairs have an entity that a surer pair has, too."""
    count = int(dropped.sum())
    if not count:
        return []
    at = int(np.flatnonzero(dropped)[0])
    uris = data.to_dict().get("_global_store", {}).get("uri", {})
    ids = (int(pairs.row[at]), int(pairs.column[at]))
    names = [
        uris[kg][i] if kg in uris else str(i) for kg, i in zip(graphs, ids, strict=True)
    ]
    return [
        f"{graphs[0]} - {graphs[1]}: {count} likely pairs contradict surer ones and "
        f"are no anchors, such as {names[0]!r} and {names[1]!r} by {kinds[kind[at]]}"
    ]


def _by_uri(data: HeteroData, graphs: Pair) -> dict[str, Pairs]:
    uris = data.to_dict().get("_global_store", {}).get("uri", {})
    if any(kg not in uris for kg in graphs):
        return {}
    keys = [
        [[uri] if "://" in uri or uri.startswith("urn:") else [] for uri in uris[kg]]
        for kg in graphs
    ]
    pairs = pairs_by_key(*keys).pairs
    return {URI: pairs._replace(value=_SAME_URI * pairs.value)}


def _literals(
    data: HeteroData, kg: str, values: Mapping[str, Values] | None
) -> Literals:
    """The attribute values of a graph: those that are given, or those it has."""
    if values is None:
        return literals_of(data, kg)
    if values.get(kg) is None:
        return literals_of(HeteroData(), kg)
    entity, attribute, texts = values[kg]
    if not len(entity) == len(attribute) == len(texts):
        raise ValueError(
            f"the values of graph {kg!r} must be as many entities, attributes and "
            f"texts, got {len(entity)}, {len(attribute)} and {len(texts)}"
        )
    count = int(data[kg].num_nodes)
    if len(entity) and not 0 <= int(entity.min()) <= int(entity.max()) < count:
        raise ValueError(
            f"the values of graph {kg!r} name an entity outside 0..{count - 1}"
        )
    number = int(attribute.max()) + 1 if len(attribute) else 0
    names = [f"attribute {i}" for i in range(number)]
    return Literals(entity.cpu(), attribute.cpu(), list(texts), names)
