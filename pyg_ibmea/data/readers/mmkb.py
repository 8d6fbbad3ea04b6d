"""Reader of MMKB's own files: triples, numbers, links and images by URI."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_ibmea.data._boundary import bounded_lines
from pyg_ibmea.data.builder import GraphBuilder
from pyg_ibmea.data.knowledge_graph import KnowledgeGraph

PathLike = str | os.PathLike[str]

_FIELD = re.compile(r"<[^<>]*>|\S+")


class MMKBPair(NamedTuple):
    """Two knowledge graphs and their links, as read from MMKB's files.

    Attributes:
        source: The graph on the left of the links.
        target: The graph on their right.
        links: Long ``[2, L]``: source and target node ids of the true pairs.
    """

    source: KnowledgeGraph
    target: KnowledgeGraph
    links: Tensor


def read_mmkb(
    folder: PathLike, source: str = "FB15K", target: str = "DB15K"
) -> MMKBPair:
    """Reads two knowledge graphs and their links from MMKB's files.

    - ``<KG>_EntityTriples.txt``: head, relation, tail
    - ``<KG>_NumericalTriples.txt``: entity, attribute, number (optional)
    - ``<target>_SameAsLinks.txt``: source's entity, SameAs, target's entity

    Fields are separated by white space. Angle brackets around URIs and a full stop at
    the end of a line are dropped, so that both notations of the published files can be
    read. A numerical triple becomes an attribute with its value. The files are those of
    "MMKG: Multi-Modal Knowledge Graphs" (https://arxiv.org/abs/1903.05485). Images in
    an HDF5 file are read by :func:`~pyg_ibmea.data.read_features`.

    Entities are numbered in the order of their first occurrence in the links, then in
    the triples.

    Args:
        folder (str or Path): The folder; it is only read.
        source (str, optional): Name of the graph on the left of the links.
            (default: :obj:`"FB15K"`)
        target (str, optional): Name of the graph on their right.
            (default: :obj:`"DB15K"`)

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a line has the wrong number of fields, or a file is empty or not
            UTF-8; the message names the line.
    """
    folder = Path(folder)
    same_as = folder / f"{target}_SameAsLinks.txt"
    pairs = list(dict.fromkeys((a, b) for a, _, b in _triples(same_as)))
    graphs = []
    for side, name in enumerate((source, target)):
        builder = GraphBuilder(name)
        for pair in pairs:
            builder.add_entity(pair[side])
        for head, relation, tail in _triples(folder / f"{name}_EntityTriples.txt"):
            builder.add_triple(head, relation, tail)
        numbers = folder / f"{name}_NumericalTriples.txt"
        for entity, attribute, value in _triples(numbers) if numbers.exists() else ():
            builder.add_attribute(entity, attribute, value)
        graphs.append(builder.build())
    node = [{e: i for i, e in enumerate(graph.entities)} for graph in graphs]
    links = torch.tensor([[node[0][a], node[1][b]] for a, b in pairs])
    return MMKBPair(graphs[0], graphs[1], links.t().contiguous())


def _triples(path: Path) -> Iterator[tuple[str, str, str]]:
    number = 0
    for number, raw in enumerate(bounded_lines(path), start=1):
        try:
            fields = _FIELD.findall(raw.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}, line {number} is not UTF-8") from error
        if fields[-1:] == ["."]:
            fields.pop()
        if not fields:
            continue
        if len(fields) != 3:
            raise ValueError(
                f"{path}, line {number}: expected three fields, got {len(fields)}: "
                f"{fields!r:.80}"
            )
        yield _bare(fields[0]), _bare(fields[1]), _bare(fields[2])
    if number == 0:
        raise ValueError(f"{path} is empty")


def _bare(field: str) -> str:
    return field[1:-1] if field.startswith("<") and field.endswith(">") else field
