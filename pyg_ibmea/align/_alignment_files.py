"""Writing an alignment as a table or as ``owl:sameAs`` statements."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pyg_ibmea.files import replacing
from pyg_ibmea.rdf_terms import iri_term, is_blank, warn_of_blank
from pyg_ibmea.tab_fields import field_of

COLUMNS = (
    *("source", "target", "score", "confidence", "runner_up", "margin"),
    *("source_graph", "target_graph"),
)
"""The columns of a table of matches."""

NUMBERS = ("score", "confidence", "margin")
"""The numeric columns; the others hold names."""

FORMATS = ("tsv", "csv", "parquet", "nt")
OTHER_FORMS = (".sssom",)
"""Endings before the last one, of forms of their own that share the last one."""

SHEETS = ("tsv", "csv")
"""Forms that people open in a spreadsheet."""

# By these a spreadsheet tells a formula: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_SAME_AS = "<http://www.w3.org/2002/07/owl#sameAs>"


def write_table(
    path: Path,
    form: str | None,
    columns: Mapping[str, list[Any]],
    safe_cells: bool = False,
) -> None:
    """Writes a table of matches whole, or leaves the old file as it was.

    Args:
        path (str or os.PathLike): The file.
        form (str, optional): One of :data:`FORMATS`. (default: by the suffix)
        columns (dict): Values by name of the column, in the order of :data:`COLUMNS`.
        safe_cells (bool, optional): Whether names that a spreadsheet would take for a
            formula get an apostrophe in front. (default: no)

    Raises:
        ImportError: If the format is Parquet and pyarrow is not installed.
        ValueError: If the format is unknown, or has no cells to make safe.
    """
    other = form is None and Path(path.stem).suffix.lower() in OTHER_FORMS
    form = form or path.suffix.removeprefix(".").lower()
    if other or form not in FORMATS:
        raise ValueError(f"{path}: expected one of {suffixes(FORMATS)}")
    if safe_cells:
        if form not in SHEETS:
            raise ValueError(f"{path}: only {suffixes(SHEETS)} have cells to make safe")
        columns = {
            name: values if name in NUMBERS else [*map(safe_cell, values)]
            for name, values in columns.items()
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        if form == "parquet":
            _, parquet = import_pyarrow()
            with unfinished.open("wb") as file:  # Its name need not be UTF-8.
                parquet.write_table(parquet_table(columns), file)
            return
        with unfinished.open("w", encoding="utf-8", newline="") as text:
            rows = zip(*columns.values(), strict=True)
            if form == "csv":
                writer = csv.writer(text, quoting=csv.QUOTE_ALL)
                writer.writerow(COLUMNS)
                writer.writerows(rows)
            else:
                text.writelines(_tsv(columns) if form == "tsv" else _nt(columns))


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


def _tsv(columns: Mapping[str, list[Any]]) -> Iterator[str]:
    """Lines with six decimals, so that loading and saving again gives the same file."""
    yield "\t".join(COLUMNS) + "\n"
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


def _nt(columns: Mapping[str, list[Any]]) -> Iterator[str]:
    sides = columns["source"], columns["target"]
    # An entity may be the target of many, and quoting is slow.
    names = set().union(*sides)
    iri = {name: iri_term(name) for name in names if not is_blank(name)}
    blank = 0
    for source, target in zip(*sides, strict=True):
        if source in iri and target in iri:
            yield f"{iri[source]} {_SAME_AS} {iri[target]} .\n"
        else:
            blank += 1
    warn_of_blank(blank)


def parquet_table(columns: Mapping[str, list[Any]]) -> Any:
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
