"""Text files of ids and URIs, read fast, with errors that name file and line."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pyg_ibmea.data._boundary import open_text

# Python itself refuses to parse thousands of digits.
_WHOLE_NUMBER = re.compile(r"[0-9]{1,1000}")
_UNUSUAL = re.compile(r"[^\0-\x7f]|[_+]")
_MAX_ID = 2**63 - 1

Ids = NDArray[np.int64]


def read_lines(path: Path) -> list[str]:
    r"""Reads the lines of a file in UTF-8, or in UTF-16 with its mark, without trailing
    blank lines.

    A byte order mark and carriage returns at line ends are dropped. Lines end at
    line feeds only, since URIs may contain the other separators that
    :meth:`str.splitlines` splits at.

    Raises:
        ValueError: If the file is empty or not UTF-8; the message names the line.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "lines"
        ...     _ = path.write_bytes(b"one\r\ntwo\r\n\r\n")
        ...     read_lines(path)
        ['one', 'two']
    """
    with open_text(path) as file:
        raw = file.read()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path}, line {line}: byte 0x{error.object[error.start]:02x} is not "
            "UTF-8; convert the file, e.g. with `iconv -t UTF-8`"
        ) from error
    lines = text.replace("\r\n", "\n").removesuffix("\r").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise ValueError(f"{path} is empty")
    return lines


def report_unknown(
    path: Path, lines: Sequence[str], unknown: Sequence[int], stacklevel: int
) -> None:
    """Warns of lines that begin with the URI of no entity.

    Args:
        path (Path): The file.
        lines (sequence of str): All its lines, of fields separated by tabs.
        unknown (sequence of int): Numbers of those lines, from 1.
        stacklevel (int): See :func:`warnings.warn`; 2 is the caller.

    Raises:
        ValueError: If these are all lines.
    """
    if len(unknown) == len(lines):
        raise ValueError(
            f"{path}: no line begins with the URI of an entity of this side; line 1 "
            f"has {lines[0].split(chr(9))[0]!r}; are the sides swapped?"
        )
    if unknown:
        uri = lines[unknown[0] - 1].split("\t")[0]
        warnings.warn(
            f"{path}: dropped {len(unknown)} of {len(lines)} lines, whose entity is "
            f"not in the entity table (first: line {unknown[0]}, {uri!r})",
            stacklevel=stacklevel,
        )


def read_id_rows(path: Path, fields: tuple[str, ...]) -> Ids:
    """Reads rows of whole numbers separated by white space, ``[rows, fields]``.

    Args:
        path (Path): The file.
        fields (tuple): What each field of a row holds, for error messages.

    Raises:
        ValueError: If the file is empty, or a line has the wrong number of fields or
            a field that is not a whole number; the message names the line.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "triples"
        ...     _ = path.write_text("3 0 7")
        ...     read_id_rows(path, ("head", "relation", "tail")).tolist()
        [[3, 0, 7]]
    """
    lines = read_lines(path)
    rows = [line.split() for line in lines]
    if set(map(len, rows)) == {len(fields)}:
        try:
            count = len(rows) * len(fields)
            ids = np.fromiter(map(int, chain.from_iterable(rows)), np.int64, count)
        except (ValueError, OverflowError):
            pass
        else:
            # int() also takes "1_000", signs and digits of other scripts.
            if ids.min() >= 0 and not any(map(_UNUSUAL.search, lines)):
                return ids.reshape(len(rows), len(fields))
    for number, row in enumerate(rows, start=1):
        if len(row) != len(fields):
            raise ValueError(
                f"{path}, line {number}: expected {len(fields)} fields "
                f"({', '.join(fields)}), got {len(row)}: {_excerpt(lines[number - 1])}"
            )
        for what, value in zip(fields, row, strict=True):
            _parse_id(value, what, path, number)
    # Only unusual white space can lead here.
    return np.array([[int(value) for value in row] for row in rows], dtype=np.int64)


def read_id_table(path: Path, what: str) -> tuple[Ids, list[str]]:
    r"""Reads a table of ``id TAB uri`` lines.

    The URI is everything after the first TAB, including unusual characters.

    Args:
        path (Path): The file.
        what (str): What the table lists, for error messages, e.g. ``"entity"``.

    Returns:
        The ids ``[rows]``, all different, and the URIs, in the order of the file.

    Raises:
        ValueError: If the file is empty, a line has no TAB, no URI or an id that is
            not a whole number, or an id occurs twice; the message names the line.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "ent_ids_1"
        ...     _ = path.write_text("7\tParis\n")
        ...     ids, uris = read_id_table(path, "entity")
        >>> ids.tolist(), uris
        ([7], ['Paris'])
    """
    lines = read_lines(path)
    ids = np.empty(len(lines), dtype=np.int64)
    uris: list[str] = []
    first_line: dict[int, int] = {}
    for number, line in enumerate(lines, start=1):
        value, tab, uri = line.partition("\t")
        if not tab or not uri.strip():
            raise ValueError(
                f"{path}, line {number}: expected an id, a TAB and the URI of the "
                f"{what}, got {_excerpt(line)}"
            )
        parsed = _parse_id(value.strip(), f"{what} id", path, number)
        if first_line.setdefault(parsed, number) != number:
            raise ValueError(
                f"{path}, line {number}: {what} id {parsed} is already used on line "
                f"{first_line[parsed]}; every id must be unique"
            )
        ids[number - 1] = parsed
        uris.append(uri)
    return ids, uris


def _parse_id(value: str, what: str, path: Path, number: int) -> int:
    if not _WHOLE_NUMBER.fullmatch(value) or int(value) > _MAX_ID:
        raise ValueError(
            f"{path}, line {number}: {what} must be a whole number that fits in 64 "
            f"bits, got {_excerpt(value)}"
        )
    return int(value)


def _excerpt(text: str, width: int = 80) -> str:
    return repr(text if len(text) <= width else text[:width] + "...")
