"""The alignment: matches of one or more pairs of graphs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from pyg_ibmea.align._alignment_files import (
    AT_A_TIME,
    COLUMNS,
    Told,
    write_parts,
    write_table,
)
from pyg_ibmea.align._alignment_reader import read_table
from pyg_ibmea.align._alignment_text import count_of, html_table, one_field, text_table
from pyg_ibmea.align._cardinality import chosen_rows
from pyg_ibmea.align._judgement import judge
from pyg_ibmea.align._run_explained import asked_of_run
from pyg_ibmea.align.explanation import Explanation
from pyg_ibmea.options import CARDINALITIES, EXACT
from pyg_ibmea.problem import Pair, pair_title

Rows: TypeAlias = slice | Sequence[int] | NDArray[Any] | Tensor
"""A selection of rows; an array or tensor holds row numbers or a boolean per row."""

# Number of rows that iteration converts to Python objects at a time.
_CHUNK = 1 << 16


class Match(NamedTuple):
    """A match, with the URIs of its entities.

    Attributes:
        source (str): The entity.
        target (str): Its best match.
        score (float): Score by the decoder.
        confidence (float): The probability that the match is right.
        runner_up (str): The second-best match; ``''`` if there is none.
        margin (float): The score minus that of the runner-up.
        source_graph (str): Name of the graph of ``source``.
        target_graph (str): Name of the graph of ``target``.
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
    """The matches of one or more pairs of graphs, stored in columns so that millions of
    them can be filtered, saved and loaded in seconds.

    Iterating or indexing with an integer gives a :class:`Match`; indexing with a slice,
    a mask or an array of rows gives an alignment.

    Args:
        pairs (iterable of tuple): Names of the source and the target graph of each pair
            of graphs.
        uris (dict): The URIs of the entities of each graph.
        source (array_like): Numbers of the source entities in their graphs, ``[N]``.
        target (array_like): Numbers of their matches, ``[N]``.
        runner_up (array_like): Numbers of the second-best matches, ``[N]``; -1 for
            none.
        score (array_like): Scores by the decoder, ``[N]``.
        margin (array_like): Scores minus those of the runners-up, ``[N]``.
        confidence (array_like): Probabilities that the matches are right, ``[N]``, in
            [0, 1].
        pair (array_like): Index into ``pairs`` of each match, ``[N]``.
        decoder (dict, optional): The decoder that chose the matches of each pair;
            ``''`` if it is unknown. (default: unknown)
        threshold (dict, optional): For each pair, the confidence below which an entity
            is taken to have no counterpart; 0 if it is unknown. (default: unknown)
        calibrated (dict, optional): For each pair, whether the confidence is a
            probability that was learned from known pairs; ``None`` if it is unknown.
            (default: unknown)

    Attributes:
        source (numpy.ndarray): Int64, like ``target``, ``runner_up`` and ``pair``.
        score (numpy.ndarray): Float64, like ``margin`` and ``confidence``.

    Raises:
        ValueError: If columns differ in length, a number is out of range, or a
            dictionary does not fit the pairs; for a number, the message names the row.

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
        calibrated: Mapping[Pair, bool | None] | None = None,
    ) -> None:
        self.pairs: tuple[Pair, ...] = tuple((a, b) for a, b in pairs)
        graphs = dict.fromkeys(graph for pair in self.pairs for graph in pair)
        missing = [graph for graph in graphs if graph not in uris]
        if missing:
            raise ValueError(f"uris must list the entities of graph {missing[0]!r}")
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
        self._explain: Callable[..., Explanation] | None = None
        self.decoder = by_pair("decoder", decoder, self.pairs, "")
        self.threshold = by_pair("threshold", threshold, self.pairs, 0.0)
        self.calibrated = by_pair("calibrated", calibrated, self.pairs, None)

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
        calibrated: bool | None = None,
    ) -> Alignment:
        """Makes the alignment of one pair of graphs from tensors on any device.

        Args:
            pair (tuple): Names of the source and the target graph.
            source (torch.Tensor): Node ids, long ``[N]``.
            target (torch.Tensor): Node ids of their matches, long ``[N]``.
            score (torch.Tensor): Scores by the decoder, ``[N]``.
            margin (torch.Tensor): Scores minus those of the runners-up, ``[N]``.
            confidence (torch.Tensor): Probabilities that the matches are right,
                ``[N]``.
            runner_up (torch.Tensor): Node ids of the second-best matches, long ``[N]``;
                -1 for none.
            uris (dict): The URIs of each graph by node id, such as ``data.uri``.
            decoder (str, optional): The decoder that chose the matches.
                (default: unknown)
            threshold (float, optional): Confidence below which an entity is taken to
                have no counterpart. (default: unknown)
            calibrated (bool, optional): Whether the confidence was learned from known
                pairs. (default: unknown)

        Raises:
            ValueError: As for the constructor.
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
            calibrated={pair: calibrated},
        )

    @classmethod
    def join(cls, parts: Iterable[Alignment]) -> Alignment:
        """Concatenates alignments.

        Args:
            parts (iterable of Alignment): The alignments. If they number a graph
                differently, entities keep their numbers in the first alignment, and new
                URIs are appended.

        Raises:
            ValueError: If two of them have different decoders or thresholds for the
                same pair, or the confidence of only one is calibrated.
        """
        uris: dict[str, Sequence[str]] = {}
        decoder: dict[Pair, str] = {}
        threshold: dict[Pair, float] = {}
        calibrated: dict[Pair, bool | None] = {}
        places: dict[Pair, int] = {}
        columns: dict[str, list[NDArray[Any]]] = {name: [] for name in ARRAYS}
        for part in parts:
            numbers = {kg: add_uris(uris, kg, own) for kg, own in part.uris.items()}
            place = [places.setdefault(pair, len(places)) for pair in part.pairs]
            add_known("decoder", decoder, part.decoder)
            add_known("threshold", threshold, part.threshold)
            add_known("calibrated", calibrated, part.calibrated)
            for name in ENTITIES:
                columns[name].append(part._renumbered(name, numbers))
            for name in FLOATS:
                columns[name].append(getattr(part, name))
            columns["pair"].append(np.array(place, dtype=np.int64)[part.pair])
        joined: dict[str, Any] = {
            name: np.concatenate(several) if several else ()
            for name, several in columns.items()
        }
        said: dict[str, Any] = {"decoder": decoder, "threshold": threshold}
        return cls(places, uris, calibrated=calibrated, **said, **joined)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Alignment:
        """Loads a table that :meth:`save` wrote. Entities are numbered in order of
        appearance; decoders, thresholds and whether the confidence is calibrated are
        unknown.

        Args:
            path (str or os.PathLike): ``.tsv``, ``.csv`` or ``.parquet``, a file or a
                folder of parts.

        Raises:
            FileNotFoundError: If the file does not exist.
            ImportError: If the file is Parquet and pyarrow is not installed.
            ValueError: If the file is not a table of matches; the message names the
                line.
        """
        return cls(**read_table(Path(path))).explained_by(asked_of_run(Path(path)))

    def save(
        self,
        path: str | os.PathLike[str],
        form: str | None = None,
        safe_cells: bool = False,
        rows_per_file: int | None = None,
        labels: Mapping[str, Mapping[str, str]] | None = None,
        exact_from: float = EXACT,
    ) -> Path:
        r"""Writes the matches as a table or in RDF.

        - ``.tsv``, ``.csv``, ``.parquet``: all columns, as :meth:`load` reads them.
        - ``.sssom.tsv``: `SSSOM <https://mapping-commons.github.io/sssom/>`_, with its
          metadata before the table.
        - ``.nt``: ``owl:sameAs`` statements in N-Triples.
        - ``.ttl``, ``.jsonld``: ``skos:exactMatch`` and ``skos:closeMatch`` in Turtle
          and JSON-LD.
        - ``.rdf``: the Alignment format of the Ontology Alignment Evaluation
          Initiative, in RDF/XML, with the confidence as the measure.

        In a ``.tsv`` numbers have six decimals, and a tab, a line feed, a carriage
        return and a backslash in a name are written ``\t``, ``\n``, ``\r`` and
        ``\\``; the other tables are exact. In RDF an absolute IRI is written as
        it is, and any other name becomes ``urn:x-entity:`` and the name,
        percent-encoded, which our readers map back; matches of blank nodes are left
        out, with a warning that counts them. The file is written whole under another
        name first.

        Args:
            path (str or os.PathLike): The file.
            form (str, optional): One of these endings, without its first dot.
                (default: by the name of the file)
            safe_cells (bool, optional): Whether an apostrophe is put before each name
                that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line end, which
                a spreadsheet would take for a formula. For people to look at: such a
                name is read back with its apostrophe. (default: no)
            rows_per_file (int, optional): Writes a folder of Parquet files of so many
                rows at most, as dataset readers take it. (default: a single file)
            labels (dict, optional): For SSSOM, by graph, the label of an entity by its
                URI. (default: unknown)
            exact_from (float, optional): For SKOS mappings, which SSSOM has, too: the
                confidence from which a match is exact; below, it is close.
                (default: :obj:`0.9`)

        Returns:
            Path: The path of the file or folder.

        Raises:
            FileExistsError: If a folder is asked for where a file is.
            ImportError: If the format is Parquet and pyarrow is not installed.
            ValueError: If the format is unknown, has no cells to make safe, or cannot
                be written in parts.
        """
        path = Path(path)
        if rows_per_file is None:
            rough = [pair_title(p) for p in self.pairs if self.calibrated[p] is False]
            note = "confidence that was not calibrated: " + ", ".join(rough)
            told = Told(labels, exact_from, note if rough else "")
            write_table(path, form, self._tables, safe_cells, told)
            return path
        if rows_per_file < 1 or form not in (None, "parquet") or safe_cells:
            raise ValueError(
                "rows_per_file is a number from 1, for .parquet without safe_cells, "
                f"got {rows_per_file}"
            )
        starts = range(0, max(1, len(self)), rows_per_file)
        parts = [self[start : start + rows_per_file]._tables for start in starts]
        write_parts(path, parts)
        return path

    def sure(self, least: float = 0.5) -> Alignment:
        """The matches with a confidence of at least ``least``.

        Raises:
            ValueError: If ``least`` is not in [0, 1].
        """
        if not 0 <= least <= 1:
            raise ValueError(f"least must be in [0, 1], got {least}")
        return self[np.flatnonzero(self.confidence >= least)]

    def one_to_one(self) -> Alignment:
        """The most confident match of each target in each pair of graphs, and of each
        source where it has several; the first one wins ties.
        """
        return self.with_cardinality("one-to-one")

    def with_cardinality(self, cardinality: str) -> Alignment:
        """The surest matches that a cardinality allows in each pair of graphs, chosen
        one after the other, the surest first; the first one wins ties.

        Args:
            cardinality (str): How many entities one may be matched with.
                ``'one-to-one'``: one on both sides; ``'many-to-one'``: each source with
                one target; ``'one-to-many'``: each target with one source;
                ``'many-to-many'``: any.

        Raises:
            ValueError: If there is no such cardinality.

        Example:
            >>> alignment = Alignment(
            ...     [("zh", "en")], {"zh": ["a", "b"], "en": ["x", "y"]},
            ...     source=[0, 0, 1, 1], target=[0, 1, 0, 1], runner_up=[1, -1, 1, -1],
            ...     score=[0.9, 0.8, 0.7, 0.1], margin=[0.1, 0.0, 0.6, 0.0],
            ...     confidence=[0.6, 0.3, 0.5, 0.2], pair=[0, 0, 0, 0])
            >>> found = alignment.with_cardinality("one-to-one")
            >>> [(m.source, m.target) for m in found]
            [('a', 'x'), ('b', 'y')]
            >>> found = alignment.with_cardinality("one-to-many")
            >>> [(m.source, m.target) for m in found]
            [('a', 'x'), ('a', 'y')]
        """
        if cardinality not in CARDINALITIES:
            listed = ", ".join(map(repr, CARDINALITIES))
            raise ValueError(
                f"cardinality must be one of {listed}, got {cardinality!r}"
            )
        columns = self.pair, self.source, self.target
        return self[chosen_rows(*columns, self.confidence, cardinality)]

    def between(self, source_graph: str, target_graph: str) -> Alignment:
        """The matches from one graph to another.

        Raises:
            ValueError: If there are no matches between these graphs; the message lists
                the pairs that there are.
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
            calibrated={pair: self.calibrated[pair]},
        )

    def judge(
        self, pairs: Iterable[Sequence[str]], known: Iterable[Sequence[str]] = ()
    ) -> dict[str, Any]:
        """Compares the matches with true pairs.

        Matches of entities that are not the source of any pair are left out, as nothing
        is known about them.

        Args:
            pairs (iterable of sequence of str): URIs of the true pairs; an entity may
                occur in several.
            known (iterable of sequence of str, optional): URIs of pairs that were given
                to a training, such as seed pairs. No match is sought for them, so they
                are counted apart. (default: none)

        Returns:
            dict: ``pairs`` (number of distinct source entities), ``known`` (how many
            pairs were), ``given`` (number of matches for the source entities),
            ``right``, ``precision``, ``recall``, ``f1`` and, if there are any matches,
            ``expected_calibration_error``, ``coverage``, ``precision_interval`` and
            ``recall_interval`` (Wilson's, 95 %), and ``thresholds``: the same figures
            of the matches of a confidence of 0, 0.1 and so on at least. If none is
            right, ``exchanged`` says whether the pairs fit the graphs better the other
            way round.

        Raises:
            ValueError: If there are no pairs, all of them are known, or the matches are
                between several pairs of graphs.
        """
        graphs = sorted(self.pairs[number] for number in np.unique(self.pair))
        if len(graphs) > 1:
            raise ValueError(
                "choose the two graphs that the pairs are of; there are matches of "
                + ", ".join(" and ".join(pair) for pair in graphs)
            )
        uris = [self.uris[graph] for graph in graphs[0]] if graphs else [[], []]
        return judge(self.source, self.target, self.confidence, uris, pairs, known)

    def explain(
        self,
        source: str,
        target: str | None = None,
        graphs: Pair | None = None,
        most: int = 5,
    ) -> Explanation:
        """Why an entity has its match: what each modality and the strongest facts add
        to the score.

        An alignment asks the :class:`~pyg_ibmea.Aligner` that it came from, or the run
        folder that it was loaded from, whose graphs are then read again.

        Args:
            source (str): URI of the source entity.
            target (str, optional): URI of a target entity. (default: the match, with
                the runner-up beside it)
            graphs (tuple, optional): Names of the two graphs. (default: those that have
                the entities)
            most (int, optional): How many facts of a kind are told one by one.
                (default: :obj:`5`)

        Raises:
            RuntimeError: If the alignment does not know whom to ask.
            ValueError: If an entity is not there or in a known pair.
        """
        if self._explain is None:
            raise RuntimeError(
                "this alignment was not made by an Aligner and was not loaded from a "
                "run folder, so it holds scores but not what they are made of; call "
                "aligner.explain(source, target), or `pyg-ibmea explain RUN SOURCE`"
            )
        return self._explain(source, target, graphs, most)

    def explained_by(self, explain: Callable[..., Explanation] | None) -> Alignment:
        """The same alignment, which asks a function about its matches.

        Args:
            explain (callable): Takes what :meth:`explain` takes; ``None`` for nobody.
        """
        return self._with(_explain=explain)

    def to_pandas(self) -> Any:
        """The matches as a ``pandas.DataFrame`` with the same columns as the ``.tsv``.

        Raises:
            ImportError: If pandas is not installed.
        """
        try:
            pandas = import_module("pandas")
        except ImportError as error:
            raise ImportError("a DataFrame needs pandas: pip install pandas") from error
        return pandas.DataFrame(self._columns())

    def __getstate__(self) -> dict[str, Any]:
        # A copy or a pickle does not take the models along.
        return {**self.__dict__, "_explain": None}

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
            # NumPy makes an empty list an array of floats.
            rows = rows if rows.size else rows.astype(np.int64)
        return self._with(**{name: getattr(self, name)[rows] for name in ARRAYS})

    def __repr__(self) -> str:
        found = []
        for number, (source, target) in enumerate(self.pairs):
            confidence = self.confidence[self.pair == number]
            text = one_field(f"{source} - {target}: {count_of(len(confidence))}")
            if len(confidence):
                text += f", median confidence {np.median(confidence):.2f}"
            if self.calibrated[source, target] is False:
                text += " (not calibrated)"
            found.append(text)
        return f"{type(self).__name__}({'; '.join(found) or count_of(0)})"

    def __str__(self) -> str:
        surest = np.argsort(-self.confidence, kind="stable")[:5]
        return text_table(self[surest]._columns(), len(self))

    def _repr_html_(self) -> str:
        return html_table(self[:10]._columns(), len(self))

    def _tables(self) -> Iterator[dict[str, list[Any]]]:
        """The saved table, some rows at a time; at least one, which may be empty."""
        for start in range(0, max(1, len(self)), AT_A_TIME):
            yield self[start : start + AT_A_TIME]._columns()

    def _columns(self) -> dict[str, list[Any]]:
        """The columns of the saved tables, with URIs."""
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
        """A column of entities, renumbered by the new numbers of each graph."""
        column = np.empty(len(self), dtype=np.int64)
        for rows, kg, own in self._by_graph(name):
            column[rows] = numbers[kg][own]
        return column

    def _by_graph(
        self, name: str
    ) -> Iterator[tuple[NDArray[np.int64], str, NDArray[np.int64]]]:
        """Yields rows, graph and numbers of a column of entities, pair by pair."""
        for number, pair in enumerate(self.pairs):
            rows = np.flatnonzero(self.pair == number)
            yield rows, pair[name != "source"], getattr(self, name)[rows]

    def _with(self, **changes: Any) -> Alignment:
        """A copy with changed attributes, which must be known to fit."""
        changed = object.__new__(type(self))
        changed.__dict__.update({**self.__dict__, **changes})
        return changed
