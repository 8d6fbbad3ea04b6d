"""Features from the values of attributes: numbers, and texts that are names."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import date

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyg_ibmea.data.knowledge_graph import KnowledgeGraph

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_DATE = re.compile(r"([+-]?\d{4})-(\d\d)-(\d\d)(?:Z|[+-]\d\d:\d\d|T.*)?", re.ASCII)
_FREQUENCIES = (1.0, 4.0, 16.0, 64.0)

NAME_ATTRIBUTES = (
    "http://www.w3.org/2000/01/rdf-schema#label",
    "http://www.w3.org/2004/02/skos/core#prefLabel",
    "http://xmlns.com/foaf/0.1/name",
    "http://schema.org/name",
    "name",
    "label",
)
"""Attributes whose values count as names; the first that an entity has is used."""


def parse_number(text: str) -> float | None:
    """Parses a number, or a date as its year plus the part of it that has passed; None
    if the text is neither.

    Example:
        >>> parse_number("1e3"), parse_number("1987-07-02"), parse_number("9 m")
        (1000.0, 1987.4986301369863, None)
    """
    text = text.strip()
    if _NUMBER.fullmatch(text):
        number = float(text)
        return number if np.isfinite(number) else None
    found = _DATE.fullmatch(text)
    if not found:
        return None
    year, month, day = (int(part) for part in found.groups())
    try:
        passed = date(2001, month, day).timetuple().tm_yday - 1  # No leap year.
    except ValueError:
        passed = 59
        if (month, day) != (2, 29):
            return None
    return year + passed / 365


def numbers_of(
    graphs: Sequence[KnowledgeGraph], num_attributes: int = 100
) -> list[tuple[Tensor, Tensor]]:
    r"""Features from the numbers among the values of attributes.

    Each attribute has its own scale: a number becomes the share :math:`q` of the
    attribute's numbers, in all graphs, that are smaller. Outliers therefore do not
    matter, nor do units, as long as all graphs use the same ones. :math:`q` is written
    as :math:`(\cos f \pi q, \sin f \pi q)` for the frequencies 1, 4, 16 and 64: the
    inner product of two entities is then, for an attribute that both have, the mean of
    :math:`\cos f \pi (q - q')` over the frequencies, 1 for equal numbers and about 0
    for numbers far apart. Several numbers of one attribute are averaged.

    Args:
        graphs (sequence of KnowledgeGraph): The graphs to be aligned.
        num_attributes (int, optional): Maximum number of attributes; those with the
            most numbers are used. (default: :obj:`100`)

    Returns:
        For each graph, features float :obj:`[N, 8 A]`, attributes with more
        numbers first (equal ones by URI), and the mask, bool :obj:`[N]`.

    Example:
        >>> graph = KnowledgeGraph(
        ...     "en", ["a", "b"], [], torch.empty(0, 3, dtype=torch.long),
        ...     attributes=torch.tensor([[0, 1], [0, 0]]), attribute_names=["height"],
        ...     values=["180", "tall"],
        ... )
        >>> ((x, mask),) = numbers_of([graph])
        >>> x.shape, mask.tolist()
        (torch.Size([2, 8]), [True, False])
    """
    found: dict[str, list[tuple[int, int, float]]] = {}
    for side, graph in enumerate(graphs):
        if graph.attributes is None or graph.values is None:
            continue
        nodes, attributes = graph.attributes.tolist()
        for node, attribute, text in zip(nodes, attributes, graph.values, strict=True):
            number = parse_number(text)
            if number is not None:
                name = graph.attribute_names[attribute]
                found.setdefault(name, []).append((side, node, number))
    kept = sorted(found, key=lambda name: (-len(found[name]), name))[:num_attributes]
    width = 2 * len(_FREQUENCIES)
    xs = [np.zeros((g.num_nodes, width * len(kept)), np.float32) for g in graphs]
    masks = [np.zeros(g.num_nodes, dtype=bool) for g in graphs]
    for place, name in enumerate(kept):
        sides, nodes, numbers = (
            np.array(column) for column in zip(*found[name], strict=True)
        )
        phases = _phases(numbers.astype(float))
        columns = slice(place * width, (place + 1) * width)
        for side, (x, mask) in enumerate(zip(xs, masks, strict=True)):
            here = sides == side
            total = np.zeros((len(x), width))
            np.add.at(total, nodes[here], phases[here])
            count = np.bincount(nodes[here], minlength=len(x))
            x[:, columns] = total / np.maximum(count, 1)[:, None]
            mask |= count > 0
    return [
        (torch.from_numpy(x), torch.from_numpy(mask))
        for x, mask in zip(xs, masks, strict=True)
    ]


def names_of(
    graph: KnowledgeGraph, attributes: Collection[str] = NAME_ATTRIBUTES
) -> dict[str, str]:
    """Names of entities from the values of attributes.

    Args:
        graph (KnowledgeGraph): The graph.
        attributes (collection of str, optional): URIs of attributes that name an
            entity, the preferred ones first. (default: :obj:`NAME_ATTRIBUTES`)

    Returns:
        The name of every entity that has one, by URI; of several values of one
        attribute, the first.

    Example:
        >>> graph = KnowledgeGraph(
        ...     "en", ["a"], [], torch.empty(0, 3, dtype=torch.long),
        ...     attributes=torch.tensor([[0], [0]]), attribute_names=["name"],
        ...     values=["Paris"],
        ... )
        >>> names_of(graph)
        {'a': 'Paris'}
    """
    if graph.attributes is None or graph.values is None:
        return {}
    order = {name: rank for rank, name in enumerate(attributes)}
    best: dict[int, tuple[int, str]] = {}
    for node, attribute, text in zip(
        *graph.attributes.tolist(), graph.values, strict=True
    ):
        rank = order.get(graph.attribute_names[attribute])
        if rank is not None and text and (node not in best or rank < best[node][0]):
            best[node] = rank, text
    return {graph.entities[node]: text for node, (_, text) in sorted(best.items())}


def _phases(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine and sine of each number's rank, ``[M, 8]``, of length 1."""
    ordered = np.sort(numbers)
    below = np.searchsorted(ordered, numbers, side="left")
    share = below / max(1, len(numbers) - 1)
    angle = np.pi * share[:, None] * np.array(_FREQUENCIES)
    both = np.stack([np.cos(angle), np.sin(angle)], axis=2)
    phases: NDArray[np.float64] = both.reshape(len(numbers), -1)
    phases /= len(_FREQUENCIES) ** 0.5
    return phases
