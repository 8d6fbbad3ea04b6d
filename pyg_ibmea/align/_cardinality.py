"""Which of several matches a cardinality allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def chosen_rows(
    pair: NDArray[np.int64],
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    confidence: NDArray[np.float64],
    cardinality: str,
) -> NDArray[np.int64]:
    """The rows that are chosen one after the other, the surest first, ascending.

    Args:
        pair (numpy.ndarray): Index of the pair of graphs of each row, ``[N]``.
        source (numpy.ndarray): Source entities, ``[N]``.
        target (numpy.ndarray): Target entities, ``[N]``.
        confidence (numpy.ndarray): Probabilities, ``[N]``.
        cardinality (str): One of :data:`pyg_ibmea.options.CARDINALITIES`.

    Returns:
        numpy.ndarray: Row numbers.
    """
    if cardinality == "many-to-many":
        return np.arange(len(source))
    if cardinality == "many-to-one":
        return _surest(pair, source, confidence)
    if cardinality == "one-to-many":
        return _surest(pair, target, confidence)
    by_source = _surest(pair, source, confidence)
    if len(by_source) == len(source):  # Each source has one row, as usual.
        return _surest(pair, target, confidence)
    kept: list[int] = []
    sources: set[tuple[int, int]] = set()
    targets: set[tuple[int, int]] = set()
    order = np.argsort(-confidence, kind="stable")
    columns = (column[order].tolist() for column in (pair, source, target))
    for row, graphs, i, j in zip(order.tolist(), *columns, strict=True):
        if (graphs, i) not in sources and (graphs, j) not in targets:
            sources.add((graphs, i))
            targets.add((graphs, j))
            kept.append(row)
    return np.sort(np.array(kept, dtype=np.int64))


def _surest(
    pair: NDArray[np.int64], entity: NDArray[np.int64], confidence: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The surest row of each entity, ascending; the first wins ties."""
    # The sort is stable: rows with equal keys keep their order.
    order = np.lexsort((-confidence, entity, pair))
    ordered, graphs = entity[order], pair[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(graphs) != 0) | (np.diff(ordered) != 0)
    return np.sort(order[first])
