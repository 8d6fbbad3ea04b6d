"""What people said of pairs: a file that only grows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from pyg_ibmea.files import naming, sync
from pyg_ibmea.problem import Pair
from pyg_ibmea.tab_fields import field_of, name_of_field

ANSWERS = "answers.tsv"
"""The file of answers in a run folder."""

SAME, DIFFERENT, SKIP, UNDO = "same", "different", "skip", "undo"
KINDS = (SAME, DIFFERENT, SKIP, UNDO)
"""What may be said of a pair; ``undo`` takes the last answer about it back."""

_HEADER = ("source_graph", "target_graph", "source", "target", "answer", "time")
_PUT_RIGHT = "put the line right, or take it out"


class Answer(NamedTuple):
    """What somebody said of a pair of entities.

    Attributes:
        source_graph (str): Name of the graph of ``source``.
        target_graph (str): Name of the graph of ``target``.
        source (str): URI of an entity.
        target (str): URI of another.
        answer (str): ``'same'``, ``'different'``, ``'skip'`` or ``'undo'``.
        time (str): When, in ISO 8601; ``''`` if it is unknown. (default: unknown)

    Example:
        >>> Answer("zh", "en", "巴黎", "Paris", "same", "").graphs
        ('zh', 'en')
    """

    source_graph: str
    target_graph: str
    source: str
    target: str
    answer: str
    time: str = ""

    @property
    def graphs(self) -> Pair:
        """Names of the two graphs."""
        return self.source_graph, self.target_graph

    @property
    def about(self) -> tuple[str, str, str, str]:
        """The pair: both graphs and both entities."""
        return self[:4]


def now() -> str:
    """The time in ISO 8601, in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def read_answers(path: str | os.PathLike[str]) -> list[Answer]:
    """Reads a file of answers; a last line without an end, which was cut short while
    it was written, is not one.

    Args:
        path (str or Path): The file, or a run folder; one without answers has none.

    Returns:
        list: The answers, oldest first.

    Raises:
        FileNotFoundError: If it is a file that does not exist.
        ValueError: If the file was damaged; the message names the line.
    """
    path = Path(path)
    if path.is_dir():
        path = path / ANSWERS
        if not path.exists():
            return []
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(f"{path}, line {line}: not UTF-8; {_PUT_RIGHT}") from None
    lines = text.split("\n")[:-1]
    if not lines:
        return []
    head = tuple(lines[0].split("\t"))
    if head != _HEADER:
        raise ValueError(
            f"{path}, line 1: expected the columns {', '.join(_HEADER)}, got "
            f"{', '.join(head)[:80]!r}"
        )
    return [_parse(line, f"{path}, line {n}") for n, line in enumerate(lines[1:], 2)]


def _parse(line: str, where: str) -> Answer:
    cells = [name_of_field(cell) for cell in line.split("\t")]
    if len(cells) != len(_HEADER):
        raise ValueError(
            f"{where}: expected {len(_HEADER)} columns, got {len(cells)}; {_PUT_RIGHT}"
        )
    found = Answer(*cells)
    if found.answer not in KINDS:
        raise ValueError(
            f"{where}: the answer must be one of {', '.join(KINDS)}, got "
            f"{found.answer!r}; {_PUT_RIGHT}"
        )
    if not all(found.about):
        raise ValueError(f"{where}: a graph or an entity has no name; {_PUT_RIGHT}")
    return found


def answers_text(answers: Iterable[Answer]) -> str:
    """A file of answers as text."""
    lines = ["\t".join(_HEADER), *map(_line, answers)]
    return "".join(line + "\n" for line in lines)


def append_answers(folder: str | os.PathLike[str], answers: Sequence[Answer]) -> None:
    """Adds answers to those of a run folder. They have reached the disk when this
    returns; a process that is killed meanwhile loses none that were there before.

    Args:
        folder (str or Path): The run folder.
        answers (sequence of Answer): What is to be added.

    Raises:
        FullDiskError: If the disk is full.
        ValueError: If an answer is of an unknown kind, or names nothing.
    """
    path = Path(folder) / ANSWERS
    for answer in answers:
        _parse(_line(answer), f"an answer for {path}")
    with naming(path):
        new = not path.exists()
        with path.open("ab+", buffering=0) as file:
            whole = _end_of_last_line(path)
            if whole < path.stat().st_size:  # What a killed process left.
                file.truncate(whole)
            text = answers_text(answers)
            if whole:
                text = text.split("\n", 1)[1]
            # In one piece: those of two processes do not mix.
            _write_all(file.fileno(), text.encode())
        sync(path)
        if new:
            sync(path.parent)


def standing(answers: Iterable[Answer]) -> list[Answer]:
    """The answers that were not taken back, each once, in the order in which they were
    given; a pair that was skipped and then answered is not skipped any more.

    Args:
        answers (iterable of Answer): All answers, oldest first.

    Example:
        >>> given = [Answer("a", "b", "x", "y", kind) for kind in
        ...          ("same", "undo", "skip", "different")]
        >>> [answer.answer for answer in standing(given)]
        ['different']
    """
    by_pair: dict[tuple[str, str, str, str], list[Answer]] = {}
    for answer in answers:
        said = by_pair.setdefault(answer.about, [])
        if answer.answer != UNDO:
            said.append(answer)
        elif said:
            said.pop()
    kept: dict[tuple[str, ...], Answer] = {}
    for about, said in by_pair.items():
        decided = [answer for answer in said if answer.answer != SKIP]
        for answer in decided or said:
            kept.setdefault((*about, answer.answer), answer)
    return list(kept.values())


def _line(answer: Answer) -> str:
    return "\t".join(map(field_of, answer))


def _end_of_last_line(path: Path) -> int:
    """The number of bytes up to the end of the last whole line."""
    with path.open("rb") as file:
        return file.read().rfind(b"\n") + 1


def _write_all(number: int, content: bytes) -> None:
    while content:
        content = content[os.write(number, content) :]
