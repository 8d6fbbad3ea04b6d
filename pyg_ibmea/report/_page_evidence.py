"""The evidence for matches in the HTML report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyg_ibmea.align.explanation import MODALITY, Explanation


def evidence_of(explanations: Sequence[Explanation | None]) -> dict[str, Any]:
    """What the page holds of explanations, in little room: a text that many rows share
    is there once.

    Args:
        explanations (sequence of Explanation): Those of the first rows, in their order;
            ``None`` for a row without one.

    Returns:
        dict: ``texts``, and ``rows``: for each a list of contributions, each the place
        of its name, its value to three digits and the place of its text.

    Example:
        >>> from pyg_ibmea.align import Contribution
        >>> terms = Contribution("n", 0.5, "both A", "fact"), Contribution("x", 1, "")
        >>> evidence_of([Explanation("a", "b", "zh", "en", 1.5, terms), None])
        {'texts': ['', 'n', 'both A', 'x'], 'rows': [[[1, 0.5, 2], [3, 1, 0]], []]}
    """
    places: dict[str, int] = {"": 0}
    rows: list[list[list[float]]] = []
    for found in explanations:
        row: list[list[float]] = []
        for term in () if found is None else found.contributions:
            name = places.setdefault(term.name, len(places))
            text = places.setdefault(_short(term.kind, term.text), len(places))
            row.append([name, round(term.value, 3), text])
        rows.append(row)
    return {"texts": list(places), "rows": rows}


def _short(kind: str, text: str) -> str:
    """A text without the figures of a modality, which differ from row to row."""
    if kind == MODALITY and "similarity" in text:
        return text.partition("; ")[2]
    return text
