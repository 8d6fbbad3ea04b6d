"""Reader of the JAPE folder layout that the alignment benchmarks share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pyg_ibmea.data._boundary import reading
from pyg_ibmea.data.knowledge_graph import KnowledgeGraph
from pyg_ibmea.data.readers._jape_links import (
    LINK_FILES,
    SEED_FILE,
    check_sides_apart,
    read_links,
    to_local,
)
from pyg_ibmea.data.readers._jape_values import VALUE_FILES, Facts, with_values
from pyg_ibmea.data.readers._lines import (
    read_id_rows,
    read_id_table,
    read_lines,
    report_unknown,
)

_TABLES = ("ent_ids", "rel_ids", "triples")


class JapePair(NamedTuple):
    """Two knowledge graphs and the links between them, as read from a folder.

    Attributes:
        source: The graph of the files that end in ``_1``.
        target: The graph of the files that end in ``_2``.
        links: Long ``[2, L]``: source and target node ids of the true pairs.
        seed_mask: Bool ``[L]``, True for the published training links
            (``sup_ent_ids``); None if the folder has no such file.
    """

    source: KnowledgeGraph
    target: KnowledgeGraph
    links: Tensor
    seed_mask: Tensor | None


def read_jape(
    folder: str | os.PathLike[str], names: tuple[str, str] = ("source", "target")
) -> JapePair:
    r"""Reads two knowledge graphs and their links from a folder in JAPE's layout.

    - ``ent_ids_{1,2}``: entity id TAB URI; ids are unique over both sides
    - ``rel_ids_{1,2}``: relation id TAB URI
    - ``triples_{1,2}``: head entity id, relation id, tail entity id
    - ``ill_ent_ids`` or ``ref_ent_ids``: entity id of side 1, entity id of side 2
    - ``sup_ent_ids`` (optional): the same, the published training links
    - ``training_attrs_{1,2}`` (optional): entity URI TAB attribute TAB …
    - ``values_{1,2}.tsv`` (optional): entity URI TAB attribute TAB value, and a
      datatype after a further TAB, which is not used

    The layout is that of JAPE (https://arxiv.org/abs/1708.05045). Node ids follow the
    order of ``ent_ids``. Training links that the link file lacks are added to the
    links, since some releases keep them in separate files. Attributes of entities that
    are not in the entity table are dropped with a warning that counts them. An
    attribute that has a value need not be in ``training_attrs``.

    Args:
        folder (str or Path): The folder; it is only read.
        names (tuple, optional): Names of the two graphs.
            (default: :obj:`("source", "target")`)

    Returns:
        The two graphs, the links as node ids, and the published training links.

    Raises:
        FileNotFoundError: If files are missing; the message lists all of them.
        ValueError: If a file is empty, not UTF-8 or malformed, or names an entity
            or relation that is unknown; the message names file and line.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> files = {
        ...     "ent_ids_1": "0\tParis\n1\tFrance", "ent_ids_2": "2\tParijs\n3\tWaal",
        ...     "rel_ids_1": "0\tin", "rel_ids_2": "1\tnear",
        ...     "triples_1": "0\t0\t1", "triples_2": "2\t1\t3", "ill_ent_ids": "0\t2",
        ... }
        >>> with TemporaryDirectory() as folder:
        ...     for name, text in files.items():
        ...         _ = (Path(folder) / name).write_text(text)
        ...     pair = read_jape(folder, names=("fr", "nl"))
        >>> pair.target.entities, pair.target.triples.tolist(), pair.links.tolist()
        (['Parijs', 'Waal'], [[0, 0, 1]], [[0], [0]])
    """
    folder = Path(folder)
    missing = missing_jape_files(folder)
    if missing:
        raise FileNotFoundError(f"{folder} lacks {', '.join(missing)}")
    with reading(folder):
        source, target = (
            _read_graph(folder, side, name) for side, name in enumerate(names, start=1)
        )
        check_sides_apart(folder, source, target)
        links, seed_mask = read_links(folder, source, target)
        return JapePair(source, target, links, seed_mask)


def missing_jape_files(folder: str | os.PathLike[str]) -> list[str]:
    """Lists the files that a folder in JAPE's layout needs but this one lacks.

    Example:
        >>> missing_jape_files("no such folder")[:2]
        ['ent_ids_1', 'ent_ids_2']
    """
    folder = Path(folder)
    required = [f"{table}_{side}" for table in _TABLES for side in (1, 2)]
    missing = [name for name in required if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in LINK_FILES):
        missing.append(" or ".join(LINK_FILES))
    return missing


def jape_files(folder: str | os.PathLike[str]) -> list[Path]:
    """Lists the files of a folder that :func:`read_jape` reads.

    Example:
        >>> jape_files("no such folder")
        []
    """
    folder = Path(folder)
    names = [f"{table}_{side}" for table in _TABLES for side in (1, 2)]
    names += [name for name in LINK_FILES if (folder / name).is_file()][:1]
    names += [SEED_FILE, "training_attrs_1", "training_attrs_2", *VALUE_FILES]
    return [folder / name for name in names if (folder / name).is_file()]


def _read_graph(folder: Path, side: int, name: str) -> KnowledgeGraph:
    """Reads one side: entity and relation tables, triples and attributes."""
    entity_path = folder / f"ent_ids_{side}"
    entity_ids, entities = read_id_table(entity_path, "entity")
    _check_unique_uris(entity_path, entities)
    relation_path = folder / f"rel_ids_{side}"
    relation_ids, relations = read_id_table(relation_path, "relation")

    path = folder / f"triples_{side}"
    triples = np.empty((0, 3), dtype=np.int64)
    if path.stat().st_size > 0:  # A graph without triples is legal.
        triples = read_id_rows(path, ("head", "relation", "tail"))
    columns = (
        ("head entity", entity_ids, entity_path),
        ("relation", relation_ids, relation_path),
        ("tail entity", entity_ids, entity_path),
    )
    for column, (what, known, table) in enumerate(columns):
        local, bad_row = to_local(triples[:, column], known)
        if bad_row is not None:
            raise ValueError(
                f"{path}, line {bad_row + 1}: {what} {triples[bad_row, column]} is not "
                f"in {table.name}; add it there or remove the triple"
            )
        triples[:, column] = local
    listed = _read_attributes(folder / f"training_attrs_{side}", entities)
    facts = with_values(Facts(*listed, None), folder / VALUE_FILES[side - 1], entities)
    return KnowledgeGraph(
        name=name,
        entities=entities,
        relations=relations,
        triples=torch.from_numpy(triples),
        entity_ids=torch.from_numpy(entity_ids),
        attributes=facts.attributes,
        attribute_names=facts.names,
        values=facts.values,
    )


def _read_attributes(
    path: Path, entities: list[str]
) -> tuple[Tensor | None, list[str]]:
    """Reads the attributes of one side; None if there is no file."""
    if not path.is_file():
        return None, []
    node = {uri: i for i, uri in enumerate(entities)}
    attribute_id: dict[str, int] = {}
    nodes: list[int] = []
    attributes: list[int] = []
    unknown: list[int] = []
    lines = read_lines(path)
    for number, line in enumerate(lines, start=1):
        uri, *names = line.split("\t")
        if uri not in node:
            unknown.append(number)
            continue
        has = [attribute_id.setdefault(a, len(attribute_id)) for a in names if a]
        attributes += has
        nodes += [node[uri]] * len(has)
    report_unknown(path, lines, unknown, stacklevel=5)
    return torch.tensor([nodes, attributes], dtype=torch.long), list(attribute_id)


def _check_unique_uris(path: Path, uris: list[str]) -> None:
    if len(set(uris)) == len(uris):
        return
    first_line: dict[str, int] = {}
    for number, uri in enumerate(uris, start=1):
        if first_line.setdefault(uri, number) != number:
            raise ValueError(
                f"{path}, line {number}: entity {uri!r} is already on line "
                f"{first_line[uri]}; a graph lists every entity once"
            )
