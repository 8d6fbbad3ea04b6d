"""The figures of several pairs of graphs, averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def mean_figures(figures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mean of every number, by name, over the mappings that have it.

    Example:
        >>> mean_figures([{"a": 1.0, "b": {"c": 2.0}}, {"a": 3.0}])
        {'a': 2.0, 'b': {'c': 2.0}}
    """
    if len(figures) == 1:
        return dict(figures[0])
    mean: dict[str, Any] = {}
    for name in dict.fromkeys(name for given in figures for name in given):
        values = [given[name] for given in figures if name in given]
        if isinstance(values[0], Mapping):
            mean[name] = mean_figures(values)
        else:
            mean[name] = sum(values) / len(values)
    return mean
