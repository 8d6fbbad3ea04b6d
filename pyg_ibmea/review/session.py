"""A review: the questions of a run, one after the other, and what was answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Alignment, Match, choose_questions
from pyg_ibmea.problem import linked_pairs, links_between, triples_of
from pyg_ibmea.review.entity_view import EntityView
from pyg_ibmea.train.answers import (
    DIFFERENT,
    SAME,
    SKIP,
    UNDO,
    Answer,
    append_answers,
    now,
    read_answers,
    standing,
)

_WORTH_TRAINING = 5
"""A new training is worthwhile with one answer in so many known pairs."""
_AT_LEAST = 10


class StaleQuestionError(ValueError):
    """An answer to a question that is not the one that is asked now."""


@dataclass(frozen=True)
class Progress:
    """How far a review has come.

    Attributes:
        done (int): Answers of this session.
        questions (int): Questions of this session.
        same (int): Pairs of the run that are called the same, of all sessions.
        different (int): Those that are called different.
        skipped (int): Those that were skipped.
        enough (bool): Whether a new training is worthwhile now.
        said (str): The same as a sentence.
    """

    done: int
    questions: int
    same: int
    different: int
    skipped: int
    enough: bool
    said: str


class Session:
    """The questions about a run. Every answer is in its folder before the next question
    is asked.

    Args:
        run (Path): The run folder.
        data (HeteroData): Its problem.
        alignment (Alignment): Its matches.
        views (dict): What there is to see of the entities, by graph.
        number (int, optional): Number of questions, at most. (default: :obj:`20`)

    Raises:
        ValueError: If the answers of the run are damaged, or the matches name entities
            that the data do not have.
    """

    def __init__(
        self,
        run: Path,
        data: HeteroData,
        alignment: Alignment,
        views: Mapping[str, EntityView],
        number: int = 20,
    ) -> None:
        self.run, self.data, self.views = run, data, views
        self.alignment = numbered(alignment, data)
        links = (links_between(data, pair) for pair in linked_pairs(data))
        known = (store.train_mask | store.val_mask for store in links)
        self.num_known = sum(int(mask.sum()) for mask in known)
        edges = {kg: triples_of(data, kg).edge_index for kg in data.node_types}
        self.answers = read_answers(run)
        shut = _settled(self.alignment, standing(self.answers))
        self.rows = choose_questions(self.alignment, edges, number, shut).tolist()
        self.given: list[Answer] = []
        self.lock = RLock()

    def match(self, place: int) -> Match:
        """The match that a question is about."""
        found: Match = self.alignment[self.rows[place]]
        return found

    def question(self) -> dict[str, Any] | None:
        """The question that is asked now, as JSON can hold it; ``None`` after the last:
        its ``number`` (from 0), ``score``, ``confidence``, and what there is to see of
        the ``source`` and the ``target``.
        """
        with self.lock:
            place = len(self.given)
        return self.evidence(place) if place < len(self.rows) else None

    def evidence(self, place: int) -> dict[str, Any]:
        """What there is to see of a question."""
        match = self.match(place)
        return {
            "number": place,
            "score": match.score,
            "confidence": match.confidence,
            "source": self.views[match.source_graph].card(match.source),
            "target": self.views[match.target_graph].card(match.target),
        }

    def answer(self, number: int, kind: str) -> None:
        """Writes the answer to the question that is asked now.

        Args:
            number (int): Number of the question.
            kind (str): ``'same'``, ``'different'`` or ``'skip'``.

        Raises:
            StaleQuestionError: If another question is asked now.
            ValueError: If there is no such answer.
        """
        if kind not in (SAME, DIFFERENT, SKIP):
            raise ValueError(
                f"an answer must be {SAME}, {DIFFERENT} or {SKIP}, got {kind!r}"
            )
        with self.lock:
            if number != len(self.given) or number >= len(self.rows):
                raise StaleQuestionError(
                    f"question {number + 1} is not asked any more, or not yet"
                )
            match = self.match(number)
            said = Answer(*match.graphs, match.source, match.target, kind, now())
            append_answers(self.run, [said])
            self.given.append(said)
            self.answers.append(said)

    def undo(self) -> bool:
        """Takes back the last answer of this session and asks again.

        Returns:
            bool: Whether there was one.
        """
        with self.lock:
            if not self.given:
                return False
            back = self.given[-1]._replace(answer=UNDO, time=now())
            append_answers(self.run, [back])
            self.given.pop()
            self.answers.append(back)
            return True

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        with self.lock:
            told = [answer.answer for answer in standing(self.answers)]
            done = len(self.given)
        same, different = told.count(SAME), told.count(DIFFERENT)
        needed = max(_AT_LEAST, -(-self.num_known // _WORTH_TRAINING))
        over = done == len(self.rows)
        enough = same + different >= needed
        if enough or over:
            first = "Enough for now" if enough else "No question is left"
            said = (
                f"{first}: {same} same, {different} different. The next training "
                "learns from them and asks better questions."
            )
        else:
            more = needed - same - different
            said = (
                f"{more} more {'answer makes' if more == 1 else 'answers make'} a new "
                f"training worthwhile (known pairs: {self.num_known})."
            )
        counts = (done, len(self.rows), same, different, told.count(SKIP))
        return Progress(*counts, enough, said)

    @property
    def farewell(self) -> str:
        """A sentence for the end: how many answers are where, and what to do next."""
        found = self.progress
        total = found.same + found.different
        noun, them = ("answer is", "it") if total == 1 else ("answers are", "them")
        return (
            f"{total} {noun} in {self.run / 'answers.tsv'}; learn from {them} with "
            f"pyg-ibmea train --continue {self.run}"
        )


def numbered(alignment: Alignment, data: HeteroData) -> Alignment:
    """Matches whose entities have the numbers of a problem; those read from a file are
    numbered by their place in it.

    Raises:
        ValueError: If the problem lacks one of them.
    """
    columns: dict[str, NDArray[Any]] = {}
    place: dict[str, NDArray[Any]] = {}
    for kg, uris in alignment.uris.items():
        known = {uri: i for i, uri in enumerate(data.uri[kg])}
        lost = next((uri for uri in uris if uri not in known), None)
        if lost is not None:
            raise ValueError(
                f"a match names {lost!r}, but graph {kg!r} has no such entity; were "
                "its files changed since the training?"
            )
        place[kg] = np.array([known[uri] for uri in uris], dtype=np.int64)
    for name, side in (("source", 0), ("target", 1), ("runner_up", 1)):
        column = getattr(alignment, name)
        found = np.full(len(column), -1, dtype=np.int64)
        for number, pair in enumerate(alignment.pairs):
            rows = (alignment.pair == number) & (column >= 0)
            found[rows] = place[pair[side]][column[rows]]
        columns[name] = found
    return Alignment(
        alignment.pairs,
        {kg: data.uri[kg] for kg in alignment.uris},
        **columns,
        score=alignment.score,
        margin=alignment.margin,
        confidence=alignment.confidence,
        pair=alignment.pair,
        decoder=alignment.decoder,
        threshold=alignment.threshold,
        calibrated=alignment.calibrated,
    )


def _settled(alignment: Alignment, answers: list[Answer]) -> NDArray[np.bool_]:
    """The matches that need not be asked about: those that somebody was asked about,
    and those of an entity whose counterpart is known.
    """
    asked = {answer.about for answer in answers}
    found = [answer for answer in answers if answer.answer == SAME]
    sources = {(a.source_graph, a.target_graph, a.source) for a in found}
    targets = {(a.source_graph, a.target_graph, a.target) for a in found}
    settled = [
        (*match.graphs, match.source, match.target) in asked
        or (*match.graphs, match.source) in sources
        or (*match.graphs, match.target) in targets
        for match in alignment
    ]
    return np.array(settled, dtype=bool)
