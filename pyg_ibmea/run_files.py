"""The JSON files of a run folder: what they hold, and reading them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from pyg_ibmea.json_shapes import (
    FLAG,
    NULL,
    NUMBER,
    TEXT,
    WHOLE,
    ListOf,
    MapOf,
    OneOf,
    Record,
    Shape,
    parse_json,
    read_json,
)

CONFIG = "config.json"
METRICS = "metrics.json"
HISTORY = "metrics.jsonl"
RESTORE = "restore the file, or train into another folder"
"""What to do about a file of a run that was edited or damaged."""

NAMES = OneOf("null or a list of names", (NULL, TEXT, ListOf(TEXT)))
# Version 0.1 wrote modalities as a text; a study adds keys of its own.
_RUN = Record(
    {},
    {
        "seed": WHOLE,
        "modalities": NAMES,
        "continues": TEXT,
        "answers": WHOLE,
        "objects": MapOf(OneOf("a name or names", (TEXT, MapOf(TEXT)))),
        "graphs": ListOf(ListOf(TEXT, 1), 1),
        "links": ListOf(ListOf(TEXT, 2)),
    },
)


def _numbers(*keys: str) -> dict[str, Shape]:
    return dict.fromkeys(keys, NUMBER)


_ROW = _numbers("hits@1", "hits@10", "mr", "mrr")
_RANKED = MapOf(
    Record({**_ROW, "target_to_source": Record(_ROW), "mean": Record(_ROW)})
)
_MATCHED = Record(
    {
        **_numbers("precision"),
        "right": WHOLE,
        "asked": WHOLE,
        "interval": ListOf(NUMBER, 2, 2),
    }
)
_FOUND = Record(_numbers("precision", "recall", "f1"))
_CONFIDENCE = Record(
    {},
    {
        **_numbers("threshold", "expected_calibration_error", "share_with_counterpart"),
        "decoder": TEXT,
        "calibrated": FLAG,
        "calibrated_on": WHOLE,
        "reliability": ListOf(Record(_numbers("confidence", "right", "matches"))),
        "coverage": ListOf(
            Record(_numbers("coverage", "threshold", "precision", "recall", "f1"))
        ),
        "dangling": _FOUND,
    },
    {
        "coverage": ("expected_calibration_error", "reliability"),
        "dangling": ("threshold",),
    },
)


def _by_part(shape: Shape) -> Record:
    """Of the parts of the known pairs that there are."""
    return Record({}, {"test": shape, "val": shape})


_OF_PAIR: dict[str, Shape] = {
    "test": _RANKED,
    "val": _RANKED,
    "vectors_alone": _by_part(MapOf(Record({"mean": Record(_ROW)}))),
    "matches": _by_part(_MATCHED),
    "confidence": _CONFIDENCE,
    "candidates": Record(
        {"search": TEXT, "nearest": WHOLE, "pairs": WHOLE, "ranked": _by_part(WHOLE)},
        {"recall": NUMBER},
    ),
}
_CLUSTERS = Record(
    {
        "clusters": WHOLE,
        "cycle_consistency": NUMBER,
        "pairs": MapOf(Record({"matches": _FOUND, "clusters": _FOUND})),
    }
)
_METRICS = Record(
    {},
    {
        **_OF_PAIR,
        "best_epoch": WHOLE,
        "seconds": NUMBER,
        "pairs": MapOf(Record({}, _OF_PAIR)),
        "clusters": _CLUSTERS,
        "processes": Record({"count": WHOLE, "backend": TEXT}),
        "anchors": Record(
            {"kinds": MapOf(WHOLE), "seed_pairs": WHOLE},
            {"seeds": _MATCHED, "all": _MATCHED},
        ),
    },
)


def read_config(folder: Path) -> dict[str, Any]:
    """What ``config.json`` of a run folder holds.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it was edited or damaged.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is not a run folder: it has no {CONFIG}")
    config: dict[str, Any] = read_json(path, _RUN, RESTORE)
    return config


def read_any_config(folder: Path) -> dict[str, Any]:
    """The same, for a training loop that may mean something else by the keys."""
    config: dict[str, Any] = read_json(folder / CONFIG, Record({}), RESTORE)
    return config


def read_metrics(folder: Path) -> dict[str, Any]:
    """What ``metrics.json`` of a run folder holds.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it was edited or damaged.
    """
    path = folder / METRICS
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; has the training ended?")
    metrics: dict[str, Any] = read_json(path, _METRICS, RESTORE)
    return metrics


def read_history(folder: Path, figures: Collection[str] = ()) -> list[dict[str, Any]]:
    """The lines of ``metrics.jsonl``, none if there is no such file; a last line cut
    short is dropped.

    Args:
        folder (Path): The run folder.
        figures (collection of str, optional): The figures that each evaluation must
            have, such as ``hits@1``. (default: none)

    Raises:
        ValueError: If it was edited or damaged; the message names the line.
    """
    path = folder / HISTORY
    if not path.exists():
        return []
    shape = Record(
        {
            "epoch": WHOLE,
            "seconds": NUMBER,
            "loss": MapOf(NUMBER),
            "val": Record(_numbers(*figures)) if figures else MapOf(NUMBER),
            "weights": MapOf(NUMBER),
        },
        {"information": MapOf(MapOf(NUMBER))},
    )
    lines = path.read_bytes().split(b"\n")[:-1]
    return [
        parse_json(line, f"{path}, line {number}", shape, RESTORE)
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
