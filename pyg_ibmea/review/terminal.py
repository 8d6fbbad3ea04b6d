"""The questions of a review in a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

from pyg_ibmea.review.session import Session
from pyg_ibmea.train.answers import DIFFERENT, SAME, SKIP

# Which join letters, or pictures in emoji.
_JOINERS = "\u200c\u200d"
_KEYS = {"s": SAME, "d": DIFFERENT, "k": SKIP}


def ask_in_terminal(
    session: Session,
    read: Callable[[str], str] = input,
    write: Callable[[str], object] = print,
) -> None:
    """Asks until no question is left, or the input ends.

    Args:
        session (Session): The review.
        read (callable, optional): Shows a prompt and reads a line.
            (default: :class:`input`)
        write (callable, optional): Writes a line. (default: :class:`print`)
    """
    while (question := session.question()) is not None:
        write(question_text(question, len(session.rows)))
        try:
            key = read("s same, d different, k skip, u undo, q quit: ").strip().lower()
        except EOFError:
            return
        if key == "q":
            return
        if key == "u":
            if not session.undo():
                write("nothing to undo")
        elif key in _KEYS:
            session.answer(question["number"], _KEYS[key])
            write(session.progress.said)
        else:
            write(f"{key!r} is none of s, d, k, u, q")


def question_text(question: dict[str, Any], count: int) -> str:
    """A question as plain text.

    Args:
        question (dict): What :meth:`Session.question` returned.
        count (int): Number of questions.
    """
    lines = [
        "",
        f"Question {question['number'] + 1} of {count}: the same? "
        f"(confidence {question['confidence']:.2f}, score {question['score']:.2f})",
    ]
    for side in (question["source"], question["target"]):
        name = side.get("name")
        lines.append(f"  {side['graph']}: {f'{name}, ' if name else ''}{side['uri']}")
        for one in side["relations"]:
            more = f" and {one['more']} more" if one["more"] else ""
            told = f"{one['name']} {one['arrow']} {', '.join(one['others'])}{more}"
            lines.append(f"      {told.lstrip()}")
        lines += [f"      {name}: {value}" for name, value in side["values"]]
    return "\n".join(map(_harmless, lines))


def _harmless(line: str) -> str:
    """A line without characters that steer a terminal."""
    return "".join(
        f"\\u{ord(c):04x}"
        if unicodedata.category(c) in ("Cc", "Cf") and c not in _JOINERS
        else c
        for c in line
    )
