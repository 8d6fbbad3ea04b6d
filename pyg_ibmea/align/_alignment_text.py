"""Showing an alignment: as one line, a text table or an HTML table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from pyg_ibmea.align._alignment_files import COLUMNS, NUMBERS

_WIDEST = 40


def count_of(number: int) -> str:
    """A number of matches as text.

    Example:
        >>> count_of(10_500), count_of(1), count_of(0)
        ('10,500 matches', '1 match', 'no matches')
    """
    if number == 0:
        return "no matches"
    return f"{number:,} match{'es' if number > 1 else ''}"


def one_field(name: str) -> str:
    r"""A name on one line, to look at.

    Example:
        >>> one_field("two\nlines")
        'two lines'
    """
    # Much faster than a translation or a regular expression.
    return name.replace("\t", " ").replace("\r", " ").replace("\n", " ")


def text_table(columns: Mapping[str, Sequence[Any]], total: int) -> str:
    """Matches as a text table with aligned columns, and their total number.

    Args:
        columns (dict): Values of the matches to show, by column name.
        total (int): Total number of matches.
    """
    shown = len(columns["source"])
    last = count_of(total)
    if not shown:
        return last
    if shown < total:
        last += f", the {shown} surest shown"
    cells = [
        [name, *(_short(_cell(value)) for value in columns[name])]
        for name in _shown_names(columns)
    ]
    widths = [max(map(len, column)) for column in cells]
    lines = [
        "  ".join(
            cell.rjust(width) if column[0] in NUMBERS else cell.ljust(width)
            for cell, width, column in zip(row, widths, cells, strict=True)
        ).rstrip()
        for row in zip(*cells, strict=True)
    ]
    return "\n".join([*lines, last])


def html_table(columns: Mapping[str, Sequence[Any]], total: int) -> str:
    """Matches as an HTML table with all text escaped.

    Args:
        columns (dict): Values of the matches to show, by column name.
        total (int): Total number of matches.
    """
    shown = len(columns["source"])
    caption = count_of(total) + (f", the first {shown} shown" * (shown < total))
    names = _shown_names(columns)
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_cell(value))}</td>" for value in row) + "</tr>"
        for row in zip(*(columns[name] for name in names), strict=True)
    )
    return (
        f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _shown_names(columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """The columns, without the two graph names if all matches share them."""
    graphs = set(zip(columns["source_graph"], columns["target_graph"], strict=True))
    return list(COLUMNS if len(graphs) > 1 else COLUMNS[:-2])


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else one_field(str(value))


def _short(text: str) -> str:
    """The end of a long text, as the URIs of a graph start alike."""
    return text if len(text) <= _WIDEST else f"…{text[1 - _WIDEST :]}"
