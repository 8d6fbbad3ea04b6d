"""The front door: two graphs or more in, matches with confidence out."""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Alignment, Clusters, Decoder
from pyg_ibmea.align.decoders import as_decoder
from pyg_ibmea.align.explanation import Explanation
from pyg_ibmea.anchors.seeds import Seeds, add_empty_links, has_seeds, seed_problem
from pyg_ibmea.devices import usable_device
from pyg_ibmea.nn import IBMEA, GraphEncoder, ModalityEncoder
from pyg_ibmea.problem import (
    Pair,
    check_problem,
    linked_pairs,
    modalities_of,
    seed_pairs,
)
from pyg_ibmea.report.table import metrics_html, metrics_table
from pyg_ibmea.run_files import (
    CONFIG,
    METRICS,
    RESTORE,
    read_config,
    read_history,
    read_metrics,
)
from pyg_ibmea.train import MetricLogger, Objective, Options, RunFolder, processes
from pyg_ibmea.train._answers import Answers
from pyg_ibmea.train._checkpoint import read_checkpoint
from pyg_ibmea.train._choice import Choice
from pyg_ibmea.train._device import moved
from pyg_ibmea.train._facts import facts_of
from pyg_ibmea.train._figures import mean_figures
from pyg_ibmea.train._folder_lock import refuse_if_locked
from pyg_ibmea.train._interrupt import InterruptGuard
from pyg_ibmea.train._memory import keep_freed_memory
from pyg_ibmea.train._memory_log import MemoryLog
from pyg_ibmea.train._stages import Stages, Trained, best_pseudo_seeds, parts_of
from pyg_ibmea.train._trained import TrainedModels
from pyg_ibmea.train._training import warn
from pyg_ibmea.train.answers import ANSWERS, Answer
from pyg_ibmea.train.continuing import known_answers, start_from
from pyg_ibmea.train.evaluation import encode_entities
from pyg_ibmea.train.metric_loggers import Loggers
from pyg_ibmea.train.objective import Loss
from pyg_ibmea.train.run_folder import refuse_if_edited

# What is given as an object, and a run folder therefore cannot hold.
_OBJECTS = ("loss", "decoder", "encoders", "graph_encoder", "model")


class Aligner:
    r"""Learns from known pairs which entities of two knowledge graphs or more are the
    same, and matches all the others (`arXiv:2407.19302
    <https://arxiv.org/abs/2407.19302>`_).

    Args:
        modalities (collection of str, optional): The modalities to use, ``'graph'``
            among them. (default: all that the data have)
        loss (callable, optional): A loss of your own on the fused vectors: it takes
            those of two graphs, ``[B, C]`` each, row i of both being one entity, and
            returns a scalar. (default: that of the options)
        decoder (Decoder or str, optional): What chooses the epoch and the matches.
            (default: CSLS chooses the epoch, and CSLS or Sinkhorn scaling the matches,
            whichever gets more validation pairs right)
        encoders (dict, optional): Encoders of your own by modality; see
            :class:`~pyg_ibmea.nn.ModalityEncoder`.
        graph_encoder (Module, optional): A graph encoder of your own; see
            :class:`~pyg_ibmea.nn.GraphEncoder`.
        model (Module, optional): A model of your own in place of
            :class:`~pyg_ibmea.nn.IBMEA`: ``model(data, entities, graph, withhold)``
            returns an :class:`~pyg_ibmea.nn.IBMEAOutput` of the entities ``{kg: [n]}``.
        preset (str, optional): ``'paper'`` for the published settings of DBP15K,
            ``'paper-mmkb'`` for those of MMKB. (default: the defaults of the options)
        seed (int, optional): Seed of the model. (default: :obj:`0`)
        device (str or torch.device, optional): Where to train. (default: CUDA if it is
            available, else the CPU)
        progress (bool, optional): Whether to show progress on standard error.
            (default: :obj:`True`)
        options (Options, optional): All options at once, in place of a preset.
        **changes: Options by name, such as ``epochs`` or ``graph_channels``; see
            :class:`~pyg_ibmea.train.Options`.

    Modules given as arguments are copied for every training and reset by their
    ``reset_parameters``, if they have it.

    Attributes:
        best_epoch\_ (int): The epoch that the validation pairs chose.
        history\_ (list): A dictionary for each evaluation on the validation pairs, as
            in the lines of ``metrics.jsonl``.
        metrics\_ (dict): All figures, as in ``metrics.json``; only with a run folder.
        seconds\_ (float): Training time.

    Raises:
        TypeError: If there is no such option.
        ValueError: If an option is out of range.

    Example:
        >>> from pyg_ibmea.datasets import SyntheticMMKG
        >>> data = SyntheticMMKG(num_entities=120)[0]
        >>> aligner = Aligner(epochs=8, graph_channels=32, progress=False).fit(data)
        >>> aligner.evaluate("test")["csls"]["hits@1"] > 0.3
        True
        >>> matches = aligner.align()
        >>> len(matches) == data["source"].num_nodes - 29  # Seed pairs are known.
        True
        >>> Aligner(epochs=3)
        Aligner(epochs=3)
    """

    def __init__(
        self,
        *,
        modalities: Collection[str] | None = None,
        loss: Loss | None = None,
        decoder: Decoder | str | None = None,
        encoders: Mapping[str, ModalityEncoder] | None = None,
        graph_encoder: GraphEncoder | None = None,
        model: Module | None = None,
        preset: str | None = None,
        seed: int = 0,
        device: str | torch.device | None = None,
        progress: bool = True,
        options: Options | None = None,
        **changes: Any,
    ):
        if options is not None and preset is not None:
            raise ValueError("give options or a preset, not both")
        options = Options.of(preset) if options is None else options
        self.options = options.replace(**changes)
        self.modalities = None if modalities is None else list(modalities)
        self.loss = loss
        self.decoder = None if decoder is None else as_decoder(decoder)
        self.encoders = dict(encoders or {})
        self.graph_encoder = graph_encoder
        self.model = model
        self.seed = seed
        self.device = device
        self.progress = progress
        self._trained: TrainedModels | None = None
        self._answers: Answers | None = None
        self._folder: Path | None = None
        self._states: Trained | None = None
        self._traffic: dict[str, Any] = {}
        self.history_: list[dict[str, Any]] = []
        self.metrics_: dict[str, Any] = {}
        self.best_epoch_ = 0
        self.seconds_ = 0.0

    def fit(
        self,
        data: HeteroData,
        out: str | os.PathLike[str] | None = None,
        resume: bool = False,
        about: Mapping[str, Any] | None = None,
        files: Mapping[str, str] | None = None,
        pseudo_seeds: Mapping[Pair, Tensor] | None = None,
        loggers: Sequence[MetricLogger] = (),
    ) -> Aligner:
        """Trains on the known pairs of a problem.

        Without training and validation pairs, those that identify themselves become
        seed pairs, as :func:`pyg_ibmea.anchors.seed_problem` finds them; ``out`` then
        has ``anchors.tsv``, with a reason for each. Known pairs that are test pairs
        only judge the result.

        Inside :func:`pyg_ibmea.train.processes.joined`, several processes train one
        model. All end with it; only the first writes, and has the history and metrics.

        Args:
            data (HeteroData): The problem; see :mod:`pyg_ibmea.problem` for what it
                must hold.
            out (str or Path, optional): A run folder to write: configuration, metrics,
                checkpoints and the alignment; it can be resumed and loaded. (default:
                nothing is written)
            resume (bool, optional): Whether to resume the training in ``out``.
                (default: :obj:`False`)
            about (dict, optional): Further entries of ``config.json``, of JSON types,
                such as where the data came from. (default: none)
            files (dict, optional): Further texts to write into ``out`` before the first
                epoch, by name of their file. (default: none)
            pseudo_seeds (dict, optional): By pair of graphs, pairs to learn from until
                the model proposes others, node ids, long ``[2, L]``. (default: none)
            loggers (sequence of MetricLogger, optional): Who else is told the figures,
                such as :class:`~pyg_ibmea.train.TensorBoardLogger`. One that fails is
                told of and not asked again. (default: nobody)

        Returns:
            Aligner: Itself.

        Raises:
            BlockingIOError: If another process writes into ``out``.
            FileExistsError: If ``out`` holds another run, or anything else.
            Stopped: If it was interrupted (Ctrl-C): a :class:`KeyboardInterrupt`. A
                second Ctrl-C is a plain one. What is in ``out`` can be resumed.
            ValueError: If the data are not an alignment problem, or do not fit the
                options.
        """
        data, seeds = self._seeded(data)
        if not any(links.size(1) for links in seed_pairs(data).values()):
            raise ValueError(
                "there are no training pairs to learn from; give more known pairs, or "
                "a smaller share of validation pairs (--val-ratio)"
            )
        if resume and out is None:
            raise ValueError("to resume, say which run folder: fit(data, out=...)")
        device = self._device()
        config = self._config(about or {})
        if seeds is not None and processes.rank() == 0:
            files = {**(files or {}), "anchors.tsv": seeds.table()}
            for said in seeds.sentences() if self.progress else ():
                print(said, file=sys.stderr)
        if processes.count() > 1:
            facts = {"the kind of device": device.type}
            processes.check_same(facts | facts_of(data, self._config({})))
        log: MemoryLog | RunFolder = MemoryLog()
        if out is not None and processes.rank() == 0:
            refuse_if_locked(Path(out))
            log = RunFolder(out, config, resume, files)
        keep_freed_memory()
        with InterruptGuard(lambda: _done(log)), log.locked():
            told = Loggers(loggers if processes.rank() == 0 else ())
            told.start(config)
            metrics: Mapping[str, Any] = {}
            try:
                self._fit(moved(data, device), log, device, seeds, pseudo_seeds, told)
                metrics = self.metrics_ if out is not None else {}
            finally:
                told.finish(metrics)
        return self

    @classmethod
    def proceed(
        cls,
        run: str | os.PathLike[str],
        data: HeteroData,
        out: str | os.PathLike[str] | None = None,
        answers: Iterable[Answer] | None = None,
        resume: bool = False,
        about: Mapping[str, Any] | None = None,
        files: Mapping[str, str] | None = None,
        loggers: Sequence[MetricLogger] = (),
        **objects: Any,
    ) -> Aligner:
        """Trains on from a finished run, with what people said of pairs since.

        The new training has the options and the seed of the run and starts with the
        pseudo-seeds that it adopted. Pairs that are the same become seed pairs; those
        that are different are never proposed and never matched. Answers that
        contradict each other or a known pair are not used; a warning tells of them.

        Args:
            run (str or Path): The run folder; it stays as it is.
            data (HeteroData): The problem that it was trained on, without answers.
            out (str or Path, optional): Another run folder to write. It holds all
                answers, too. (default: nothing is written)
            answers (iterable of Answer, optional): All answers, oldest first.
                (default: those in the run folder)
            resume (bool, optional): As for :meth:`fit`. (default: :obj:`False`)
            about (dict, optional): As for :meth:`fit`. (default: none)
            files (dict, optional): As for :meth:`fit`. (default: none)
            loggers (sequence, optional): As for :meth:`fit`. (default: nobody)
            **objects: As for :meth:`load`.

        Returns:
            Aligner: The new one.

        Raises:
            FileNotFoundError: If there is no run, or it has not ended.
            ValueError: If a file of the run is damaged, or the data are of another
                problem; and as for :meth:`fit`.
        """
        run, into = Path(run), None if out is None else Path(out)
        if resume and into is not None:
            answers = known_answers(into, read_config(into), run)
        start = start_from(run, data, answers)
        if into is not None and (into / ANSWERS).exists():
            del start.files[ANSWERS]  # There may be more by now.
        aligner = cls.load(run, **objects)._untrained()
        warn(start.problem.notes)
        return aligner.fit(
            start.problem.data,
            out,
            resume,
            about={**(about or {}), **start.about},
            files={**(files or {}), **start.files},
            pseudo_seeds=start.pseudo_seeds,
            loggers=loggers,
        )

    def _untrained(self) -> Aligner:
        """One with the same arguments."""
        given = {name: getattr(self, name) for name in _OBJECTS}
        return type(self)(
            modalities=self.modalities,
            seed=self.seed,
            device=self.device,
            progress=self.progress,
            options=self.options,
            **given,
        )

    @staticmethod
    def _seeded(data: HeteroData) -> tuple[HeteroData, Seeds | None]:
        """A problem with seed pairs, and what was found where it had none."""
        data = add_empty_links(data)
        check_problem(data)
        if has_seeds(data):
            return data, None
        seeds = seed_problem(data)
        return seeds.data, seeds

    def _fit(
        self,
        data: HeteroData,
        log: MemoryLog | RunFolder,
        device: torch.device,
        seeds: Seeds | None = None,
        pseudo_seeds: Mapping[Pair, Tensor] | None = None,
        loggers: Loggers | None = None,
    ) -> None:
        """Trains, and writes what came of it."""
        stages = Stages(
            data,
            self.options,
            log,
            self._new_model,
            lambda model: self._new_objective(model, data),
            self.seed,
            device,
            self.decoder,
            self.progress and processes.rank() == 0,
            pseudo_seeds,
            Loggers() if loggers is None else loggers,
        )
        states = stages.run()
        self._states = states
        self._traffic = processes.traffic(device)
        self._trained = TrainedModels(
            data,
            self.options.decoding,
            [state.model for state in states.judged],
            [state.model for state in states.final],
            self.decoder,
            seeds,
        )
        self.best_epoch_ = states.judged[0].best_epoch
        self.seconds_ = states.seconds
        self.history_ = log.read_metrics()
        if processes.count() > 1:
            with processes.jointly():
                self._trained.encode()
        if isinstance(log, RunFolder):
            stages.told.match()
            self._folder = log.path
            with processes.all_threads():
                self._write(log)
        stages.told.done(matched=isinstance(log, RunFolder))

    def check(
        self,
        out: str | os.PathLike[str],
        resume: bool = False,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        """Checks that :meth:`fit` can use the device and write or resume the run
        folder, before any data are read.

        Args:
            out (str or Path): The run folder.
            resume (bool, optional): As for :meth:`fit`. (default: :obj:`False`)
            about (dict, optional): As for :meth:`fit`. (default: none)

        Raises:
            BlockingIOError: If another process writes into ``out``.
            FileExistsError: If ``out`` holds another run, or anything else.
            FileNotFoundError: If there is no run to resume.
            ValueError: If the run in ``out`` has another configuration, or the device
                cannot be used.
        """
        self._device()
        if processes.rank() == 0:
            refuse_if_locked(Path(out))
            RunFolder(out, self._config(about or {}), resume)

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        data: HeteroData | None = None,
        **objects: Any,
    ) -> Aligner:
        """The aligner of a finished run.

        Args:
            folder (str or Path): The run folder.
            data (HeteroData, optional): The problem that it was trained on; if it is
                not given here, :meth:`align` and :meth:`evaluate` need it. Of a run
                that learned from answers, that with the answers; see
                :func:`~pyg_ibmea.train.with_answers`.
            **objects: The objects that the run was given (``loss``, ``decoder``,
                ``encoders``, ``graph_encoder``, ``model``), ``device`` and
                ``progress``.

        Raises:
            FileNotFoundError: If there is no run, or it has not ended.
            ValueError: If a file is damaged, the data are not those of the run, or an
                object that the run was given is missing.
        """
        folder = Path(folder)
        config = read_config(folder)
        needed = config.get("objects", {})
        for name, kind in needed.items():
            if name != "loss" and objects.get(name) is None:
                raise ValueError(
                    f"the run in {folder} was given {name}={kind}; pass it again: "
                    f"Aligner.load({str(folder)!r}, {name}=...)"
                )
        modalities = config.get("modalities")
        if isinstance(modalities, str):
            modalities = modalities.split(",")
        aligner = cls(
            modalities=modalities,
            seed=config.get("seed", 0),
            options=_options(config, folder),
            **objects,
        )
        aligner._folder = folder
        aligner.history_ = read_history(folder, ("hits@1", "mrr"))
        if (folder / METRICS).is_file():
            aligner.metrics_ = read_metrics(folder)
            aligner.best_epoch_ = aligner.metrics_.get("best_epoch", 0)
            aligner.seconds_ = aligner.metrics_.get("seconds", 0.0)
        if data is not None:
            aligner._trained = aligner._load_models(data)
        return aligner

    def align(
        self,
        data: HeteroData | None = None,
        *,
        k: int = 1,
        cardinality: str | None = None,
        sources: Collection[str] | None = None,
        targets: Collection[str] | None = None,
        same_type: str | Mapping[str, str] | None = None,
    ) -> Alignment:
        """A match for every source entity outside the seed pairs, with a confidence; or
        several, or those of some entities only. Those of a training without known pairs
        have the seed pairs that it found, too.

        The confidence is the probability that a pair is right, among all entities: a
        restriction leaves it as it is. Of the ``k`` matches of an entity the best has
        the same as alone; that of the others is learned from the validation pairs, too,
        and all together they have 1 at most, unless several targets of one source are
        asked for.

        Args:
            data (HeteroData, optional): The problem that it was trained on, needed
                after :meth:`load`; or the same with further entities (see
                :func:`pyg_ibmea.data.add_entities`). (default: that of :meth:`fit`)
            k (int, optional): How many matches of each source entity, at most, the best
                first; ``runner_up`` and ``margin`` of each are of the next one.
                (default: :obj:`1`)
            cardinality (str, optional): What to choose of these: ``'one-to-one'``,
                ``'one-to-many'``, ``'many-to-one'`` or ``'many-to-many'``, from source
                to target; see :meth:`pyg_ibmea.align.Alignment.with_cardinality`.
                (default: all of them)
            sources (collection of str, optional): URIs of the entities to match.
                (default: all)
            targets (collection of str, optional): URIs of the entities that they may be
                matched with. (default: all)
            same_type (str or dict, optional): URI (or its last part) of the relation to
                the type of an entity, such as ``'type'``, or that of each graph: only
                entities of corresponding types are matched. Types correspond that known
                pairs have or are, or that have one URI; what is untyped, or of a type
                that corresponds to none, may be matched with all.
                (default: types do not count)

        Returns:
            Alignment: The matches of all linked pairs of graphs.

        Raises:
            RuntimeError: If nothing was trained, or the data are needed.
            ValueError: If the data do not fit the models, an argument is out of range,
                or there is no such entity or relation.
        """
        choice = Choice(k, cardinality, sources, targets, same_type)
        return self._answers_of(data).chosen(choice)

    def explain(
        self,
        source: str,
        target: str | None = None,
        graphs: Pair | None = None,
        data: HeteroData | None = None,
        most: int = 5,
    ) -> Explanation:
        """Why two entities get their score: what each modality, the strongest facts and
        the decoder add to it.

        Args:
            source (str): URI of the source entity, which is in no seed pair.
            target (str, optional): URI of a target entity. (default: the match that was
                found, with the runner-up beside it)
            graphs (tuple, optional): Names of the two graphs. (default: those that have
                the entities)
            data (HeteroData, optional): As for :meth:`align`.
            most (int, optional): How many facts of a kind are told one by one; the
                others are summed up. (default: :obj:`5`)

        Returns:
            Explanation: Contributions that add up to the score of the pair; it prints
            as text, and has ``to_dict()`` and ``plot()``.

        Raises:
            RuntimeError: If nothing was trained, or the data are needed.
            ValueError: If an entity is not there or is in a known pair.

        Example:
            >>> from pyg_ibmea.datasets import SyntheticMMKG
            >>> data = SyntheticMMKG(num_entities=120)[0]
            >>> aligner = Aligner(epochs=8, graph_channels=32, progress=False).fit(data)
            >>> match = aligner.align()[0]
            >>> why = aligner.explain(match.source)
            >>> total = sum(found.value for found in why.contributions)
            >>> abs(total - match.score) < 1e-4
            True
        """
        return self._answers_of(data).explain(source, target, graphs, most)

    def explain_all(
        self, matches: Alignment, data: HeteroData | None = None, most: int = 3
    ) -> list[Explanation | None]:
        """Explains each of some matches, faster than one by one and without their
        runners-up.

        Args:
            matches (Alignment): The matches, such as ``aligner.align()[:100]``.
            data (HeteroData, optional): As for :meth:`align`.
            most (int, optional): As for :meth:`explain`. (default: :obj:`3`)

        Returns:
            list: In their order; ``None`` for a match of entities of known pairs.

        Raises:
            ValueError: If an entity is not in the data.
        """
        return self._answers_of(data).explain_all(matches, most)

    def clusters(self, data: HeteroData | None = None) -> Clusters:
        """The entities that known pairs and matches of all graphs agree to be the same,
        with at most one of each graph.

        Args:
            data (HeteroData, optional): As for :meth:`align`.
        """
        return self._asked(data).clusters

    def embed(self, data: HeteroData | None = None) -> dict[str, Tensor]:
        """A vector for every entity; the cosine of two says how alike they are.

        Args:
            data (HeteroData, optional): As for :meth:`align`.

        Returns:
            dict: By graph, ``[N, C]``.
        """
        trained = self._asked(data)
        every = {
            kg: torch.arange(trained.data[kg].num_nodes, device=self._device())
            for kg in trained.data.node_types
        }
        return encode_entities(trained.final, trained.data, every, trained.graph)

    def evaluate(
        self,
        part: str = "test",
        data: HeteroData | None = None,
        agreement: bool = True,
    ) -> Metrics:
        """Ranks the true counterparts of a part of the known pairs.

        Args:
            part (str, optional): ``'test'`` or ``'val'``; the validation pairs are
                judged by models that did not learn from them.
                (default: :obj:`'test'`)
            data (HeteroData, optional): As for :meth:`align`.
            agreement (bool, optional): Whether to use neighbourhood agreement, or
                embeddings only. (default: :obj:`True`)

        Returns:
            Metrics: By decoder, what :func:`pyg_ibmea.align.ranking_metrics` returns
            for ranks among the counterparts of the part's pairs, as the literature
            reports them; with several pairs of graphs the mean of all, and each under
            ``pairs``. Under ``matches``, by pair of graphs, how many matches of these
            entities are right among all entities outside the known pairs: what to
            expect of :meth:`align` (not by embeddings only). It prints as a table.

        Raises:
            RuntimeError: If nothing was trained, or the data are needed.
            ValueError: If the part has no pairs.
        """
        if part not in ("test", "val"):
            raise ValueError(f"part must be 'test' or 'val', got {part!r}")
        trained = self._asked(data)
        ranked = {p: trained.ranked(p, part, agreement) for p in trained.problems}
        found = {pair: figures for pair, figures in ranked.items() if figures}
        if not found:
            raise ValueError(f"there are no {part} pairs to evaluate")
        matches = {p: trained.matched(p, part) for p in found} if agreement else {}
        return Metrics(found, matches, part)

    def metrics(self, data: HeteroData | None = None) -> dict[str, Any]:
        """All figures of a run, as ``metrics.json`` holds them: ranks of test and
        validation pairs, with neighbourhood agreement and with embeddings only, and how
        far the confidence can be trusted.

        Args:
            data (HeteroData, optional): As for :meth:`align`.
        """
        trained = self._asked(data)
        adopted = None
        if self.options.pseudo_seeds.iterative and self._states is not None:
            adopted = best_pseudo_seeds(self._states.judged[0], trained.data)
        return trained.metrics(adopted)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Writes a run folder that :meth:`load` reads. It holds the weights that were
        kept and cannot be resumed; for that, give :meth:`fit` an ``out``.

        Args:
            folder (str or Path): The folder; it must be empty or not exist yet.

        Raises:
            BlockingIOError: If another process writes into the folder.
            FileExistsError: If the folder holds anything.
            RuntimeError: If nothing was trained.
        """
        if self._states is None:
            raise RuntimeError("nothing was trained: call fit(data) first")
        refuse_if_locked(Path(folder))
        run = RunFolder(folder, self._config({}))
        with run.locked():
            self._save(run)
        return run.path

    def _save(self, run: RunFolder) -> None:
        assert self._states is not None
        kept = {"": self._states.judged[0], **self._parts()}
        for name, state in kept.items():
            log = run.part(name) if name else run
            log.start()
            weights = state.model.state_dict()
            epoch = {"best_epoch": state.best_epoch}
            log.save_checkpoint({"best_weights": weights, **epoch})
        for line in self.history_:
            run.append_metrics(
                *(line["epoch"], line["seconds"], line["loss"], line["val"]),
                *(line["weights"], line["information"]),
            )
        self._write(run)

    def _parts(self) -> dict[str, Any]:
        """The states whose models are kept, by the name of their folder."""
        assert self._states is not None
        assert self._trained is not None
        names = parts_of(self._trained.data, self.options)
        states = self._states
        each = {id(state): state for state in (*states.judged, *states.final)}
        return dict(zip(names, each.values(), strict=True))

    def _answers_of(self, data: HeteroData | None) -> Answers:
        """What answers questions; it keeps what it computed for the same models."""
        trained = self._asked(data)
        if trained is not self._trained:
            return Answers(trained)
        if self._answers is None or self._answers.trained is not trained:
            self._answers = Answers(trained)
        return self._answers

    def _asked(self, data: HeteroData | None) -> TrainedModels:
        """The models, with the problem they are asked about."""
        trained = self._trained
        if data is None and trained is not None:
            return trained
        if trained is None:
            if self._folder is None:
                raise RuntimeError("nothing was trained: call fit(data) first")
            if data is None:
                raise RuntimeError(
                    f"the run in {self._folder} does not hold its data; pass data=..."
                )
            self._trained = self._load_models(data)
            return self._trained
        assert data is not None
        data, seeds = self._seeded(data)
        data = moved(data, self._device())
        judged, final = (
            [_fitting(model, data) for model in models]
            for models in (trained.judged, trained.final)
        )
        known = (trained.options, judged, final, trained.decoder, seeds)
        return TrainedModels(data, *known)

    def _load_models(self, data: HeteroData) -> TrainedModels:
        """The models of the run folder."""
        data, seeds = self._seeded(data)
        assert self._folder is not None
        data = moved(data, self._device())
        refuse_if_edited(self._folder)
        models: dict[bool, list[Module]] = {True: [], False: []}
        for name, (problem, judged) in parts_of(data, self.options).items():
            path = self._folder / name / "checkpoint.pt"
            if not path.is_file():
                raise FileNotFoundError(f"{path} is missing; has the training ended?")
            state = read_checkpoint(path)
            model = self._new_model(problem)
            try:
                model.load_state_dict(state["best_weights"])
            except (RuntimeError, KeyError, TypeError, AttributeError) as error:
                why = " ".join(str(error).split())
                raise ValueError(
                    f"{path} is of another model or other data: {why}"
                ) from error
            models[judged].append(model.to(self._device()).eval())
        final = models[False] or models[True]
        options = self.options.decoding
        return TrainedModels(data, options, models[True], final, self.decoder, seeds)

    def _new_model(self, data: HeteroData) -> Module:
        """A model before the first epoch."""
        if self.model is not None:
            model: Module = _fresh(self.model)
            return model
        return IBMEA.from_data(
            data,
            modalities=self.modalities,
            options=self.options.model,
            encoders={m: _fresh(encoder) for m, encoder in self.encoders.items()},
            graph_encoder=self.graph_encoder and _fresh(self.graph_encoder),
        )

    def _new_objective(self, model: Module, data: HeteroData) -> Objective:
        modalities = getattr(model, "modalities", modalities_of(data))
        loss = _fresh(self.loss) if isinstance(self.loss, Module) else self.loss
        options = self.options.loss
        return Objective.from_options(options, modalities, modalities_of(data), loss)

    def _device(self) -> torch.device:
        return usable_device(processes.device_of(self.device))

    def _config(self, about: Mapping[str, Any]) -> dict[str, Any]:
        """What ``config.json`` holds."""
        given = {name: getattr(self, name) for name in _OBJECTS}
        objects = {name: _named(value) for name, value in given.items() if value}
        known = {"modalities": self.modalities, "seed": self.seed, **about}
        known |= {"objects": objects} if objects else {}
        return {**known, **self.options.flat()}

    def _write(self, run: RunFolder) -> None:
        """Writes the final metrics and the alignment; the test pairs are read."""
        assert self._trained is not None
        assert self._states is not None
        metrics = self.metrics()
        if self._traffic:
            metrics["processes"] = self._traffic
        data = self._trained.data
        if len(linked_pairs(data)) > 1:
            run.write_clusters(data, self._trained.clusters)
        if self.options.pseudo_seeds.iterative:
            adopted = best_pseudo_seeds(self._states.judged[0], data)
            run.write_pairs("pseudo_seeds.tsv", data, adopted)
        self.metrics_ = run.write_metrics(
            *(metrics, self.best_epoch_, self.seconds_), device=self._device()
        )
        self._trained.complete.save(run.path / "alignment.tsv")

    def __repr__(self) -> str:
        given = {"modalities": self.modalities, **self.options.differences()}
        given |= {name: getattr(self, name) for name in _OBJECTS}
        shown = [f"{k}={v!r}" for k, v in given.items() if v]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _repr_html_(self) -> str:
        if self._trained is None and self._folder is None:
            state = "not trained yet"
        else:
            state = f"trained {self.seconds_:,.0f} s, weights of epoch "
            state += f"{self.best_epoch_} of {self.options.training.epochs}"
        hits = [(line["epoch"], line["val"]["hits@1"]) for line in self.history_]
        rows = "".join(f"<tr><td>{e}</td><td>{h:.3f}</td></tr>" for e, h in hits[-5:])
        head = "<tr><th>epoch</th><th>validation Hits@1</th></tr>"
        table = f"<table>{head}{rows}</table>" if rows else ""
        return f"<p><code>{escape(repr(self))}</code><br>{state}</p>{table}"


class Metrics(dict[str, Any]):
    """Ranking metrics by decoder, which print as a table.

    Args:
        by_pair (dict): By pair of graphs and decoder, what
            :func:`pyg_ibmea.align.ranking_metrics` returns.
        matches (dict, optional): By pair of graphs, how many matches are right, as in
            ``metrics.json``. (default: unknown)
        part (str, optional): The part of the pairs. (default: :obj:`'test'`)

    Attributes:
        pairs (dict): The metrics of each pair of graphs; the mapping itself holds their
            means.
        matches (dict): By pair of graphs, ``right``, ``asked``, ``precision`` and its
            95 % ``interval``.
        part (str): The part of the pairs.
    """

    def __init__(
        self,
        by_pair: Mapping[Pair, Mapping[str, Any]],
        matches: Mapping[Pair, Mapping[str, Any]] | None = None,
        part: str = "test",
    ):
        super().__init__(mean_figures(list(by_pair.values())))
        self.pairs = dict(by_pair)
        self.matches = {pair: given for pair, given in (matches or {}).items() if given}
        self.part = part

    def __str__(self) -> str:
        tables = [
            metrics_table(found, pair[0], pair[1], *self._first(pair))
            for pair, found in self.pairs.items()
        ]
        return "\n\n".join(tables)

    def _repr_html_(self) -> str:
        return "".join(
            metrics_html(found, pair[0], pair[1], *self._first(pair))
            for pair, found in self.pairs.items()
        )

    def _first(self, pair: Pair) -> tuple[Mapping[str, Any] | None, str]:
        return self.matches.get(pair), self.part


def _options(config: Mapping[str, Any], folder: Path) -> Options:
    """The options of a run folder."""
    try:
        return Options.from_flat(config)
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG}: {error}; {RESTORE}") from error


def _done(log: MemoryLog | RunFolder) -> str:
    """What is kept of a run that is stopped while no epoch is under way."""
    return "the last epoch" if log.path is None else f"the last epoch of {log.path}"


def _fresh(module: Any) -> Any:
    """A copy of a module, before its training."""
    module = copy.deepcopy(module)
    if hasattr(module, "reset_parameters"):
        module.reset_parameters()
    return module


def _fitting(model: Any, data: HeteroData) -> Module:
    """A model that also encodes entities of the data that it does not know yet."""
    counts = {kg: int(data[kg].num_nodes) for kg in data.node_types}
    if getattr(model, "num_nodes", counts) == counts:
        fitting: Module = model
    else:
        fitting = model.extended(data)
    return fitting


def _named(value: Any) -> Any:
    """An object as a configuration can hold it."""
    if isinstance(value, Mapping):
        return {name: type(found).__name__ for name, found in value.items()}
    return type(value).__name__
