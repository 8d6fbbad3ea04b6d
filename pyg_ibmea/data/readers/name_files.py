"""Names of entities from JSON or a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pyg_ibmea.data._boundary import open_text, reading
from pyg_ibmea.data._packed import is_packed
from pyg_ibmea.data.readers._excel import EXCEL
from pyg_ibmea.data.readers._headers import place_of_columns
from pyg_ibmea.data.readers._lines import read_lines
from pyg_ibmea.data.readers._rows import PARQUET, read_rows, suffix_of
from pyg_ibmea.problem import check_texts

Names = list[tuple[int | str, str]]

NAMES = (("entity", "name"),)
"""The layout of a table of names."""


def read_names(path: Path) -> Names:
    """Reads the names of entities.

    A ``.json`` file holds ``{id or URI: name}`` or ``[[id or URI, name], ...]``, a
    name being a text or a list of words. Any other file is a table: ``.csv``,
    ``.parquet``, ``.xlsx``, or text with a line ``id or URI <TAB> name`` for each
    entity, also compressed (``.gz``, ``.zst``). A first row that names the columns,
    such as entity, name or label, uri, is a header; the columns may then be in any
    order, with others beside them.

    Raises:
        FileNotFoundError: If the file does not exist.
        ImportError: If it is Parquet and pyarrow is not installed.
        ValueError: If the file is malformed; the message names the entry or line.
    """
    with reading(path):
        if path.suffix.lower() == ".json":
            return _from_json(path)
        if suffix_of(path) in (".csv", *PARQUET, *EXCEL) or is_packed(path):
            return _from_table(path)
        return _from_text(path)


def _from_table(path: Path) -> Names:
    rows = read_rows(path, *NAMES, may_be_empty=["name"])
    return [(_key(key.strip()), name.strip()) for key, name in rows]


def _from_text(path: Path) -> Names:
    names: Names = []
    lines = read_lines(path)
    if place_of_columns(lines[0].split("\t"), NAMES[0]):
        return _from_table(path)
    for number, line in enumerate(lines, start=1):
        key, tab, name = line.partition("\t")
        if not tab or not key.strip():
            raise ValueError(
                f"{path}, line {number}: expected an entity id or URI, a tab and a "
                f"name, got {line[:80]!r}"
            )
        names.append((_key(key.strip()), name.strip()))
    return names


def _from_json(path: Path) -> Names:
    with reading(path, "is not JSON"), open_text(path) as file:
        content = json.loads(file.read().decode("utf-8-sig"))
    entries = list(content.items()) if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise ValueError(f"{path} must hold an object or a list of pairs")
    return [_entry(path, place, entry) for place, entry in enumerate(entries)]


def _entry(path: Path, place: int, entry: Any) -> tuple[int | str, str]:
    if isinstance(entry, list | tuple) and len(entry) == 2:
        key, name = entry
        if isinstance(name, list) and all(isinstance(word, str) for word in name):
            name = " ".join(name)
        is_key = isinstance(key, int | str) and not isinstance(key, bool)
        if is_key and isinstance(name, str):
            # JSON can escape half of a character, which no text can hold.
            check_texts(f"{path}, entry {place}", [key, name])
            return _key(key) if isinstance(key, str) else key, name
    raise ValueError(
        f"{path}, entry {place}: expected an entity id or URI and a name (a text or a "
        f"list of words), got {str(entry)[:80]!r}"
    )


def _key(text: str) -> int | str:
    # "007" is not the id 7, and would not be found by the text of that number.
    if len(text) < 20 and text.isascii() and text.isdigit() and str(int(text)) == text:
        return int(text)
    return text
