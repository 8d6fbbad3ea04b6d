"""The matches that an alignment consists of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from pyg_ibmea.align._alignment_columns import (
    ARRAYS,
    ENTITIES,
    FLOATS,
    add_known,
    add_uris,
    array_of,
    by_pair,
    check_columns,
    real_numbers,
    whole_numbers,
)
from pyg_ibmea.align._alignment_files import COLUMNS, write_table
from pyg_ibmea.align._alignment_reader import read_table
from pyg_ibmea.align._alignment_text import count_of, html_table, one_field, text_table
from pyg_ibmea.align._judgement import judge
from pyg_ibmea.problem import Pair

Rows: TypeAlias = slice | Sequence[int] | NDArray[Any] | Tensor
"""What rows are chosen by; an array or tensor holds numbers, or a mark for each row."""

# Rows that are Python objects at the same time in an iteration.
_CHUNK = 1 << 16


class Match(NamedTuple):
    """A match, with the URIs of its entities.

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
    def graphs(self) -> Pair:
        """Names of the two graphs."""
        return self.source_graph, self.target_graph


class Alignment:
    """The matches of one or more pairs of graphs, in columns, so that millions of them
    are filtered, saved and loaded in seconds.

    Iteration and a whole number as index give a :class:`Match`; a slice, a mask or an
    array of rows gives an alignment.

    Args:
        pairs: Names of the source and the target graph of each pair of graphs.
        uris: By graph, the URIs of its entities.
        source: Numbers of the source entities in their graphs, ``[N]``.
        target: Those of their matches, ``[N]``.
        runner_up: Those of the second best, ``[N]``; -1 for none.
        score: By the decoder, ``[N]``.
        margin: Of the score over that of the runner-up, ``[N]``.
        confidence: The probability that the match is right, ``[N]`` in [0, 1].
        pair: Which of ``pairs`` the match is of, ``[N]``.
        decoder: By pair, what the matches were chosen by; ``''`` where it is unknown.
            (default: unknown)
        threshold: By pair, the confidence below which an entity is taken to have no
            counterpart; 0 where it is unknown. (default: unknown)

    Attributes:
        source (numpy.ndarray): Int64, like ``target``, ``runner_up`` and ``pair``.
        score (numpy.ndarray): Float64, like ``margin`` and ``confidence``.

    Raises:
        ValueError: If columns differ in length, a number is out of range, or what is
            said by pair or by graph does not fit the pairs; the message names the row.

    Example:
        >>> alignment = Alignment(
        ...     [("zh", "en")], {"zh": ["a", "b"], "en": ["x", "y"]},
        ...     source=[0, 1], target=[0, 0], runner_up=[1, -1], score=[0.5, 0.4],
        ...     margin=[0.1, 0.0], confidence=[0.9, 0.6], pair=[0, 0])
        >>> alignment
        Alignment(zh - en: 2 matches, median confidence 0.75)
        >>> alignment[0].target, len(alignment.sure(0.8))
        ('x', 1)
    """

    def __init__(
        self,
        pairs: Iterable[Pair],
        uris: Mapping[str, Sequence[str]],
        *,
        source: ArrayLike,
        target: ArrayLike,
        runner_up: ArrayLike,
        score: ArrayLike,
        margin: ArrayLike,
        confidence: ArrayLike,
        pair: ArrayLike,
        decoder: Mapping[Pair, str] | None = None,
        threshold: Mapping[Pair, float] | None = None,
    ) -> None:
        self.pairs: tuple[Pair, ...] = tuple((a, b) for a, b in pairs)
        graphs = dict.fromkeys(graph for pair in self.pairs for graph in pair)
        missing = [graph for graph in graphs if graph not in uris]
        if missing:
            raise ValueError(f"uris must name the entities of graph {missing[0]!r}")
        self.uris: dict[str, Sequence[str]] = {graph: uris[graph] for graph in graphs}
        self.source = whole_numbers("source", source)
        self.target = whole_numbers("target", target)
        self.runner_up = whole_numbers("runner_up", runner_up)
        self.score = real_numbers("score", score)
        self.margin = real_numbers("margin", margin)
        self.confidence = real_numbers("confidence", confidence)
        self.pair = whole_numbers("pair", pair)
        columns = {name: getattr(self, name) for name in ARRAYS}
        check_columns(columns, self.pairs, self.uris)
        self.decoder = by_pair("decoder", decoder, self.pairs, "")
        self.threshold = by_pair("threshold", threshold, self.pairs, 0.0)

    @classmethod
    def of_pair(
        cls,
        pair: Pair,
        source: Tensor,
        target: Tensor,
        score: Tensor,
        margin: Tensor,
        confidence: Tensor,
        runner_up: Tensor,
        uris: Mapping[str, Sequence[str]],
        decoder: str = "",
        threshold: float = 0.0,
    ) -> Alignment:
        """The matches of one pair of graphs, from tensors on any device.

        Args:
            pair: Names of the source and the target graph.
            source: Node ids, long ``[N]``.
            target: Node ids of their matches, long ``[N]``.
            score: By the decoder, ``[N]``.
            margin: Over the runner-up, ``[N]``.
            confidence: The probability that the match is right, ``[N]``.
            runner_up: Node ids of the second best, long ``[N]``; -1 for none.
            uris: By graph, the URIs by node id, such as ``data.uri``.
            decoder: What the matches were chosen by. (default: unknown)
            threshold: Below this confidence an entity is taken to have no counterpart.
                (default: unknown)

        Raises:
            ValueError: As the constructor.
        """
        return cls(
            [pair],
            uris,
            source=array_of(source),
            target=array_of(target),
            runner_up=array_of(runner_up),
            score=array_of(score),
            margin=array_of(margin),
            confidence=array_of(confidence),
            pair=np.zeros(len(source), dtype=np.int64),
            decoder={pair: decoder},
            threshold={pair: threshold},
        )

    @classmethod
    def join(cls, parts: Iterable[Alignment]) -> Alignment:
        """Puts alignments one after the other.

        Args:
            parts: The alignments. Where they number a graph differently, the entities
                keep the numbers of the first, and new URIs follow.

        Raises:
            ValueError: If two know different decoders or thresholds of the same pair.
        """
        uris: dict[str, Sequence[str]] = {}
        decoder: dict[Pair, str] = {}
        threshold: dict[Pair, float] = {}
        places: dict[Pair, int] = {}
        columns: dict[str, list[NDArray[Any]]] = {name: [] for name in ARRAYS}
        for part in parts:
            numbers = {kg: add_uris(uris, kg, own) for kg, own in part.uris.items()}
            place = [places.setdefault(pair, len(places)) for pair in part.pairs]
            add_known("decoder", decoder, part.decoder)
            add_known("threshold", threshold, part.threshold)
            for name in ENTITIES:
                columns[name].append(part._renumbered(name, numbers))
            for name in FLOATS:
                columns[name].append(getattr(part, name))
            columns["pair"].append(np.array(place, dtype=np.int64)[part.pair])
        joined: dict[str, Any] = {
            name: np.concatenate(several) if several else ()
            for name, several in columns.items()
        }
        return cls(places, uris, decoder=decoder, threshold=threshold, **joined)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Alignment:
        """Reads what :meth:`save` wrote. The entities are numbered in the order in
        which the table names them; decoders and thresholds are unknown.

        Args:
            path: ``.tsv``, ``.csv`` or ``.parquet``.

        Raises:
            FileNotFoundError: If the file does not exist.
            ImportError: If it is Parquet and pyarrow is not installed.
            ValueError: If it is not such a table; the message names the line.
        """
        return cls(**read_table(Path(path)))

    def save(
        self,
        path: str | os.PathLike[str],
        form: str | None = None,
        safe_cells: bool = False,
    ) -> Path:
        r"""Writes the matches as a table, or as ``owl:sameAs`` statements in N-Triples.

        In a ``.tsv`` numbers have six decimals, and a tab, a line feed, a carriage
        return and a backslash in a name are written ``\t``, ``\n``, ``\r`` and
        ``\\``; the other tables are exact. In N-Triples an absolute IRI is written as
        it is, and any other name becomes ``urn:x-entity:`` and the name,
        percent-encoded, which our readers map back; matches of blank nodes are left
        out, with a warning that counts them. The file is written whole under another
        name first.

        Args:
            path: The file.
            form: ``'tsv'``, ``'csv'``, ``'parquet'`` or ``'nt'``.
                (default: by the suffix)
            safe_cells: Whether an apostrophe is put before each name that begins with
                ``=``, ``+``, ``-``, ``@``, a tab or a line end, which a spreadsheet
                would take for a formula. For people to look at: such a name is read
                back with its apostrophe. (default: no)

        Returns:
            The file.

        Raises:
            ImportError: If it is to be Parquet and pyarrow is not installed.
            ValueError: If the form is unknown, or has no cells to make safe.
        """
        write_table(Path(path), form, self._columns(), safe_cells)
        return Path(path)

    def sure(self, least: float = 0.5) -> Alignment:
        """The matches whose confidence is ``least`` or more.

        Raises:
            ValueError: If ``least`` is not a probability.
        """
        if not 0 <= least <= 1:
            raise ValueError(f"a confidence lies in [0, 1], got {least}")
        return self[np.flatnonzero(self.confidence >= least)]

    def one_to_one(self) -> Alignment:
        """The surest match of each target in each pair of graphs, of equally sure ones
        the first.
        """
        # The sort is stable: of equal keys the first row is first.
        order = np.lexsort((-self.confidence, self.target, self.pair))
        pair, target = self.pair[order], self.target[order]
        surest = np.ones(len(order), dtype=bool)
        surest[1:] = (np.diff(pair) != 0) | (np.diff(target) != 0)
        return self[np.sort(order[surest])]

    def between(self, source_graph: str, target_graph: str) -> Alignment:
        """The matches from one graph to another.

        Raises:
            ValueError: If the alignment is not of these graphs; the message lists those
                that there are.
        """
        pair = (source_graph, target_graph)
        if pair not in self.pairs:
            there = ", ".join(f"from {a!r} to {b!r}" for a, b in self.pairs)
            raise ValueError(
                f"there are no matches from {source_graph!r} to {target_graph!r}, "
                + (f"but {there}" if there else "nor between any others")
            )
        found = self[np.flatnonzero(self.pair == self.pairs.index(pair))]
        return found._with(
            pairs=(pair,),
            pair=np.zeros_like(found.pair),
            uris={graph: self.uris[graph] for graph in pair},
            decoder={pair: self.decoder[pair]},
            threshold={pair: self.threshold[pair]},
        )

    def judge(
        self, pairs: Iterable[Sequence[str]], known: Iterable[Sequence[str]] = ()
    ) -> dict[str, Any]:
        """Compares the matches with true pairs.

        Matches of entities that are the source of no pair are left out: nothing is
        known of them.

        Args:
            pairs: URIs of the true pairs; an entity may be in several.
            known: URIs of pairs that were given to a training, such as seed pairs. No
                match is sought for them, so they are counted apart. (default: none)

        Returns:
            ``pairs`` (different source entities), ``known`` (how many pairs were),
            ``given`` (matches for the source entities), ``right``, ``precision``,
            ``recall``, ``f1`` and, if there are any matches,
            ``expected_calibration_error`` and ``coverage``. Where none is right,
            ``exchanged`` says whether the pairs fit the graphs better the other way
            round.

        Raises:
            ValueError: If there are no pairs, all of them are known, or the matches are
                of several pairs of graphs.
        """
        graphs = sorted(self.pairs[number] for number in np.unique(self.pair))
        if len(graphs) > 1:
            raise ValueError(
                "choose the two graphs that the pairs are of; there are matches of "
                + ", ".join(" and ".join(pair) for pair in graphs)
            )
        uris = [self.uris[graph] for graph in graphs[0]] if graphs else [[], []]
        return judge(self.source, self.target, self.confidence, uris, pairs, known)

    def to_pandas(self) -> Any:
        """The matches as a ``pandas.DataFrame`` with the columns of the ``.tsv``.

        Raises:
            ImportError: If pandas is not installed.
        """
        try:
            pandas = import_module("pandas")
        except ImportError as error:
            raise ImportError("a DataFrame needs pandas: pip install pandas") from error
        return pandas.DataFrame(self._columns())

    def __len__(self) -> int:
        return len(self.source)

    def __iter__(self) -> Iterator[Match]:
        for start in range(0, len(self), _CHUNK):
            columns = self[start : start + _CHUNK]._columns()
            yield from map(Match, *columns.values())

    @overload
    def __getitem__(self, rows: int | np.integer[Any]) -> Match: ...

    @overload
    def __getitem__(self, rows: Rows) -> Alignment: ...

    def __getitem__(self, rows: int | np.integer[Any] | Rows) -> Match | Alignment:
        if isinstance(rows, (int, np.integer)):
            row = range(len(self))[rows]
            return next(iter(self[row : row + 1]))
        if not isinstance(rows, slice):
            rows = array_of(rows) if isinstance(rows, Tensor) else np.asarray(rows)
            if rows.ndim != 1:
                raise IndexError(f"rows must have one dimension, got {rows.ndim}")
            # An empty list is an array of floats.
            rows = rows if rows.size else rows.astype(np.int64)
        return self._with(**{name: getattr(self, name)[rows] for name in ARRAYS})

    def __repr__(self) -> str:
        found = []
        for number, (source, target) in enumerate(self.pairs):
            confidence = self.confidence[self.pair == number]
            text = one_field(f"{source} - {target}: {count_of(len(confidence))}")
            if len(confidence):
                text += f", median confidence {np.median(confidence):.2f}"
            found.append(text)
        return f"{type(self).__name__}({'; '.join(found) or count_of(0)})"

    def __str__(self) -> str:
        surest = np.argsort(-self.confidence, kind="stable")[:5]
        return text_table(self[surest]._columns(), len(self))

    def _repr_html_(self) -> str:
        return html_table(self[:10]._columns(), len(self))

    def _columns(self) -> dict[str, list[Any]]:
        """The columns of the tables, with URIs."""
        columns = {name: self._names(name) for name in ENTITIES}
        columns |= {name: getattr(self, name) for name in FLOATS}
        for side, name in enumerate(("source_graph", "target_graph")):
            graphs = np.array([pair[side] for pair in self.pairs], dtype=object)
            columns[name] = graphs[self.pair]
        return {name: columns[name].tolist() for name in COLUMNS}

    def _names(self, name: str) -> NDArray[np.object_]:
        """The URIs of a column of entities, ``''`` for none."""
        names = np.empty(len(self), dtype=object)
        for rows, kg, numbers in self._by_graph(name):
            uris = self.uris[kg]
            names[rows] = [uris[i] if i >= 0 else "" for i in numbers.tolist()]
        return names

    def _renumbered(
        self, name: str, numbers: Mapping[str, NDArray[np.int64]]
    ) -> NDArray[np.int64]:
        """A column of entities in other numbers, which are given by graph."""
        column = np.empty(len(self), dtype=np.int64)
        for rows, kg, own in self._by_graph(name):
            column[rows] = numbers[kg][own]
        return column

    def _by_graph(
        self, name: str
    ) -> Iterator[tuple[NDArray[np.int64], str, NDArray[np.int64]]]:
        """Rows, graph and numbers of a column of entities, pair by pair."""
        for number, pair in enumerate(self.pairs):
            rows = np.flatnonzero(self.pair == number)
            yield rows, pair[name != "source"], getattr(self, name)[rows]

    def _with(self, **changes: Any) -> Alignment:
        """The alignment with other attributes, which are known to fit."""
        changed = object.__new__(type(self))
        changed.__dict__.update({**self.__dict__, **changes})
        return changed
