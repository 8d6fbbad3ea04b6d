"""What files say of entities that no graph has, and which entities were meant."""

from __future__ import annotations

import csv
import io
import os
import re
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import unquote

_ROWS = {"links": "pairs", "alone": "entities"}
_MOST = 0.1  # Of the rows of a table; more is an error.
_COMPARED = 2000  # Entities that an id is compared with letter by letter,
_LETTERS = 50  # for as many ids of a file.

_FORMS: dict[str, Callable[[str], str]] = {
    "stray blanks": lambda text: " ".join(text.split()),
    "percent-encoding": unquote,
    "case": str.casefold,
    "prefix": lambda text: re.split(r"[/#:]", text.rstrip("/#:"))[-1],
}
"""By what ids that mean the same often differ; each form is of the one before."""


@dataclass(frozen=True)
class Dropped:
    """A row of a file that names an entity that is not there.

    Attributes:
        file (str): The file.
        row (int): Number of the row among those with data, from 1; of an image in a
            folder, 0.
        kind (str): ``'links'``, ``'alone'``, ``'names'`` or ``'images'``.
        graph (str): The graph that lacks it.
        id (str): What the row names.
        nearest (str): The entity that may be meant; ``''`` if none is near.
        differs (str): In what it differs from that.
    """

    file: str
    row: int
    kind: str
    graph: str
    id: str
    nearest: str = ""
    differs: str = ""


class Losses:
    """Collects the rows that are dropped when files are read.

    Args:
        entities (dict): By graph, its entities.
        ignored (dict, optional): By graph, entities that were left out on purpose.
    """

    def __init__(
        self,
        entities: Mapping[str, Sequence[str]],
        ignored: Mapping[str, Collection[str]] | None = None,
    ):
        self.rows: list[Dropped] = []
        self.sentences: list[str] = []
        self._too_many: list[str] = []
        self._entities = entities
        self._ignored = ignored or {}
        self._forms: dict[str, dict[str, dict[str, str]]] = {}

    def add(
        self,
        kind: str,
        path: str | os.PathLike[str],
        total: int,
        unknown: Iterable[tuple[int, str, str]],
        exchanged: int = 0,
    ) -> None:
        """Adds what a file names in vain.

        Args:
            kind (str): What the file holds.
            path (str or Path): The file.
            total (int): How many rows it has.
            unknown (iterable): Row, graph and id of each that is unknown.
            exchanged (int, optional): How many rows would fit with their columns
                exchanged. (default: :obj:`0`)
        """
        found: list[Dropped] = []
        for row, graph, entity in unknown:
            if entity not in self._ignored.get(graph, ()):
                near = self._nearest(graph, entity, len(found) < _LETTERS)
                found.append(Dropped(str(path), row, kind, graph, entity, *near))
        if not found:
            return
        self.rows += found
        count = len({(d.row, d.id if not d.row else "") for d in found})
        text = f"{path}: dropped {count} of {total} {_ROWS.get(kind, kind)} "
        text += "that name an unknown entity"
        shown = [d for d in found if d.nearest][:3] or found[:3]
        text += f" ({'; '.join(map(_said, shown))})"
        if exchanged:
            text += f"; {exchanged} of them fit the other way round: are the columns "
            text += "exchanged?"
        self.sentences.append(text)
        if kind != "alone" and count > _MOST * total and Path(path).is_file():
            self._too_many.append(text)

    def tell(self, allow: bool) -> None:
        """Warns of what was dropped.

        Args:
            allow (bool): Whether any share may be dropped.

        Raises:
            ValueError: If it is more than a tenth of a table and not allowed.
        """
        if self._too_many and not allow:
            raise ValueError(
                f"{'. '.join(self._too_many)}. More than a tenth of a file is too much "
                "to go unseen: put the ids right, or allow it (--allow-dropped)"
            )
        for sentence in self.sentences:
            warnings.warn(sentence, stacklevel=3)

    def _nearest(self, graph: str, entity: str, letters: bool) -> tuple[str, str]:
        """The entity that may be meant, and in what the id differs from it."""
        known = self._entities[graph]
        if graph not in self._forms:
            self._forms[graph] = {}
            forms = list(known)
            for name, form in _FORMS.items():
                forms = [form(text) for text in forms]
                index: dict[str, str] = {}
                for text, true in zip(forms, known, strict=True):
                    index.setdefault(text, true)
                self._forms[graph][name] = index
        text = entity
        for name, form in _FORMS.items():
            text = form(text)
            if text and text in self._forms[graph][name]:
                return self._forms[graph][name][text], name
        if letters and text:
            last = self._forms[graph]["prefix"]
            near = [other for other in last if other[:2] == text[:2]][:_COMPARED]
            close = get_close_matches(text, near, n=1, cutoff=0.8)
            if close:
                return last[close[0]], "letters"
        return "", ""


def table_of(rows: Sequence[Dropped]) -> str:
    """What was dropped as a table with tabs and quotes; names of files that are not
    UTF-8 are escaped.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(
        text, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_ALL
    )
    writer.writerow([field.name for field in fields(Dropped)])
    writer.writerows(list(asdict(row).values()) for row in rows)
    return text.getvalue().encode("utf-8", "backslashreplace").decode("utf-8")


def _said(dropped: Dropped) -> str:
    where = f"row {dropped.row}: " if dropped.row else ""
    text = f"{where}{dropped.id!r} is not an entity of '{dropped.graph}'"
    if dropped.nearest:
        text += f", the nearest is {dropped.nearest!r} ({dropped.differs})"
    return text
