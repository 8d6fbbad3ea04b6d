"""Reading an alignment from a table."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from pyg_ibmea.align._alignment_columns import ENTITIES, FLOATS
from pyg_ibmea.align._alignment_files import (
    COLUMNS,
    FORMATS,
    TABLES,
    form_of,
    import_pyarrow,
    parquet_table,
    part_name,
    parts_in,
    suffixes,
)
from pyg_ibmea.problem import Pair
from pyg_ibmea.tab_fields import name_of_field

_NONE = -1


def read_table(path: Path) -> dict[str, Any]:
    """Reads a table of matches.

    The entities of a graph are numbered in order of appearance.

    Args:
        path (Path): ``.tsv``, ``.csv`` or ``.parquet``, a file or a folder of parts.

    Returns:
        dict: The arguments of :class:`Alignment`, by name.

    Raises:
        FileNotFoundError: If the file does not exist.
        ImportError: If the file is Parquet and pyarrow is not installed.
        ValueError: If the file is not a table of matches; the message names the line.
    """
    form = form_of(path)
    if form in FORMATS and form not in TABLES:
        raise ValueError(
            f"{path}: .{form} does not hold all scores and confidences; load the "
            f"alignment from {suffixes(TABLES)}"
        )
    if form not in TABLES:
        raise ValueError(f"{path}: expected one of {suffixes(TABLES)}")
    if form == "parquet" and path.is_dir():
        return _numbered(path, "row", _rows_of_parts(path))
    if not path.is_file():
        raise FileNotFoundError(f"there is no alignment {path}; train a model first")
    if form == "parquet":
        return _numbered(path, "row", _parquet_rows(path))
    try:
        # A carriage return may be part of a name; only CSV can quote a line feed.
        newline = "" if form == "csv" else "\n"
        with path.open(encoding="utf-8", newline=newline) as file:
            rows = _csv_rows(file) if form == "csv" else _tsv_rows(file)
            if tuple(next(rows, (1, ()))[1]) != COLUMNS:
                _refuse_columns(f"{path}, line 1")
            return _numbered(path, "line", rows)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8, got {error}") from error
    except csv.Error as error:
        raise ValueError(f"{path}: expected CSV, got {error}") from error


def _tsv_rows(file: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(file, start=1):
        fields = line.removesuffix("\n").split("\t")
        yield number, [*map(name_of_field, fields)] if "\\" in line else fields


def _csv_rows(file: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(file, strict=True)
    for row in reader:
        yield reader.line_num, row


def _parquet_rows(path: Path) -> Iterator[tuple[int, Sequence[Any]]]:
    pyarrow, parquet = import_pyarrow()
    try:
        with parquet.ParquetFile(path) as file:
            if not set(COLUMNS) <= set(file.schema_arrow.names):
                _refuse_columns(str(path))
            table = file.read(columns=list(COLUMNS)).select(COLUMNS)
        table = table.cast(parquet_table({name: [] for name in COLUMNS}).schema)
    except pyarrow.ArrowException as error:
        raise ValueError(f"{path}: expected a table of matches, got {error}") from error
    # Only one batch at a time is converted to Python objects.
    batches = table.to_batches(max_chunksize=1 << 16)
    lists = ([column.to_pylist() for column in batch.columns] for batch in batches)
    rows = (row for columns in lists for row in zip(*columns, strict=True))
    yield from enumerate(rows, start=1)


def _rows_of_parts(folder: Path) -> Iterator[tuple[int, Sequence[Any]]]:
    parts = parts_in(folder)
    expected = [part_name(number, len(parts)) for number in range(len(parts))]
    if not parts or [path.name for path in parts] != expected:
        raise ValueError(
            f"{folder} does not hold all parts of a table, such as {part_name(0, 2)} "
            f"and {part_name(1, 2)}; write it again"
        )
    rows = (row for path in parts for _, row in _parquet_rows(path))
    yield from enumerate(rows, start=1)


def _refuse_columns(where: str) -> NoReturn:
    raise ValueError(f"{where}: expected the columns {', '.join(COLUMNS)}")


def _numbered(
    path: Path, unit: str, rows: Iterable[tuple[int, Sequence[Any]]]
) -> dict[str, Any]:
    """Converts rows of names to columns of entity numbers, using little memory."""
    entities: dict[str, dict[str, int]] = {}
    pairs: dict[Pair, int] = {}
    ids, values = array("q"), array("d")
    for line, row in rows:
        try:
            source, target, score, confidence, runner_up, margin, left, right = row
            numbers = float(score), float(margin), float(confidence)
            if None in row[:2] or None in row[6:]:
                raise ValueError("a name is missing")
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{path}, {unit} {line}: expected eight fields with numbers in the "
                f"third, fourth and sixth, got {_shown(row)!r}"
            ) from error
        if not 0 <= numbers[2] <= 1:
            raise ValueError(
                f"{path}, {unit} {line}: expected a confidence in [0, 1], got "
                f"{confidence}"
            )
        a, b = entities.setdefault(left, {}), entities.setdefault(right, {})
        # In this order, as both may be of the same graph.
        ids.append(a.setdefault(source, len(a)))
        ids.append(b.setdefault(target, len(b)))
        ids.append(b.setdefault(runner_up, len(b)) if runner_up else _NONE)
        ids.append(pairs.setdefault((left, right), len(pairs)))
        values.extend(numbers)
    columns = (
        *np.array(ids, dtype=np.int64).reshape(-1, 4).T,
        *np.array(values, dtype=np.float64).reshape(-1, 3).T,
    )
    return {
        **{
            name: np.ascontiguousarray(column)
            for name, column in zip((*ENTITIES, "pair", *FLOATS), columns, strict=True)
        },
        "pairs": tuple(pairs),
        "uris": {graph: list(names) for graph, names in entities.items()},
    }


def _shown(row: Sequence[Any]) -> str:
    return "\t".join(map(str, row))[:80]
