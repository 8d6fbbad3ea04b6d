"""The matches of a run folder, read back and written in other forms."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import torch

from pyg_ibmea.align import (
    coverage_curve,
    expected_calibration_error,
    precision_recall_f1,
)
from pyg_ibmea.files import replacing

COLUMNS = (
    *("source", "target", "score", "confidence", "runner_up", "margin"),
    *("source_graph", "target_graph"),
)
FORMATS = ("tsv", "csv", "parquet", "nt")
_SAME_AS = "<http://www.w3.org/2002/07/owl#sameAs>"


class Match(NamedTuple):
    """A line of ``alignment.tsv``.

    Attributes:
        source: The entity.
        target: Its best match.
        score: By the decoder.
        confidence: The probability that the match is right.
        runner_up: The second best, ``''`` if there is none.
        margin: What the score is above that of the runner-up.
        source_graph: Name of the graph of the entity.
        target_graph: That of the match.
    """

    source: str
    target: str
    score: float
    confidence: float
    runner_up: str
    margin: float
    source_graph: str = ""
    target_graph: str = ""

    @property
    def graphs(self) -> tuple[str, str]:
        """Names of the two graphs."""
        return self.source_graph, self.target_graph


def read_matches(path: str | os.PathLike[str]) -> list[Match]:
    """Reads ``alignment.tsv``.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is no such table; the message names the line.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no alignment {path}; train first.")
    with path.open(encoding="utf-8", newline="\n") as file:
        lines = [line.removesuffix("\n") for line in file]
    if not lines or tuple(lines[0].split("\t")) != COLUMNS:
        raise ValueError(f"{path}, line 1: expected the columns {', '.join(COLUMNS)}.")
    matches = []
    for number, line in enumerate(lines[1:], start=2):
        fields = line.split("\t")
        try:
            source, target, score, confidence, second, margin, *graphs = fields
            numbers = float(score), float(confidence), float(margin)
            left, right = graphs
        except ValueError as error:
            raise ValueError(
                f"{path}, line {number}: expected eight fields with numbers in the "
                f"third, fourth and sixth, got {line[:80]!r}."
            ) from error
        sure = (*numbers[:2], second, numbers[2])
        matches.append(Match(source, target, *sure, left, right))
    return matches


def select_matches(
    matches: Sequence[Match],
    min_confidence: float = 0.0,
    one_to_one: bool = False,
    graphs: Sequence[str] | None = None,
) -> list[Match]:
    """The matches that are sure enough.

    Args:
        matches: The matches.
        min_confidence: Least confidence.
        one_to_one: Whether an entity may be matched only once with another graph: the
            surest match of a target stays, of equally sure ones the first.
        graphs: Names of two graphs: only matches between these. (default: all)

    Raises:
        ValueError: If the confidence is no probability, or no match is between the
            graphs.
    """
    if graphs is not None:
        there = list(dict.fromkeys(match.graphs for match in matches))
        if tuple(graphs) not in there:
            raise ValueError(
                f"there are no matches from {graphs[0]!r} to {graphs[1]!r}, but "
                + ", ".join(f"from {a!r} to {b!r}" for a, b in there)
            )
        matches = [match for match in matches if match.graphs == tuple(graphs)]
    if not 0 <= min_confidence <= 1:
        raise ValueError(f"a confidence lies in [0, 1], got {min_confidence}")
    sure = [match for match in matches if match.confidence >= min_confidence]
    if not one_to_one:
        return sure
    best: dict[tuple[str, ...], Match] = {}
    for match in sure:
        end = (match.target, *match.graphs)
        if end not in best or match.confidence > best[end].confidence:
            best[end] = match
    kept = set(map(id, best.values()))
    return [match for match in sure if id(match) in kept]


def judge_matches(
    matches: Sequence[Match], pairs: Iterable[Sequence[str]]
) -> dict[str, Any]:
    """Compares matches with true pairs.

    Matches of entities that are the source of no pair are left out: nothing is known
    of them.

    Args:
        matches: The matches.
        pairs: The true pairs; an entity may be in several.

    Returns:
        ``pairs`` (different source entities), ``given`` (matches for them), ``right``,
        ``precision``, ``recall``, ``f1`` and, if there are any matches,
        ``expected_calibration_error`` and ``coverage``.

    Raises:
        ValueError: If there are no pairs, or the matches are of several pairs of
            graphs.

    Example:
        >>> matches = [Match("a", "x", 0.5, 0.9, "", 0.1)]
        >>> judge_matches(matches, [("a", "x"), ("b", "y")])["recall"]
        0.5
    """
    graphs = sorted({match.graphs for match in matches})
    if len(graphs) > 1:
        raise ValueError(
            "choose the two graphs that the pairs are of; there are matches of "
            + ", ".join(" and ".join(pair) for pair in graphs)
        )
    true: dict[str, set[str]] = {}
    for source, target in pairs:
        true.setdefault(source, set()).add(target)
    if not true:
        raise ValueError("there are no pairs to judge by")
    asked = [match for match in matches if match.source in true]
    right = torch.tensor([m.target in true[m.source] for m in asked], dtype=torch.bool)
    count = int(right.sum())
    found: dict[str, Any] = {
        "pairs": len(true),
        "given": len(asked),
        "right": count,
        **precision_recall_f1(count, len(asked), len(true)),
    }
    if asked:
        confidence = torch.tensor([match.confidence for match in asked])
        error = expected_calibration_error(confidence, right)
        found["expected_calibration_error"] = error
        found["coverage"] = coverage_curve(confidence, right, len(true))
    return found


def write_matches(
    matches: Sequence[Match], path: str | os.PathLike[str], form: str | None = None
) -> Path:
    """Writes matches as a table, or as ``owl:sameAs`` statements in N-Triples.

    A name that is no absolute URI becomes ``urn:x-entity:`` and the name,
    percent-encoded. The file is written whole under another name first.

    Args:
        matches: The matches.
        path: The file.
        form: ``'tsv'``, ``'csv'``, ``'parquet'`` or ``'nt'``. (default: by the suffix)

    Returns:
        The file.

    Raises:
        ImportError: If it is to be Parquet and pyarrow is not installed.
        ValueError: If the form is unknown.
    """
    path = Path(path)
    form = form or path.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise ValueError(f"{path}: expected one of .{', .'.join(FORMATS)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        if form == "parquet":
            _write_parquet(matches, unfinished)
        else:
            with unfinished.open("w", encoding="utf-8", newline="") as file:
                if form == "nt":
                    for match in matches:
                        left, right = as_iri(match.source), as_iri(match.target)
                        file.write(f"{left} {_SAME_AS} {right} .\n")
                elif form == "tsv":
                    for row in (COLUMNS, *matches):
                        file.write("\t".join(map(_one_field, row)) + "\n")
                else:
                    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
                    writer.writerows([COLUMNS, *matches])
    return path


def as_iri(name: str) -> str:
    """A name as an IRI of N-Triples, in angle brackets.

    Example:
        >>> as_iri("http://x/a b"), as_iri("Paris <1>")
        ('<http://x/a%20b>', '<urn:x-entity:Paris%20%3C1%3E>')
    """
    scheme, colon, rest = name.partition(":")
    if name.startswith("_:"):
        return f"<urn:x-entity:{quote(name, safe='')}>"
    plain = scheme.replace("+", "").replace("-", "").replace(".", "")
    if colon and rest and plain.isascii() and plain.isalnum() and scheme[0].isalpha():
        return f"<{quote(name, safe=_IRI)}>"
    return f"<urn:x-entity:{quote(name, safe='')}>"


# What may stand in an IRI as it is; letters of all scripts are encoded.
_IRI = ":/?#[]@!$&'()*+,;=%~"


def _one_field(value: object) -> str:
    """A field that cannot break a table without quotes."""
    return " ".join(re.split(r"[\t\r\n]", str(value)))


def _write_parquet(matches: Sequence[Match], path: Path) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(
            'Parquet needs pyarrow: pip install "pyg_ibmea[tables]"'
        ) from error
    columns = zip(*matches, strict=True) if matches else [()] * len(COLUMNS)
    kinds = [pyarrow.float64() if c in ("score", "confidence", "margin")
             else pyarrow.string() for c in COLUMNS]  # fmt: skip
    arrays = [pyarrow.array(list(values), kind)
              for values, kind in zip(columns, kinds, strict=True)]  # fmt: skip
    parquet.write_table(pyarrow.table(arrays, names=list(COLUMNS)), path)
