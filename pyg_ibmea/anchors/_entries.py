"""Small tools on sparse matches kept as rows, columns and values."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Pairs(NamedTuple):
    """Pairs of entities with a probability each, every pair once, ordered by row.

    Attributes:
        row (numpy.ndarray): Source entities, int64 ``[K]``.
        column (numpy.ndarray): Target entities, int64 ``[K]``.
        value (numpy.ndarray): Probabilities, float64 ``[K]``.
        size (tuple): Number of source and target entities.
    """

    row: Ints
    column: Ints
    value: Floats
    size: tuple[int, int]

    @classmethod
    def best_of(
        cls, row: Ints, column: Ints, value: Floats, size: tuple[int, int]
    ) -> Pairs:
        """The largest value of each pair."""
        key = row * np.int64(max(1, size[1])) + column
        order = np.lexsort((-value, key))
        key = key[order]
        first = np.ones(len(key), dtype=bool)
        first[1:] = key[1:] != key[:-1]
        kept = order[first]
        return cls(row[kept], column[kept], value[kept], size)

    @classmethod
    def none(cls, size: tuple[int, int]) -> Pairs:
        """No pairs."""
        empty = np.empty(0, dtype=np.int64)
        return cls(empty, empty, np.empty(0), size)

    def take(self, kept: NDArray[np.bool_] | Ints) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.row[kept], self.column[kept], self.value[kept], self.size)

    def key(self) -> Ints:
        """A number for each pair, ascending."""
        found: Ints = self.row * np.int64(max(1, self.size[1])) + self.column
        return found


def one_to_one(pairs: Pairs) -> NDArray[np.bool_]:
    """Which pairs a greedy choice takes: the most probable first, each entity once.

    Among equally probable ones the first by row, then by column, is taken.

    Args:
        pairs (Pairs): The pairs.

    Returns:
        numpy.ndarray: Bool ``[K]``.
    """
    count = len(pairs.value)
    rank = np.empty(count, dtype=np.int64)
    order = np.lexsort((pairs.column, pairs.row, -pairs.value))
    rank[order] = np.arange(count)
    taken = np.zeros(count, dtype=bool)
    free = [np.ones(size, dtype=bool) for size in pairs.size]
    left = order
    while left.size:
        best = [np.full(size, count, dtype=np.int64) for size in pairs.size]
        row, column = pairs.row[left], pairs.column[left]
        np.minimum.at(best[0], row, rank[left])
        np.minimum.at(best[1], column, rank[left])
        # The best of both of its entities: no other choice can come first.
        sure = left[(best[0][row] == rank[left]) & (best[1][column] == rank[left])]
        taken[sure] = True
        free[0][pairs.row[sure]] = False
        free[1][pairs.column[sure]] = False
        left = left[free[0][row] & free[1][column]]
    return taken


def spans(ordered: Ints, values: Ints) -> tuple[Ints, Ints]:
    """Where values stand among ordered numbers, each as often as it is there.

    Args:
        ordered (numpy.ndarray): Ascending numbers ``[K]``.
        values (numpy.ndarray): Numbers to look up ``[L]``.

    Returns:
        tuple: The index of the value and its place, for each occurrence.
    """
    start = np.searchsorted(ordered, values, side="left")
    count = np.searchsorted(ordered, values, side="right") - start
    index = np.repeat(np.arange(len(values)), count)
    inside = np.arange(len(index)) - np.repeat(count.cumsum() - count, count)
    return index, start[index] + inside


def among_best(group: Ints, value: Floats, most: int) -> NDArray[np.bool_]:
    """Which values are among the largest of their group, bool ``[K]``."""
    order = np.lexsort((-value, group))
    ordered = group[order]
    first = np.searchsorted(ordered, ordered, side="left")
    best = np.zeros(len(group), dtype=bool)
    best[order] = np.arange(len(group)) - first < most
    return best
