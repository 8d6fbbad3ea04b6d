"""Writing an alignment as a table or in RDF."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from pyg_ibmea.align._alignment_rdf import (
    Columns,
    json_ld,
    n_triples,
    oaei,
    turtle,
)
from pyg_ibmea.align._alignment_sssom import Labels, write_sssom
from pyg_ibmea.files import replacing
from pyg_ibmea.options import EXACT
from pyg_ibmea.tab_fields import field_of

COLUMNS = (
    *("source", "target", "score", "confidence", "runner_up", "margin"),
    *("source_graph", "target_graph"),
)
"""The columns of a table of matches."""

NUMBERS = ("score", "confidence", "margin")
"""The numeric columns; the others hold names."""

TABLES = ("tsv", "csv", "parquet")
"""Forms that hold all columns."""

FORMATS = (*TABLES, "sssom.tsv", "nt", "ttl", "jsonld", "rdf")
MAPPINGS = ("sssom.tsv", "ttl", "jsonld")
"""Forms that say whether a match is exact or close."""

OTHER_FORMS = (".sssom",)
"""Endings before the last one, of forms of their own that share the last one."""

SHEETS = ("tsv", "csv")
"""Forms that people open in a spreadsheet."""

# By these a spreadsheet tells a formula: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


# Rows that are held as Python objects at a time.
AT_A_TIME = 1 << 18


@dataclass(frozen=True)
class Told:
    """What some forms say beside the columns.

    Args:
        labels (dict, optional): By graph, the label of an entity by its URI.
            (default: unknown)
        exact_from (float, optional): The confidence from which a match is
            ``skos:exactMatch``, and below which it is ``skos:closeMatch``.
        comment (str, optional): A sentence about all matches. (default: none)
    """

    labels: Labels | None = None
    exact_from: float = EXACT
    comment: str = ""


def form_of(path: Path) -> str:
    """The form that the ending of a file name says; it may be unknown.

    Example:
        >>> form_of(Path("m.TSV")), form_of(Path("m.sssom.tsv"))
        ('tsv', 'sssom.tsv')
    """
    last = path.suffix.removeprefix(".").lower()
    before = Path(path.stem).suffix.lower()
    return f"{before[1:]}.{last}" if before in OTHER_FORMS else last


def write_table(
    path: Path,
    form: str | None,
    tables: Callable[[], Iterable[Columns]],
    safe_cells: bool = False,
    told: Told | None = None,
) -> None:
    """Writes a table of matches whole, or leaves the old file as it was.

    Args:
        path (str or os.PathLike): The file.
        form (str, optional): One of :data:`FORMATS`. (default: by the suffix)
        tables (callable): Gives values by name of the column, in the order of
            :data:`COLUMNS`, some rows at a time, as often as it is called.
        safe_cells (bool, optional): Whether names that a spreadsheet would take for a
            formula get an apostrophe in front. (default: no)
        told (Told, optional): What some forms say beside the columns.

    Raises:
        ImportError: If the format is Parquet and pyarrow is not installed.
        ValueError: If the format is unknown, or has no cells to make safe.
    """
    form = form or form_of(path)
    if form not in FORMATS:
        raise ValueError(f"{path}: expected one of {suffixes(FORMATS)}")
    if safe_cells and form not in SHEETS:
        raise ValueError(f"{path}: only {suffixes(SHEETS)} have cells to make safe")
    told = told or Told()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        if form == "parquet":
            _write_parquet(unfinished, tables())
            return
        with unfinished.open("w", encoding="utf-8", newline="") as text:
            _write_text(text, form, tables, safe_cells, told)


def _write_text(
    text: TextIO,
    form: str,
    tables: Callable[[], Iterable[Columns]],
    safe_cells: bool,
    told: Told,
) -> None:
    some = map(_with_safe_cells, tables()) if safe_cells else tables()
    if form == "csv":
        writer = csv.writer(text, quoting=csv.QUOTE_ALL)
        writer.writerow(COLUMNS)
        for columns in some:
            writer.writerows(zip(*columns.values(), strict=True))
    elif form == "sssom.tsv":
        write_sssom(text, tables, told.labels, told.exact_from, told.comment)
    elif form in ("ttl", "jsonld"):
        mappings = turtle if form == "ttl" else json_ld
        text.writelines(mappings(some, told.exact_from))
    else:
        text.writelines({"tsv": _tsv, "nt": n_triples, "rdf": oaei}[form](some))


def write_parts(folder: Path, parts: Sequence[Callable[[], Iterable[Columns]]]) -> None:
    """Writes a table of matches as a folder of Parquet files, ``part-00000-of-00002``
    and so on, each of them whole. Parts of an earlier table go when all are there.

    Args:
        folder (Path): The folder; its name ends in ``.parquet``.
        parts (sequence): The tables of each part, as in :func:`write_table`.

    Raises:
        FileExistsError: If there is a file of that name.
        ImportError: If pyarrow is not installed.
        ValueError: If the name of the folder does not end in ``.parquet``.
    """
    if folder.suffix.lower() != ".parquet":
        raise ValueError(f"{folder}: a table in parts must end in .parquet")
    if folder.is_file():
        raise FileExistsError(f"{folder} is a file; remove it, or name another folder")
    names = [part_name(number, len(parts)) for number in range(len(parts))]
    for name, tables in zip(names, parts, strict=True):
        write_table(folder / name, None, tables)
    for path in parts_in(folder):
        if path.name not in names:
            path.unlink()


def part_name(number: int, count: int) -> str:
    """The name of a file in a table in parts.

    Example:
        >>> part_name(0, 12)
        'part-00000-of-00012.parquet'
    """
    return f"part-{number:05}-of-{count:05}.parquet"


def parts_in(folder: Path) -> list[Path]:
    """The files of a table in parts, in order."""
    return sorted(folder.glob("part-*-of-*.parquet"))


def _write_parquet(path: Path, tables: Iterable[Columns]) -> None:
    _, parquet = import_pyarrow()
    schema = parquet_table({name: [] for name in COLUMNS}).schema
    # An open file: its name need not be UTF-8.
    with path.open("wb") as file, parquet.ParquetWriter(file, schema) as writer:
        for columns in tables:
            writer.write_table(parquet_table(columns))


def _with_safe_cells(columns: Columns) -> Columns:
    return {
        name: values if name in NUMBERS else [*map(safe_cell, values)]
        for name, values in columns.items()
    }


def safe_cell(name: str) -> str:
    """A name that a spreadsheet takes for a text.

    Example:
        >>> safe_cell("=1+1"), safe_cell("1+1")
        ("'=1+1", '1+1')
    """
    return f"'{name}" if name.startswith(_FORMULA) else name


def suffixes(forms: Iterable[str]) -> str:
    """Names of formats as file suffixes."""
    return ", ".join(f".{form}" for form in forms)


def _tsv(tables: Iterable[Columns]) -> Iterator[str]:
    """Lines with six decimals, so that loading and saving again gives the same file."""
    yield "\t".join(COLUMNS) + "\n"
    for columns in tables:
        fields = (
            values if name in NUMBERS else map(field_of, values)
            for name, values in columns.items()
        )
        for source, target, score, confidence, runner_up, margin, left, right in zip(
            *fields, strict=True
        ):
            yield (
                f"{source}\t{target}\t{score:.6f}\t{confidence:.6f}\t{runner_up}\t"
                f"{margin:.6f}\t{left}\t{right}\n"
            )


def parquet_table(columns: Columns) -> Any:
    """Columns as an Arrow table of strings and float64."""
    pyarrow, _ = import_pyarrow()
    arrays = [
        pyarrow.array(
            values, pyarrow.float64() if name in NUMBERS else pyarrow.string()
        )
        for name, values in columns.items()
    ]
    return pyarrow.table(arrays, names=list(columns))


def import_pyarrow() -> tuple[Any, Any]:
    """Imports the modules ``pyarrow`` and ``pyarrow.parquet``.

    Raises:
        ImportError: If pyarrow is not installed; the message says how to get it.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(
            'Parquet needs pyarrow: pip install "pyg_ibmea[tables]"'
        ) from error
    return pyarrow, parquet
