"""Columns of data frames: pandas, polars, Arrow tables, and dictionaries of lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Columns:
    """A data frame, column by column.

    Attributes:
        values (dict): By name of the column, a Python object for each row.
        index (list, optional): What the index calls each row; ``None`` if the frame has
            no index, or one that only counts the rows.
        rows (int): Number of rows.
    """

    values: dict[str, list[Any]]
    index: list[Any] | None
    rows: int


def is_frame(value: object) -> bool:
    """Whether something is a data frame of a kind that :func:`columns_of` reads.

    Example:
        >>> is_frame({"id": ["a"]}), is_frame("table.csv")
        (True, False)
    """
    return isinstance(value, Mapping) or _is_pandas(value) or _has_arrow(value)


def columns_of(frame: Any, what: str) -> Columns:
    """The columns of a data frame.

    Args:
        frame: A ``pandas.DataFrame``; a polars frame, a ``pyarrow.Table`` or anything
            else with the Arrow PyCapsule interface (``__arrow_c_stream__``) or with
            ``to_arrow()``, which take pyarrow; or a dictionary of lists.
        what (str): What the frame is, for messages.

    Raises:
        ImportError: If it takes pyarrow, which is not installed.
        TypeError: If it is no data frame.
        ValueError: If columns share a name, or differ in length.

    Example:
        >>> columns_of({"id": ["a", "b"], "age": [1, 2]}, "people").values
        {'id': ['a', 'b'], 'age': [1, 2]}
    """
    if _is_pandas(frame):
        return _from_pandas(frame, what)
    if isinstance(frame, Mapping):
        return _named(frame.keys(), map(_listed, frame.values()), what)
    if _has_arrow(frame):
        table = _arrow_table(frame)
        lists = (column.to_pylist() for column in table.columns)
        return _named(table.column_names, lists, what)
    path = isinstance(frame, str) or hasattr(frame, "__fspath__")
    hint = "; read_tables reads files" if path else ""
    raise TypeError(
        f"{what} must be a data frame (pandas, polars, a pyarrow Table, or a "
        f"dictionary of lists), got {type(frame).__name__}{hint}"
    )


def refuse_frame(what: str, value: object, instead: str) -> None:
    """Raises TypeError where a data frame is given for a path.

    Args:
        what (str): What the path is of.
        value: What was given.
        instead (str): What takes data frames.

    Example:
        >>> refuse_frame("triples", {"head": ["a"]}, "from_frames")
        Traceback (most recent call last):
        ...
        TypeError: triples must be the path of a file, got a dict; from_frames takes \
data frames
    """
    if is_frame(value):
        raise TypeError(
            f"{what} must be the path of a file, got a {type(value).__name__}; "
            f"{instead} takes data frames"
        )


def _is_pandas(value: object) -> bool:
    return hasattr(value, "iloc") and hasattr(value, "columns")


def _has_arrow(value: object) -> bool:
    if isinstance(value, type) or hasattr(value, "__fspath__"):
        return False
    return hasattr(value, "__arrow_c_stream__") or hasattr(value, "to_arrow")


def _from_pandas(frame: Any, what: str) -> Columns:
    if getattr(frame.columns, "nlevels", 1) > 1:
        raise ValueError(
            f"{what}: the columns have names of {frame.columns.nlevels} levels; give "
            'each a single one, such as frame.columns = frame.columns.map("_".join)'
        )
    lists = (frame.iloc[:, place].tolist() for place in range(len(frame.columns)))
    found = _named(frame.columns, lists, what)
    counted = type(frame.index).__name__ == "RangeIndex" and frame.index.name is None
    return Columns(found.values, None if counted else frame.index.tolist(), len(frame))


def _arrow_table(frame: Any) -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError(
            f"a {type(frame).__name__} is read through Arrow, which needs pyarrow: "
            'pip install "pyg_ibmea[tables]"'
        ) from error
    if isinstance(frame, pyarrow.Table):
        return frame
    if hasattr(frame, "__arrow_c_stream__"):
        return pyarrow.table(frame)
    table = frame.to_arrow()
    return table if isinstance(table, pyarrow.Table) else pyarrow.table(table)


def _listed(column: Any) -> list[Any]:
    if isinstance(column, str | bytes) or not isinstance(column, Iterable):
        raise TypeError(
            f"a dictionary of columns must hold lists, got {type(column).__name__}"
        )
    return list(column)


def _named(names: Iterable[Any], lists: Iterable[list[Any]], what: str) -> Columns:
    values: dict[str, list[Any]] = {}
    for name, column in zip(map(str, names), lists, strict=True):
        if name in values:
            raise ValueError(
                f"{what}: two columns are called {name!r}; rename one of them"
            )
        values[name] = column
    lengths = {name: len(column) for name, column in values.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{what}: the columns differ in length: {lengths}")
    return Columns(values, None, next(iter(lengths.values()), 0))


def known_columns(
    columns: Columns, asked: Sequence[str], argument: str, what: str
) -> list[str]:
    """Checks that columns that were asked for are there.

    Args:
        columns (Columns): The frame.
        asked (sequence of str): The names.
        argument (str): The argument that asks for them, for the message.
        what (str): What the frame is, for the message.

    Raises:
        ValueError: If one is not there; the message lists those that are.
    """
    if isinstance(asked, str):
        raise TypeError(
            f"{argument} must be a list of columns, got {asked!r}; write [{asked!r}]"
        )
    for name in asked:
        if name not in columns.values:
            there = ", ".join(map(repr, columns.values)) or "none"
            raise ValueError(
                f"{what} has no column {name!r} ({argument}); its columns are {there}"
            )
    return list(asked)
