"""The folder a training writes, so that nothing in it is ever half written."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Clusters
from pyg_ibmea.files import is_leftover, naming, remove_leftovers, replacing, sync
from pyg_ibmea.options import DecodingOptions, Options
from pyg_ibmea.problem import Pair
from pyg_ibmea.run_files import (
    CONFIG,
    HISTORY,
    METRICS,
    RESTORE,
    read_any_config,
    read_history,
)
from pyg_ibmea.tab_fields import field_of
from pyg_ibmea.train._checkpoint import (
    CHECKPOINT,
    PREVIOUS,
    latest_checkpoint,
    read_checkpoint,
    way_out,
    write_checkpoint,
)
from pyg_ibmea.train._folder_lock import LOCK, locked
from pyg_ibmea.train._memory import peak_memory

# What may be changed in a configuration without changing the models: where files are,
# and who encoded them.
_MOVED = (
    *("graphs", "links", "alone", "cache", "image_encoder", "name_encoder"),
    "continues",
)
# A refit differs in these from the run that it is a part of.
_REFIT, _OF_PART = "refit_0", ("part", "epochs", "iterative")
_SHOWN = 200  # Characters of a value in a message.


class RunFolder:
    """Files of one training: ``config.json``, ``metrics.jsonl``, ``metrics.json``,
    ``checkpoint.pt`` and the one before it, ``checkpoint.previous.pt``,
    ``alignment.tsv``, ``curves.png`` and, where there are any, ``pseudo_seeds.tsv``,
    ``clusters.tsv`` and ``answers.tsv``.

    Files are written to a temporary name and renamed, so that an interrupted write
    leaves the old file as it was. A file counts as written when it has reached the
    disk. What a killed process left half written is removed at the next start.

    Args:
        path (str or Path): The folder.
        config (dict): The configuration of the run, of JSON types.
        resume (bool, optional): Whether the folder may hold this run already.
            (default: :obj:`False`)
        files (dict, optional): Further texts by name of their file, such as what was
            dropped when the data were read; they are there before the first epoch.
            (default: none)

    Raises:
        FileExistsError: If the folder holds a run, or anything else, and ``resume`` is
            off.
        FileNotFoundError: If ``resume`` is on and there is no run.
        ValueError: If the run in the folder has another configuration.
        PermissionError: If the folder cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     run = RunFolder(Path(folder) / 'run', {'lr': 0.1})
        ...     run.path.exists()  # Only start() writes.
        False
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        config: Mapping[str, Any],
        resume: bool = False,
        files: Mapping[str, str] | None = None,
    ):
        self.path = Path(path)
        self.config = dict(config)
        self.resume = resume
        self.files = dict(files or {})
        self._check()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes from writing into the folder, by a file ``run.lock``;
        the folder is made if it does not exist, and removed if nothing was written.

        Raises:
            BlockingIOError: If another process writes into it.
        """
        new = [path for path in (self.path, *self.path.parents) if not path.exists()]
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with locked(self.path):
                self._check()  # Another may have been at work since.
                yield
        finally:
            with suppress(OSError):  # Something was written.
                for path in new:
                    path.rmdir()

    def start(self) -> dict[str, Any] | None:
        """Creates the folder, or reads the checkpoint of the training it holds.

        Returns:
            dict: The checkpoint; ``None`` if the training did not get that far, or is
            a new one.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.path)
        if not self.resume:
            self._write(CONFIG, json.dumps(self.config, indent=2) + "\n")
        for name, text in self.files.items():
            self._write(name, text)
        if not self.resume:
            return None
        checkpoint = self.load_checkpoint()
        if checkpoint is not None and "epoch" not in checkpoint:
            raise ValueError(
                f"{self.path} holds saved weights only and cannot be resumed; train "
                "into another folder"
            )
        done = 0 if checkpoint is None else checkpoint["epoch"]
        # Lines of later epochs will be computed again.
        lines = [line for line in self.read_metrics() if line["epoch"] <= done]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        if (self.path / HISTORY).exists():
            self._write(HISTORY, text)
        return checkpoint

    def part(self, name: str, **changes: Any) -> RunFolder:
        """A folder inside this one for another training of the same run, which resumes
        with it.

        Args:
            name (str): Name of the folder.
            **changes: Entries of the configuration that differ.
        """
        path = self.path / name
        resume = self.resume and (path / CONFIG).exists()
        return RunFolder(path, {**self.config, "part": name, **changes}, resume)

    def append_metrics(
        self,
        epoch: int,
        seconds: float,
        loss: Mapping[str, float],
        val: Mapping[str, float],
        weights: Mapping[str, float],
        information: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        """Adds the line of an evaluation to ``metrics.jsonl``.

        Args:
            epoch (int): Number of the epoch, from 1.
            seconds (float): Training time so far.
            loss (dict): Mean loss terms of the epoch.
            val (dict): Metrics of the validation pairs.
            weights (dict): Fusion weights by modality.
            information (dict, optional): What :func:`information_plane` returned.
        """
        line = {
            "epoch": epoch,
            "seconds": seconds,
            "loss": dict(loss),
            "val": dict(val),
            "weights": dict(weights),
            "information": dict(information or {}),
        }
        path = self.path / HISTORY
        with naming(path):
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            sync(path)  # Before the checkpoint that counts on it.

    def read_metrics(self) -> list[dict[str, Any]]:
        """The lines of ``metrics.jsonl``; a last line cut short is dropped.

        Raises:
            ValueError: If it was edited or damaged.
        """
        return read_history(self.path)

    def write_metrics(
        self,
        metrics: Mapping[str, Any],
        best_epoch: int,
        seconds: float,
        device: str | torch.device = "cpu",
    ) -> dict[str, Any]:
        """Writes the final ``metrics.json`` and returns what is in it.

        Args:
            metrics (dict): By part of the split and decoder.
            best_epoch (int): The epoch whose weights were kept.
            seconds (float): Training time, evaluations on validation pairs included.
            device (str or torch.device, optional): Where the models are.
                (default: :obj:`'cpu'`)
        """
        final = {
            **metrics,
            "best_epoch": best_epoch,
            "seconds": seconds,
            **peak_memory(device),
        }
        self._write(METRICS, json.dumps(final, indent=2) + "\n")
        return final

    def write_clusters(self, data: HeteroData, clusters: Clusters) -> None:
        """Writes ``clusters.tsv``: a line for each cluster with the URI of its entity
        in each graph (empty if there is none) and the least confidence of the matches
        that join it, 1 if all its pairs are known.

        Args:
            data (HeteroData): The problem.
            clusters (Clusters): The clusters, as node ids.
        """
        lines = ["\t".join([*map(field_of, clusters.graphs), "confidence"]) + "\n"]
        rows = zip(clusters.members.tolist(), clusters.score.tolist(), strict=True)
        for members, score in rows:
            uris = [
                field_of(data.uri[kg][node]) if node >= 0 else ""
                for kg, node in zip(clusters.graphs, members, strict=True)
            ]
            lines.append("\t".join([*uris, f"{min(score, 1.0):.6f}"]) + "\n")
        self._write("clusters.tsv", "".join(lines))

    def write_pairs(
        self, name: str, data: HeteroData, pairs: Mapping[Pair, Tensor]
    ) -> None:
        """Writes pairs of entities: source URI, target URI, names of the two graphs.

        Args:
            name (str): Name of the file, such as ``'pseudo_seeds.tsv'``.
            data (HeteroData): The problem.
            pairs (dict): By pair of graphs, node ids ``[2, L]``.
        """
        lines = ["source\ttarget\tsource_graph\ttarget_graph\n"]
        for (source, target), ids in pairs.items():
            graphs = f"{field_of(source)}\t{field_of(target)}"
            for i, j in ids.t().tolist():
                left, right = data.uri[source][i], data.uri[target][j]
                lines.append(f"{field_of(left)}\t{field_of(right)}\t{graphs}\n")
        self._write(name, "".join(lines))

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Writes ``checkpoint.pt``, with a checksum, and keeps the one before it as
        ``checkpoint.previous.pt``.

        Args:
            state (dict): Tensors, numbers, strings and containers of them, so that
                ``torch.load(..., weights_only=True)`` reads it.
        """
        write_checkpoint(self.path, {**state, "config": self.config})

    def load_checkpoint(self) -> dict[str, Any] | None:
        """Reads ``checkpoint.pt``, or ``checkpoint.previous.pt`` if only that is there;
        ``None`` if the run stopped before the first.

        Raises:
            ValueError: If the file is damaged or belongs to another configuration. The
                message says how to go on from the previous one.
        """
        path = latest_checkpoint(self.path)
        if path is None:
            return None
        try:
            state = read_checkpoint(path)
            config = state["config"]
        except (ValueError, KeyError) as error:
            raise ValueError(f"{error}; {way_out(path)}") from error
        if path.name == PREVIOUS:
            warnings.warn(
                f"{self.path} has no {CHECKPOINT}; the run goes on from {PREVIOUS}",
                stacklevel=2,
            )
        self._compare(config, path)
        return state

    def _check(self) -> None:
        holder = self.path
        while not holder.exists():
            holder = holder.parent
        if not holder.is_dir():
            raise FileExistsError(f"{holder} is a file; choose a folder to write to")
        if not os.access(holder, os.W_OK | os.X_OK):
            raise PermissionError(f"{holder} cannot be written; choose another folder")
        config = self.path / CONFIG
        if self.resume:
            if not config.exists():
                raise FileNotFoundError(
                    f"{self.path} holds no run to resume: it has no config.json"
                )
            self._compare(read_any_config(self.path), config)
        elif self._holds_something():
            what = "another run" if config.exists() else "other files"
            raise FileExistsError(
                f"{self.path} already holds {what}; choose another folder, or continue "
                "an interrupted run with --resume"
            )

    def _holds_something(self) -> bool:
        """Whether there is more than a lock and what a process left that was killed
        while it wrote the first file.
        """
        found = self.path.iterdir() if self.path.exists() else ()
        return not all(path.name == LOCK or is_leftover(path) for path in found)

    def _compare(self, found: Any, path: Path) -> None:
        different = _differences(found, self.config)
        if different:
            raise ValueError(
                f"{path} belongs to another configuration ({'; '.join(different)}); "
                "resume with the same options or choose another folder"
            )

    def _write(self, name: str, text: str) -> None:
        with replacing(self.path / name) as unfinished:
            unfinished.write_text(text, encoding="utf-8", newline="")


def refuse_if_edited(folder: Path) -> None:
    """Compares what ``config.json`` of a run says with what its checkpoint was trained
    with: options, shares and seeds, but not where files are and how matches are made,
    which may be changed.

    Raises:
        ValueError: If they differ; the message names the keys.
    """
    path = next(
        (p for p in (folder / _REFIT / CHECKPOINT, folder / CHECKPOINT) if p.exists()),
        None,
    )
    if path is None:
        return
    trained = read_checkpoint(path).get("config")
    if not isinstance(trained, Mapping):  # Weights that another program saved.
        return
    free = {*_MOVED, *(found.name for found in fields(DecodingOptions))}
    if path.parent != folder:
        free |= {*_OF_PART}
    told, known = (
        {key: value for key, value in given.items() if key not in free}
        for given in (read_any_config(folder), trained)
    )
    if different := _differences(told, known, "in the checkpoint"):
        raise ValueError(
            f"{folder / CONFIG} is not that of {path} ({'; '.join(different)}); "
            f"{RESTORE}"
        )


def _differences(
    found: Mapping[str, Any], wanted: Mapping[str, Any], then: str = "now"
) -> list[str]:
    """The entries of two configurations that differ, each with both values."""
    found, wanted = _comparable(found), _comparable(wanted)
    return [
        f"{_short(key)[1:-1]}: {_short(found.get(key))} there, "
        f"{_short(wanted.get(key))} {then}"
        for key in sorted({*found, *wanted})
        if found.get(key) != wanted.get(key)
    ]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _comparable(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with all options, each in its one form: version 0.1 wrote some as
    texts and did not know others, which were at their defaults.
    """
    try:
        options = Options.from_flat(config).flat()
    except (TypeError, ValueError):  # A custom loop may have its own meaning of a name.
        options = {}
    same: dict[str, Any] = json.loads(json.dumps({**config, **options}))
    return same
