"""Knowledge graphs in the CSV files of Neo4j."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pyg_ibmea.data._boundary import reading
from pyg_ibmea.data._packed import without_packing
from pyg_ibmea.data.builder import UNNAMED, GraphBuilder
from pyg_ibmea.data.knowledge_graph import KnowledgeGraph
from pyg_ibmea.data.readers._rows import split_csv

# The columns that apoc.export.csv writes, as those of neo4j-admin import.
_APOC = {
    "_id": ":ID",
    "_labels": ":LABEL",
    "_start": ":START_ID",
    "_end": ":END_ID",
    "_type": ":TYPE",
}
_FIELD = re.compile(
    r"(?P<name>[^:]*):(?P<role>ID|LABEL|START_ID|END_ID|TYPE|IGNORE)(?:\((?P<space>.*)\))?"
    r"(?:\{.*\})?"
)
_TYPE = re.compile(
    r":(int|long|float|double|boolean|byte|short|char|string|point|date|localtime|time"
    r"|localdatetime|datetime|duration)(\[\])?(\{.*\})?$"
)
_LABEL = "label of the node"


def read_neo4j(
    name: str, path: str | os.PathLike[str], exclude: Sequence[str] = ()
) -> KnowledgeGraph:
    r"""Reads a knowledge graph from CSV as Neo4j exports and imports it.

    A file has a header. It is of nodes with the column ``:ID``, which names the entity,
    and of relationships with ``:START_ID``, ``:END_ID`` and ``:TYPE``, as
    ``neo4j-admin database import`` takes them (``personId:ID(Person)``, ``age:int``,
    ``:LABEL``); or of both, as ``apoc.export.csv.all`` writes it (``_id``, ``_labels``,
    ``_start``, ``_end``, ``_type``). Other columns of nodes become attributes; arrays
    (``:string[]``, or JSON as APOC writes it) have several values. Ids of an id space
    become ``space/id``. Properties of relationships are passed over.

    Args:
        name (str): Name of the graph.
        path (str or Path): A ``.csv`` file, also compressed (``.gz``, ``.zst``), or a
            folder with such files.
        exclude (sequence of str, optional): Entities to leave out, with all that is
            said of them. (default: none)

    Raises:
        FileNotFoundError: If there is no such file, or the folder has none.
        ValueError: If a header lacks these columns, or a row has an empty id or another
            number of fields; the message names the line.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     nodes, edges = Path(folder, "nodes.csv"), Path(folder, "edges.csv")
        ...     _ = nodes.write_text("id:ID,name,age:int\na,Ada,36\nb,London,\n")
        ...     _ = edges.write_text(":START_ID,:END_ID,:TYPE\na,b,LIVES_IN\n")
        ...     graph = read_neo4j("en", folder)
        >>> graph.relations, graph.values
        (['LIVES_IN'], ['Ada', '36', 'London'])
    """
    path = Path(path)
    files = [path]
    if path.is_dir():
        inside = sorted(path.iterdir())
        files = [one for one in inside if without_packing(one.name).endswith(".csv")]
        if not files:
            raise FileNotFoundError(f"{path} holds no .csv file of nodes")
    builder = GraphBuilder(name, exclude)
    edges: list[tuple[str, str, str]] = []
    for file in files:
        with reading(file):
            edges += _add_file(builder, file)
    for head, relation, tail in edges:  # Entities are numbered as the nodes come.
        builder.add_triple(head, relation, tail)
    return builder.build()


def _add_file(builder: GraphBuilder, file: Path) -> Iterator[tuple[str, str, str]]:
    """Adds the nodes of a file; gives its relationships."""
    rows = split_csv(file)
    number, header = next(rows, (0, []))
    if not header:
        raise ValueError(f"{file} is empty")
    header = [_APOC.get(field.strip(), field.strip()) for field in header]
    roles: dict[str, tuple[int, str]] = {}
    properties: dict[int, tuple[str, bool]] = {}
    for place, field in enumerate(header):
        found = _FIELD.fullmatch(field)
        if found is None:
            attribute = _TYPE.sub("", field)
            properties[place] = attribute, field.split("{")[0].endswith("[]")
        elif found["role"] != "IGNORE":
            space = f"{found['space']}/" if found["space"] else ""
            roles[found["role"]] = place, space
    if "ID" not in roles and not {"START_ID", "END_ID"} <= set(roles):
        raise ValueError(
            f"{file}, line {number}: neither :ID nor :START_ID and :END_ID are among "
            f"the columns {', '.join(header)}; a file of Neo4j has them in its header"
        )

    def of(role: str, fields: Sequence[str]) -> str:
        place, space = roles.get(role, (-1, ""))
        text = fields[place].strip() if place >= 0 else ""
        return space + text if text else ""

    for number, fields in rows:
        if len(fields) != len(header):
            raise ValueError(
                f"{file}, line {number}: expected {len(header)} fields as in the "
                f"header, got {len(fields)}"
            )
        ends = of("START_ID", fields), of("END_ID", fields)
        entity = of("ID", fields)
        if all(ends):
            yield ends[0], of("TYPE", fields) or UNNAMED, ends[1]
        elif not entity or any(ends):
            raise ValueError(f"{file}, line {number}: an id is empty")
        else:
            _add_node(builder, entity, of("LABEL", fields), fields, properties)


def _add_node(
    builder: GraphBuilder,
    entity: str,
    labels: str,
    fields: Sequence[str],
    properties: dict[int, tuple[str, bool]],
) -> None:
    builder.add_entity(entity)
    for label in re.split("[;:]", labels):
        if label:
            builder.add_attribute(entity, _LABEL, label)
    for place, (attribute, several) in properties.items():
        for value in _values(fields[place].strip(), several):
            if value.strip():
                builder.add_attribute(entity, attribute, value.strip())


def _values(text: str, several: bool) -> list[str]:
    if several:
        return text.split(";")
    if text.startswith("[") and text.endswith("]"):  # APOC writes arrays as JSON.
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return [text]
        if all(isinstance(value, str | int | float) for value in found):
            return [str(value) for value in found]
    return [text]
