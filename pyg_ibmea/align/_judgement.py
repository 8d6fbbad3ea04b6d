"""Comparing matches with true pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pyg_ibmea.align._threshold_curve import intervals, threshold_curve
from pyg_ibmea.align.calibration import (
    coverage_curve,
    expected_calibration_error,
    precision_recall_f1,
)


def judge(
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    confidence: NDArray[np.float64],
    uris: Sequence[Sequence[str]],
    pairs: Iterable[Sequence[str]],
    known: Iterable[Sequence[str]] = (),
) -> dict[str, Any]:
    """Compares the matches of one pair of graphs with true pairs.

    Args:
        source (numpy.ndarray): Numbers of the source entities, ``[N]``.
        target (numpy.ndarray): Numbers of their matches, ``[N]``.
        confidence (numpy.ndarray): The probability that the match is right, ``[N]``.
        uris (sequence of sequence of str): URIs of the source and the target graph, by
            entity number.
        pairs (iterable of sequence of str): URIs of the true pairs.
        known (iterable of sequence of str): URIs of pairs that were given to a
            training; they are not judged.

    Returns:
        dict: See :meth:`pyg_ibmea.align.alignment.Alignment.judge`.

    Raises:
        ValueError: If there are no pairs, or all of them are known.
    """
    every = {(left, right) for left, right in pairs}
    if not every:
        raise ValueError("there are no true pairs to compare the matches with")
    true = every.difference((left, right) for left, right in known)
    if not true:
        raise ValueError(
            f"all {len(every)} pairs were known to the training; judge by others"
        )
    sources = {left for left, _ in true}
    # Pairs are given by URI: entities that share one count as the same.
    (first, left), (second, right) = map(_by_uri, uris)
    ids = np.array([first[uri] for uri in sources if uri in first], dtype=np.int64)
    asked = np.isin(left[source], ids)
    size = len(right)
    codes = [first[a] * size + second[b] for a, b in true if a in first and b in second]
    found = (left[source] * size + right[target])[asked]
    marks = torch.from_numpy(np.isin(found, np.array(codes, dtype=np.int64)))
    given, count = marks.numel(), int(marks.sum())
    judged: dict[str, Any] = {
        "pairs": len(sources),
        "known": len(every) - len(true),
        "given": given,
        "right": count,
        **precision_recall_f1(count, given, len(sources)),
    }
    if given:
        # In the floating-point type of the models that gave the confidence.
        sure = torch.from_numpy(confidence[asked]).to(torch.get_default_dtype())
        error = expected_calibration_error(sure, marks)
        judged["expected_calibration_error"] = error
        judged["coverage"] = coverage_curve(sure, marks, len(sources))
        judged |= intervals(count, given, len(sources))
        shares = confidence[asked], marks.numpy(), len(sources)
        judged["thresholds"] = threshold_curve(*shares)
    if not count and len(true) == len(every):
        # Nothing fits; do the pairs fit the other way round?
        fits = [
            sum((a in first) + (b in second) for a, b in both)
            for both in (every, [(b, a) for a, b in every])
        ]
        judged["exchanged"] = fits[0] < fits[1]
    return judged


def _by_uri(uris: Sequence[str]) -> tuple[dict[str, int], NDArray[np.int64]]:
    """The first number of each URI, and for each entity that of its URI."""
    first: dict[str, int] = {}
    same = [first.setdefault(uri, number) for number, uri in enumerate(uris)]
    return first, np.array(same, dtype=np.int64)
