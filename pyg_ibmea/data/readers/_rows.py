"""Rows of tables in text files and Parquet, one at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from pyg_ibmea.data._boundary import (
    bounded_lines,
    check_bytes,
    check_regular,
    reading,
)
from pyg_ibmea.data._packed import without_packing
from pyg_ibmea.data.readers._excel import EXCEL, excel_rows
from pyg_ibmea.data.readers._headers import place_of_columns

PARQUET = (".parquet", ".pq")
TEXT = (".csv", ".tsv", ".txt")

Row = tuple[str, ...]
#: Where a row stands, the layout of its file and its fields.
_Found = tuple[str, Sequence[str], Row]


def read_rows(
    path: Path, *layouts: Sequence[str], may_be_empty: Sequence[str] = ()
) -> Iterator[Row]:
    """Reads a table in one of several layouts, without holding it in memory.

    A first row that holds the names of a layout's columns, in upper or lower case, or
    usual names of theirs (see :data:`~pyg_ibmea.data.readers._headers.ALIASES`), is a
    header; the columns may then be in any order, with others beside them. Without a
    header, the number of fields in the first row tells the layout.

    Args:
        path (Path): ``.csv`` (commas, double quotes), ``.parquet``, ``.xlsx`` (the
            first sheet), or text with tabs; text may be compressed (``.gz``, ``.zst``).
        *layouts (sequence of str): Names of the columns. The first layout has all of
            them.
        may_be_empty (sequence of str, optional): Columns in which a field may be empty.
            (default: none)

    Yields:
        The fields of a row in the order of the first layout, ``''`` for a column that
        the file's layout lacks.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is empty or malformed; the message names the line.
        ImportError: If it is Parquet and pyarrow is not installed.
    """
    check_regular(path)
    if suffix_of(path) in PARQUET:
        rows = _parquet_rows(path, layouts)
    else:
        rows = _text_rows(path, layouts)
    needed = [name not in may_be_empty for name in layouts[0]]
    layout: Sequence[str] = ()
    for where, found, fields in rows:
        if found is not layout:
            layout = found
            needed = [n in layout and n not in may_be_empty for n in layouts[0]]
        for name, value, must in zip(layouts[0], fields, needed, strict=True):
            if must and not value.strip():
                raise ValueError(f"{path}, {where}: the {name} is empty")
        yield fields
    if not layout:
        raise ValueError(f"{path} is empty")


def suffix_of(path: Path) -> str:
    """The suffix that tells the format, in lower case, without that of compression."""
    return Path(without_packing(path.name)).suffix


def _text_rows(path: Path, layouts: Sequence[Sequence[str]]) -> Iterator[_Found]:
    rows, unit = _split(path)
    layout: Sequence[str] = ()
    place: dict[str, int] = {}
    width = 0
    for number, fields in rows:
        if not layout:
            width = len(fields)
            layout, place = _header(fields, layouts)
            if layout:
                continue
            layout = next((x for x in layouts if len(x) == width), ())
            place = {name: i for i, name in enumerate(layout)}
        if not layout or len(fields) != width:
            wanted = " or ".join(", ".join(x) for x in (layouts if not layout else ()))
            wanted = wanted or f"{width} fields as in the first row"
            raise ValueError(
                f"{path}, {unit} {number}: expected {wanted}, got {len(fields)} "
                f"fields: {_excerpt(fields)}; a table with other columns needs a first "
                "row that names them"
            )
        row = tuple(fields[place[n]] if n in place else "" for n in layouts[0])
        yield f"{unit} {number}", layout, row


def _split(path: Path) -> tuple[Iterator[tuple[int, list[str]]], str]:
    """Numbered rows of fields, and what their numbers count."""
    suffix = suffix_of(path)
    if suffix in EXCEL:
        return excel_rows(path), "row"
    return (split_csv(path) if suffix == ".csv" else _split_tabs(path)), "line"


def _header(
    fields: Sequence[str], layouts: Sequence[Sequence[str]]
) -> tuple[Sequence[str], dict[str, int]]:
    """The layout that a header names and the place of its columns."""
    for layout in layouts:
        place = place_of_columns(fields, layout)
        if place is not None:
            return layout, place
    return (), {}


def first_row(path: Path, *layouts: Sequence[str]) -> dict[str, str] | None:
    """The first row of a table as it is understood, by column; ``None`` if a header
    names the columns.

    Args:
        path (Path): As for :func:`read_rows`.
        *layouts (sequence of str): Likewise.
    """
    if suffix_of(path) in PARQUET:
        return None
    _, fields = next(_split(path)[0], (0, []))
    if _header(fields, layouts)[0]:
        return None
    layout = next((x for x in layouts if len(x) == len(fields)), ())
    return dict(zip(layout, fields, strict=False))


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank; they end at a line feed only."""
    for number, raw in enumerate(bounded_lines(path), start=1):
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path}, line {number}: byte 0x{raw[error.start]:02x} is not "
                "UTF-8; convert the file, e.g. with `iconv -t UTF-8`"
            ) from error
        yield number, line


def _split_tabs(path: Path) -> Iterator[tuple[int, list[str]]]:
    for number, line in numbered_lines(path):
        if line.strip():
            yield number, line.removesuffix("\n").removesuffix("\r").split("\t")


def split_csv(path: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader((line for _, line in numbered_lines(path)), strict=True)
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                yield reader.line_num, fields
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {reader.line_num}: {error}; quote fields with commas, "
            "quotes or line ends, and double the quotes inside"
        ) from error


def _parquet_rows(path: Path, layouts: Sequence[Sequence[str]]) -> Iterator[_Found]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(
            'Parquet needs pyarrow: pip install "pyg_ibmea[tables]"'
        ) from error
    with (
        reading(path, "cannot be read as Parquet"),
        parquet.ParquetFile(path) as file,
    ):
        names = file.schema_arrow.names
        layout, place = _header(names, layouts)
        if not layout:
            raise ValueError(
                f"{path} needs the columns "
                f"{' or '.join(', '.join(x) for x in layouts)}; it has "
                f"{', '.join(names)}"
            )
        number = taken = 0
        for batch in file.iter_batches(columns=[names[place[n]] for n in layout]):
            # A value that is stored once may stand in every row.
            taken += batch.nbytes
            check_bytes(path, taken)
            parts = [batch.column(names[place[n]]).to_pylist() for n in layout]
            for values in zip(*parts, strict=True):
                number += 1
                text = ["" if value is None else str(value) for value in values]
                row = dict(zip(layout, text, strict=True))
                found = tuple(row.get(name, "") for name in layouts[0])
                yield f"row {number}", layout, found


def _excerpt(fields: Sequence[str], width: int = 80) -> str:
    text = repr(list(fields))
    return text if len(text) <= width else text[:width] + "..."
