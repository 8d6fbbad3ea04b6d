"""Cells of data frames as texts, as a table in a file would have them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np

_AS_WRITTEN = (int, date, time, Decimal, UUID)
_MANY = (list, tuple, set, frozenset, np.ndarray)


def texts_of(column: Sequence[Any], where: str) -> list[list[str]]:
    """What each cell of a column says: nothing, a text, or several from a list.

    Missing values (``None``, NaN, NaT, ``pandas.NA``) and blank texts say nothing. A
    column of whole numbers stays one, even where missing values made it floating-point.
    Points in time of which all are at midnight are dates; a duration is in seconds.

    Args:
        column (sequence): The cells.
        where (str): What the column is of, for messages.

    Raises:
        TypeError: If a cell holds something else; the message names the row.

    Example:
        >>> texts_of([1995.0, float("nan"), ["a", None, "b"], date(2001, 5, 1)], "it")
        [['1995'], [], ['a', 'b'], ['2001-05-01']]
    """
    kept = [_kept(cell) for cell in column]
    parts = [part for cell in kept for part in cell]
    whole = all(
        part.is_integer() and abs(part) < 2**53
        for part in parts
        if isinstance(part, float)
    )
    days = all(
        part.time() == time() and part.tzinfo is None
        for part in parts
        if isinstance(part, datetime)
    )
    found = []
    for row, cell in enumerate(kept):
        try:
            found.append([_text(part, whole, days) for part in cell])
        except TypeError as error:
            raise TypeError(f"{where}, row {row}: {error}") from None
    return found


def _kept(cell: Any) -> list[Any]:
    """The values of a cell, as Python objects, without missing ones."""
    if isinstance(cell, str):
        return [cell] if cell.strip() else []
    if isinstance(cell, set | frozenset):
        cell = sorted(cell, key=repr)
    elif not isinstance(cell, _MANY):
        cell = (cell,)
    return [part for part in map(_plain, cell) if not _is_missing(part)]


def _plain(cell: Any) -> Any:
    """A Python object in place of a NumPy scalar."""
    if not isinstance(cell, np.generic):
        return cell
    # Nanoseconds would become whole numbers.
    for kind, exact in ((np.datetime64, "M8[us]"), (np.timedelta64, "m8[us]")):
        if isinstance(cell, kind):
            return cell.astype(exact).item()
    return cell.item()


def _is_missing(cell: Any) -> bool:
    if cell is None:
        return True
    if isinstance(cell, str):
        return not cell.strip()
    try:
        return bool(cell != cell)
    except (TypeError, ValueError):  # pandas.NA does not know what it equals.
        return True


def _text(cell: Any, whole: bool, days: bool) -> str:
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return str(int(cell)) if whole else repr(cell)
    if isinstance(cell, datetime):
        return cell.date().isoformat() if days else cell.isoformat()
    if isinstance(cell, timedelta):
        return f"{cell.total_seconds():g} s"
    if isinstance(cell, _AS_WRITTEN):
        return str(cell)
    raise TypeError(
        f"a cell must hold a text, a number, a date or a list of these, got a "
        f"{type(cell).__name__}: {str(cell)[:60]!r}"
    )
