"""Knowledge graphs as tables: CSV, tab-separated text, Parquet."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from pyg_ibmea.data._columns import refuse_frame
from pyg_ibmea.data._packed import PACKED
from pyg_ibmea.data.builder import UNNAMED, GraphBuilder
from pyg_ibmea.data.knowledge_graph import KnowledgeGraph
from pyg_ibmea.data.readers._excel import EXCEL
from pyg_ibmea.data.readers._rows import PARQUET, TEXT, read_rows
from pyg_ibmea.files import replacing

PathLike = str | os.PathLike[str]

TRIPLES = (("head", "relation", "tail"), ("head", "tail"))
"""The layouts of a table of triples."""

_TRIPLE, _EDGE = TRIPLES
_ENTITY = ("entity",)
_FACT = ("entity", "attribute", "value")
FACTS = (_FACT, _FACT[:2])
"""Those of a table of attributes."""


def read_tables(
    name: str,
    triples: PathLike | None = None,
    attributes: PathLike | None = None,
    entities: PathLike | None = None,
    exclude: PathLike | None = None,
) -> KnowledgeGraph:
    r"""Reads a knowledge graph from tables.

    - triples: ``head``, ``relation``, ``tail``; or ``head``, ``tail``
    - attributes: ``entity``, ``attribute`` and, where it is known, ``value``
    - entities, exclude: ``entity``

    A table is ``.csv``, ``.parquet``, ``.xlsx`` (its first sheet) or text with tabs
    (``.tsv``, ``.txt`` or no suffix). Text is UTF-8, or UTF-16 with its mark, and may
    be compressed as ``.gz`` or ``.zst``. A first row with the names of the columns, or
    usual ones such as subject, predicate, object or from_node, rel, to_node, is a
    header: the columns may then be in any order, with others beside them. Tables are
    read row by row.

    Args:
        name (str): Name of the graph.
        triples (str or Path, optional): Table of triples. (default: :obj:`None`)
        attributes (str or Path, optional): Table of attributes. (default: :obj:`None`)
        entities (str or Path, optional): Table of entities, for those that the other
            tables do not name, or to set their order. (default: :obj:`None`)
        exclude (str or Path, optional): Table of entities to leave out, with all that
            is said of them. (default: :obj:`None`)

    Raises:
        FileNotFoundError: If a file does not exist.
        ImportError: If a file takes a package that is not installed: pyarrow for
            Parquet, openpyxl for Excel, zstandard for ``.zst``.
        ValueError: If a file is empty or malformed (the message names the line), or no
            table is given.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "triples.csv"
        ...     _ = path.write_text('tail,head\n"Paris, France",Louvre\n')
        ...     graph = read_tables("en", triples=path)
        >>> graph.entities, graph.relations, graph.triples.tolist()
        (['Louvre', 'Paris, France'], ['related'], [[0, 0, 1]])
    """
    if triples is None and attributes is None and entities is None:
        raise ValueError(
            f"graph '{name}' needs a table of triples, attributes or entities"
        )
    paths = {"triples": triples, "attributes": attributes, "entities": entities}
    for what, path in {**paths, "exclude": exclude}.items():
        refuse_frame(what, path, "from_frames")
    left_out = [row[0] for row in read_rows(Path(exclude), _ENTITY)] if exclude else []
    builder = GraphBuilder(name, left_out)
    if entities is not None:
        for (entity,) in read_rows(Path(entities), _ENTITY):
            builder.add_entity(entity)
    if triples is not None:
        for head, relation, tail in read_rows(Path(triples), *TRIPLES):
            builder.add_triple(head, relation or UNNAMED, tail)
    if attributes is not None:
        rows = read_rows(Path(attributes), *FACTS, may_be_empty=["value"])
        for entity, attribute, value in rows:
            builder.add_attribute(entity, attribute, value)
    return builder.build()


def read_folder(
    name: str, folder: PathLike, exclude: PathLike | None = None
) -> KnowledgeGraph:
    """Reads whichever of the tables ``triples``, ``attributes`` and ``entities`` are in
    a folder, with any suffix that :func:`read_tables` knows.

    Args:
        name (str): Name of the graph.
        folder (str or Path): The folder.
        exclude (str or Path, optional): Table of entities to leave out.
            (default: :obj:`None`)

    Raises:
        FileNotFoundError: If there is none of them.
        ValueError: If there are two of one of them, or one is malformed.
    """
    names = ("triples", "attributes", "entities")
    triples, attributes, entities = (find_table(folder, name) for name in names)
    if not (triples or attributes or entities):
        raise FileNotFoundError(
            f"{folder} holds no table of triples, attributes or entities, such as "
            "triples.tsv or triples.csv"
        )
    return read_tables(name, triples, attributes, entities, exclude)


def find_table(folder: PathLike, table: str) -> Path | None:
    """The file of a table in a folder, whatever its suffix; None if there is none.

    Raises:
        ValueError: If there are several.
    """
    suffixes = [
        *TEXT,
        *PARQUET,
        *EXCEL,
        *(t + packed for t in TEXT for packed in PACKED),
    ]
    paths = [Path(folder) / (table + suffix) for suffix in suffixes]
    there = [path for path in paths if path.is_file()]
    if len(there) > 1:
        names = ", ".join(path.name for path in there)
        raise ValueError(f"{folder} holds several tables of {table}: {names}")
    return there[0] if there else None


def write_tables(graph: KnowledgeGraph, folder: PathLike) -> None:
    """Writes ``entities.csv``, ``triples.csv`` and, if there are attributes,
    ``attributes.csv``, from which :func:`read_folder` reads the same graph.

    Each file is first written in full under another name, so that an interrupt leaves
    the old one intact.

    Args:
        graph (KnowledgeGraph): The graph; its features are not written.
        folder (str or Path): Folder of the tables; it is made if it does not exist.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names, relations = graph.entities, graph.relations
    _write(folder / "entities.csv", ("entity",), ((e,) for e in names))
    rows = ((names[h], relations[r], names[t]) for h, r, t in graph.triples.tolist())
    _write(folder / "triples.csv", _TRIPLE, rows)
    if graph.attributes is not None:
        values = graph.values or [""] * graph.attributes.size(1)
        facts = zip(*graph.attributes.tolist(), values, strict=True)
        rows = ((names[e], graph.attribute_names[a], v) for e, a, v in facts)
        _write(folder / "attributes.csv", _FACT, rows)


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with (
        replacing(path) as unfinished,
        unfinished.open("w", encoding="utf-8", newline="") as file,
    ):
        # Not every version of Python quotes a field for its carriage return.
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(header)
        writer.writerows(rows)
