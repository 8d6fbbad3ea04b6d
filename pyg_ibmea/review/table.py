"""Questions as a table for a spreadsheet, and the answers read back."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any

from pyg_ibmea.files import replacing
from pyg_ibmea.review.session import Session
from pyg_ibmea.tab_fields import field_of, name_of_field
from pyg_ibmea.train.answers import DIFFERENT, SAME, SKIP, Answer, now

_KEYS = ("source_graph", "target_graph", "source", "target")
COLUMNS = (
    *("answer", "source_name", "target_name", "confidence", "score"),
    *("source_evidence", "target_evidence", *_KEYS),
)
"""The columns of the table, in order."""

_SHORT = {"s": SAME, "d": DIFFERENT, "k": SKIP, "": ""}
_FORMULA = ("=", "+", "-", "@")


def write_question_table(session: Session, path: str | os.PathLike[str]) -> int:
    """Writes the questions of a session, tab-separated, each with an empty ``answer``.

    A cell that a spreadsheet would take for a formula begins with ``'``, except in the
    last four columns, by which the pair is known again.

    Args:
        session (Session): The review.
        path (str or Path): The file.

    Returns:
        int: The number of questions.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(COLUMNS)
    for place in range(len(session.rows)):
        found = session.evidence(place)
        source, target = found["source"], found["target"]
        cells = [
            "",
            *(_shown(side.get("name") or side["uri"]) for side in (source, target)),
            f"{found['confidence']:.3f}",
            f"{found['score']:.3f}",
            *(_shown(_evidence(side)) for side in (source, target)),
        ]
        keys = [source["graph"], target["graph"], source["uri"], target["uri"]]
        writer.writerow([*cells, *map(field_of, keys)])
    with replacing(Path(path)) as unfinished:
        unfinished.write_text(text.getvalue(), encoding="utf-8", newline="")
    return len(session.rows)


def read_question_table(path: str | os.PathLike[str]) -> list[Answer]:
    """Reads a table of questions that was filled in; rows without an answer are left
    out.

    Args:
        path (str or Path): The file, separated by tabs, or by commas or semicolons as
            spreadsheets write it. Columns may be in any order, and others among them.
            An answer is ``same``, ``different`` or ``skip``, or ``s``, ``d``, ``k``.

    Returns:
        list: The answers, in the order of the rows.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a column is missing, or a cell cannot be read; the message names
            the line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8; save the table as UTF-8") from None
    head = text.split("\n", 1)[0]
    sign = max("\t,;", key=head.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=sign)
    names = [name.strip() for name in next(rows, [])]
    missing = [name for name in ("answer", *_KEYS) if name not in names]
    if missing:
        raise ValueError(
            f"{path}, line 1: the column {missing[0]!r} is missing; write the table "
            "with `pyg-ibmea review RUN --to FILE`"
        )
    found, time = [], now()
    for cells in rows:
        where = f"{path}, line {rows.line_num}"
        row = dict(zip(names, cells, strict=False))
        said = row.get("answer", "").strip().lower()
        kind = _SHORT.get(said, said)
        if not kind:
            continue
        if kind not in (SAME, DIFFERENT, SKIP):
            raise ValueError(
                f"{where}: the answer must be {SAME}, {DIFFERENT}, {SKIP} or empty, "
                f"got {said!r}"
            )
        keys = [name_of_field(row.get(name, "")) for name in _KEYS]
        if not all(keys):
            lost = next(name for name, key in zip(_KEYS, keys, strict=True) if not key)
            raise ValueError(f"{where}: the column {lost!r} is empty")
        a, b, source, target = keys
        found.append(Answer(a, b, source, target, kind, time))
    return found


def _shown(text: str) -> str:
    text = field_of(text)
    return "'" + text if text.startswith(_FORMULA) else text


def _evidence(side: dict[str, Any]) -> str:
    near = [
        f"{one['name']} {one['arrow']} {', '.join(one['others'])}".lstrip()
        + (f" and {one['more']} more" if one["more"] else "")
        for one in side["relations"]
    ]
    return "; ".join([*near, *(f"{name}: {value}" for name, value in side["values"])])
