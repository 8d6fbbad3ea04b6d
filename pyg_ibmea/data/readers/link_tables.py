"""Known pairs of two graphs as a table or as owl:sameAs statements."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from pyg_ibmea.data.knowledge_graph import KnowledgeGraph
from pyg_ibmea.data.readers._rows import read_rows
from pyg_ibmea.data.readers.rdf import is_rdf, read_same_as

PathLike = str | os.PathLike[str]

LINKS = (("source", "target"),)
"""The layout of a table of known pairs."""


def read_link_table(
    path: PathLike,
    source: KnowledgeGraph,
    target: KnowledgeGraph,
    unknown: dict[int, tuple[str, str]] | None = None,
) -> Tensor:
    """Reads the known pairs of two graphs from a table ``source``, ``target``, or from
    the ``owl:sameAs`` statements of an RDF file.

    Pairs that name an unknown entity are dropped with a warning that counts them; a
    pair that occurs twice counts once.

    Args:
        path (str or Path): The table or RDF file; see
            :func:`~pyg_ibmea.data.read_tables` and :func:`~pyg_ibmea.data.read_rdf`.
        source (KnowledgeGraph): One graph.
        target (KnowledgeGraph): The other graph.
        unknown (dict, optional): Gets, by the number of the row, the pairs that are
            dropped, in the place of a warning. (default: :obj:`None`)

    Returns:
        Node ids, long ``[2, L]``.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is empty or malformed, or names no pair of known entities;
            the message names the line.
    """
    node = [{e: i for i, e in enumerate(g.entities)} for g in (source, target)]
    links: dict[tuple[int, int], None] = {}
    lost: dict[int, tuple[str, str]] = {} if unknown is None else unknown
    first, rows = "there is none", 0
    left = right = ""
    for left, right in read_pairs(path):
        rows += 1
        pair = node[0].get(left), node[1].get(right)
        if pair[0] is not None and pair[1] is not None:
            links[pair[0], pair[1]] = None
            continue
        lost[rows] = left, right
        if len(lost) == 1:
            entity, graph = (left, source) if pair[0] is None else (right, target)
            first = f"row {rows}: {entity!r} is not an entity of '{graph.name}'"
    if not links:
        swapped = left in node[1] or right in node[0]
        raise ValueError(
            f"{path} has no pair of known entities ({first})"
            f"{'; are the columns swapped?' if swapped else ''}"
        )
    if lost and unknown is None:
        warnings.warn(
            f"{path}: dropped {len(lost)} of {rows} pairs that name an entity of no "
            f"graph ({first})",
            stacklevel=2,
        )
    return torch.tensor(list(links), dtype=torch.long).t().contiguous()


def read_pairs(path: PathLike) -> Iterator[tuple[str, ...]]:
    """Reads pairs of URIs from a table ``source``, ``target``, or from the
    ``owl:sameAs`` statements of an RDF file.

    Args:
        path (str or Path): The file.

    Yields:
        The URIs of a pair.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is empty or malformed; the message names the line.
    """
    if is_rdf(path):
        return read_same_as(path)
    return read_rows(Path(path), *LINKS)
