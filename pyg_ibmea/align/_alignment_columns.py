"""The columns of an alignment: types, ranges, and joint numbering of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from pyg_ibmea.problem import Pair

ENTITIES = ("source", "target", "runner_up")
"""Columns of entity numbers; all but the first refer to the target graph."""

FLOATS = ("score", "margin", "confidence")
ARRAYS = (*ENTITIES, *FLOATS, "pair")

Value = TypeVar("Value", str, float, bool | None)


def whole_numbers(name: str, values: ArrayLike) -> NDArray[np.int64]:
    """Values as a column of integers, ``[N]``.

    Raises:
        ValueError: If they are not one-dimensional or not of that kind.
    """
    column = _one_dimensional(name, values)
    if column.size and column.dtype.kind not in "iu":
        raise ValueError(f"{name} must hold integers, got {column.dtype}")
    return column.astype(np.int64, copy=False)


def real_numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Values as a column of real numbers, ``[N]``.

    Raises:
        ValueError: If they are not one-dimensional or not of that kind.
    """
    column = _one_dimensional(name, values)
    if column.size and column.dtype.kind not in "iuf":
        raise ValueError(f"{name} must hold numbers, got {column.dtype}")
    return column.astype(np.float64, copy=False)


def array_of(column: Tensor) -> NDArray[Any]:
    """Converts a tensor on any device to an array."""
    array: NDArray[Any] = column.detach().cpu().numpy()
    return array


def check_columns(
    columns: Mapping[str, NDArray[Any]],
    pairs: Sequence[Pair],
    uris: Mapping[str, Sequence[str]],
) -> None:
    """Checks that columns are consistent with each other, the pairs of graphs and the
    entities.

    Raises:
        ValueError: If they are not; the message names the row.
    """
    if len(set(pairs)) != len(pairs):
        raise ValueError(f"pairs must be distinct, got {list(pairs)}")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"columns must have the same length, got {said}")
    numbers = columns["pair"]
    _check_range("pair", numbers, slice(None), (0, len(pairs)), "there are {} pairs")
    for number, pair in enumerate(pairs):
        rows = np.flatnonzero(numbers == number)
        for name in ENTITIES:
            kg = pair[name != "source"]
            ends = -1 if name == "runner_up" else 0, len(uris[kg])
            why = f"graph {kg!r} has {{}} entities"
            _check_range(name, columns[name], rows, ends, why)
    confidence = columns["confidence"]
    # NaN is also out of range.
    wrong = np.flatnonzero(~((confidence >= 0) & (confidence <= 1)))
    if len(wrong):
        row = wrong[0]
        raise ValueError(
            f"row {row}: confidence must be in [0, 1], got {confidence[row]}"
        )


def by_pair(
    name: str, values: Mapping[Pair, Value] | None, pairs: Sequence[Pair], none: Value
) -> dict[Pair, Value]:
    """The value of each pair of graphs, or ``none`` where it is not given.

    Raises:
        ValueError: If a value is given for an unknown pair.
    """
    values = values or {}
    unknown = [pair for pair in values if pair not in pairs]
    if unknown:
        raise ValueError(
            f"{name} names the pair {unknown[0]}, expected one of {list(pairs)}"
        )
    return {pair: values.get(pair, none) for pair in pairs}


def add_known(
    name: str, known: dict[Pair, Value], values: Mapping[Pair, Value]
) -> None:
    """Adds the values of an alignment's pairs to those already known.

    Raises:
        ValueError: If they contradict those.
    """
    for pair, value in values.items():
        is_said = value or value is False  # A threshold of 0 is none.
        if is_said and known.setdefault(pair, value) != value:
            raise ValueError(
                f"the matches of {pair[0]} - {pair[1]} differ in their {name}, "
                f"{known[pair]!r} and {value!r}; join parts of the same alignment only"
            )


def add_uris(
    known: dict[str, Sequence[str]], kg: str, uris: Sequence[str]
) -> NDArray[np.int64]:
    """Adds the URIs of a graph to those already known.

    Returns:
        numpy.ndarray: The number of each URI among those now known, followed by -1, so
        that the index -1 maps to -1.
    """
    there = known.setdefault(kg, uris)
    if there is uris or list(there) == list(uris):
        return np.append(np.arange(len(uris), dtype=np.int64), -1)
    every = list(there)
    first: dict[str, int] = {}
    for i, uri in enumerate(every):
        first.setdefault(uri, i)
    numbers = []
    for uri in uris:
        numbers.append(first.setdefault(uri, len(every)))
        if numbers[-1] == len(every):
            every.append(uri)
    known[kg] = every
    return np.array([*numbers, -1], dtype=np.int64)


def _one_dimensional(name: str, values: ArrayLike) -> NDArray[Any]:
    column = np.asarray(values)
    if column.ndim != 1:
        raise ValueError(f"{name} must have one dimension, got {list(column.shape)}")
    return column


def _check_range(
    name: str,
    column: NDArray[np.int64],
    rows: NDArray[np.int64] | slice,
    ends: tuple[int, int],
    why: str,
) -> None:
    values = column[rows]
    wrong = np.flatnonzero((values < ends[0]) | (values >= ends[1]))
    if len(wrong):
        row = np.arange(len(column))[rows][wrong[0]]
        raise ValueError(f"row {row}: {name} is {column[row]}, {why.format(ends[1])}")
