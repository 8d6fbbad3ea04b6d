"""Known pairs of two graphs as a table, in RDF or in SSSOM."""

from __future__ import annotations

import os
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from pyg_ibmea.data._boundary import open_bytes
from pyg_ibmea.data._columns import refuse_frame
from pyg_ibmea.data.knowledge_graph import KnowledgeGraph
from pyg_ibmea.data.readers._rdf_pairs import read_rdf_pairs
from pyg_ibmea.data.readers._rows import TEXT, read_rows, suffix_of
from pyg_ibmea.data.readers.rdf import is_rdf
from pyg_ibmea.data.readers.sssom import is_sssom, read_sssom
from pyg_ibmea.tab_fields import name_of_field

PathLike = str | os.PathLike[str]

# The last columns of the tables of pairs that runs and exports write.
_OURS = [b"source_graph", b"target_graph"]
_LONGEST_HEADER = 1 << 10
LINKS = (("source", "target"),)
"""The layout of a table of known pairs."""


def read_link_table(
    path: PathLike,
    source: KnowledgeGraph,
    target: KnowledgeGraph,
    unknown: dict[int, tuple[str, str]] | None = None,
) -> Tensor:
    """Reads the known pairs of two graphs; see :func:`read_pairs` for the forms.

    Pairs that name an unknown entity are dropped with a warning that counts them; a
    pair that occurs twice counts once.

    Args:
        path (str or Path): The file.
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
    """Reads pairs of URIs that are the same.

    - A table ``source``, ``target``; see :func:`~pyg_ibmea.data.read_tables`.
    - RDF (see :func:`~pyg_ibmea.data.read_rdf`): ``owl:sameAs``, ``skos:exactMatch``,
      ``owl:equivalentClass``, or the Alignment format of the Ontology Alignment
      Evaluation Initiative.
    - ``.sssom.tsv``: `SSSOM <https://mapping-commons.github.io/sssom/>`_, of which the
      same predicates count.

    In a table that a run or an export wrote, such as ``alignment.tsv``, escapes are
    read as the characters that they stand for; elsewhere a backslash is a backslash.

    Args:
        path (str or Path): The file.

    Yields:
        The URIs of a pair.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is empty or malformed; the message names the line.
    """
    refuse_frame("the table of pairs", path, "MMKGPair.from_frames")
    if is_rdf(path):
        return read_rdf_pairs(path)
    if is_sssom(Path(path)):
        return read_sssom(Path(path))
    rows = read_rows(Path(path), *LINKS)
    return map(_names_of_fields, rows) if _written_by_us(Path(path)) else rows


def _written_by_us(path: Path) -> bool:
    """Whether a table is one that a run or an export wrote, with escaped names."""
    if suffix_of(path) == ".csv" or suffix_of(path) not in (*TEXT, ""):
        return False
    if not path.is_file():
        return False
    try:
        with open_bytes(path) as file:
            header = file.readline(_LONGEST_HEADER).rstrip(b"\r\n").split(b"\t")
    except (EOFError, OSError, ValueError, zlib.error):
        return False  # Reading the rows says what is wrong.
    return header[:2] == [b"source", b"target"] and header[-2:] == _OURS


def _names_of_fields(row: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(name_of_field, row))
