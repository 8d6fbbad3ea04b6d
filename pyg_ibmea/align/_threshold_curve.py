"""Precision and recall, with their intervals, of the matches from a confidence on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyg_ibmea.align.calibration import precision_recall_f1, wilson_interval

THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


def threshold_curve(
    confidence: NDArray[np.float64],
    right: NDArray[np.bool_],
    num_true: int,
    thresholds: Sequence[float] = THRESHOLDS,
) -> list[dict[str, Any]]:
    """Precision, recall and F1 of the matches of at least some confidences.

    Args:
        confidence (numpy.ndarray): Probabilities, ``[N]``.
        right (numpy.ndarray): Whether each match is right, bool ``[N]``.
        num_true (int): Number of entities that have a counterpart.
        thresholds (sequence of float, optional): The confidences.

    Returns:
        list: For each threshold that some match reaches, ``threshold``, ``given`` and
        ``right`` (numbers of matches), ``precision``, ``recall``, ``f1``, and the 95 %
        intervals (Wilson's) ``precision_interval`` and ``recall_interval``.

    Example:
        >>> right = np.array([True, True, False])
        >>> curve = threshold_curve(np.array([0.9, 0.8, 0.3]), right, 4, [0.5, 0.95])
        >>> curve[0]["given"], curve[0]["precision"], curve[0]["recall"], len(curve)
        (2, 1.0, 0.5, 1)
    """
    order = np.argsort(confidence, kind="stable")
    ordered = confidence[order]
    below = np.concatenate([[0], right[order].cumsum()])  # Right among the first k.
    curve = []
    for threshold in thresholds:
        start = int(np.searchsorted(ordered, threshold, side="left"))
        given, found = len(ordered) - start, int(below[-1] - below[start])
        if given:
            curve.append(
                {
                    "threshold": threshold,
                    "given": given,
                    "right": found,
                    **precision_recall_f1(found, given, num_true),
                    **intervals(found, given, num_true),
                }
            )
    return curve


def intervals(right: int, given: int, num_true: int) -> dict[str, list[float]]:
    """The 95 % intervals of precision and recall.

    Args:
        right (int): Number of right matches.
        given (int): Number of matches, at least 1.
        num_true (int): Number of entities that have a counterpart, at least 1.

    Example:
        >>> low, high = intervals(18, 18, 20)["precision_interval"]
        >>> round(low, 3), high
        (0.824, 1.0)
    """
    # An entity may have several right matches.
    found = {"precision": (right, given), "recall": (min(right, num_true), num_true)}
    return {
        f"{name}_interval": list(wilson_interval(*share))
        for name, share in found.items()
    }
