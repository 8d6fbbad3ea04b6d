"""The training loop."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Decoder
from pyg_ibmea.nn import IBMEAOutput
from pyg_ibmea.problem import Pair, links_of, pair_problems, seed_pairs
from pyg_ibmea.train import processes
from pyg_ibmea.train._diagnostics import Diagnostics
from pyg_ibmea.train._exchange import gather_output, shares, sum_gradients
from pyg_ibmea.train._figures import mean_figures
from pyg_ibmea.train._information import information_plane
from pyg_ibmea.train._interrupt import InterruptGuard
from pyg_ibmea.train._memory import release_freed_memory
from pyg_ibmea.train._progress import Progress
from pyg_ibmea.train._team import team
from pyg_ibmea.train.batches import seed_batches
from pyg_ibmea.train.evaluation import evaluate
from pyg_ibmea.train.objective import Objective
from pyg_ibmea.train.options import Options
from pyg_ibmea.train.proposals import propose_pairs
from pyg_ibmea.train.state import TrainingState

# Of the time of a training, for checkpoints between evaluations.
_SHARE_FOR_CHECKPOINTS = 0.02


class Log(Protocol):
    """Where a training writes: a :class:`~pyg_ibmea.train.RunFolder`, or memory."""

    @property
    def path(self) -> Path | None:
        """The run folder, if there is one."""

    def start(self) -> dict[str, Any] | None:
        """Begins, or returns the checkpoint to resume from."""

    def part(self, name: str, **changes: Any) -> Log:
        """Where another training of the same run writes."""

    def append_metrics(
        self,
        epoch: int,
        seconds: float,
        loss: Mapping[str, float],
        val: Mapping[str, float],
        weights: Mapping[str, float],
        information: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        """Adds the line of an evaluation."""

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Keeps all that a resumed training needs."""


class Training:
    """One training: what is learned, from what, and how far it has come.

    Args:
        data (HeteroData): The problem, on the device of the model.
        model (Module): The model.
        objective (Objective): What is minimised.
        options (Options): The options.
        log (Log): Where the training is written.
        decoder (Decoder, optional): What the validation pairs are judged by.
            (default: CSLS)
        progress (bool, optional): Whether to show progress. (default: :obj:`True`)
    """

    def __init__(
        self,
        data: HeteroData,
        model: Module,
        objective: Objective,
        options: Options,
        log: Log,
        decoder: Decoder | None = None,
        progress: bool = True,
    ):
        self.data = data
        self.seeds = seed_pairs(data)
        self.options = options
        self.objective = objective
        if team() is not None and getattr(objective.hybrid, "gather", False):
            raise ValueError(
                "the processes of this training gather the pairs of a batch already; "
                "give a loss without gather=True"
            )
        self.log = log
        self.decoder = decoder or options.decoding.csls
        self.progress = progress
        extra = objective.parameters()
        self.state = TrainingState.create(model, options, extra)
        self.diagnostics = Diagnostics(objective.beta)
        self.graph: object | None = None
        self.interrupt = InterruptGuard(self._done)
        # Epochs done by the last checkpoint, when it was written, and how long it took.
        self._kept, self._kept_at, self._keeping = 0, time.monotonic(), 0.0

    def begin_with(self, pseudo_seeds: Mapping[Pair, Tensor]) -> None:
        """Adopts pairs from the start: long ``[2, L]`` by pair of graphs."""
        self.state.pseudo_seeds.begin(pseudo_seeds, self.seeds)
        self._share_pseudo_seeds()

    def run(self) -> TrainingState:
        """Trains up to the last epoch, from the start or from a checkpoint.

        Without validation pairs the weights of the last epoch are kept.

        Returns:
            TrainingState: Its model has the weights that were kept.

        Raises:
            Stopped: If it was interrupted.
        """
        state, config = self.state, self.options.training
        checkpoint = processes.by_first(self.log.start)
        if checkpoint is not None:
            state.load_state_dict(checkpoint)
            self.objective.load_state_dict(checkpoint.get("objective", {}))
        else:
            processes.same_weights(state.model, state.average, self.objective)
        self.graph = graph_of(state.model, self.data)
        began = time.monotonic() - state.seconds
        self._kept, self._kept_at = state.epoch, time.monotonic()
        progress = Progress(config.epochs, state.epoch, silent=not self.progress)
        selects = any(links_of(p, "val").size(1) for _, p in pair_problems(self.data))
        with self.interrupt, closing(progress):
            while state.epoch < config.epochs:
                state.epoch += 1
                if self.options.pseudo_seeds.before(state.epoch):
                    self.propose()
                losses = self.train_epoch()
                state.update_average()
                progress.update(losses)
                state.seconds = time.monotonic() - began
                if state.epoch % config.eval_every == 0 or state.epoch == config.epochs:
                    if state.epoch > config.warmup_epochs:
                        warn(self.diagnostics.check(losses))
                    if selects:
                        hits = self.validate(losses)
                        progress.evaluated(state.epoch, losses, hits, state.best_epoch)
                    else:
                        state.offer(state.epoch)
                    state.seconds = time.monotonic() - began
                    self._save()
                elif self._may_save():
                    self._save()
                self.interrupt.check()
        state.finish()
        return state

    def propose(self) -> None:
        """Lets the averaged model propose pairs; those adopted count as seed pairs."""
        threshold = self.options.pseudo_seeds.threshold_before(self.state.epoch)
        options = (threshold, self.options.decoding.sinkhorn, self.graph)
        proposals = processes.by_first(
            lambda: {
                pair: propose_pairs(self.state.average, problem, *options).cpu()
                for pair, problem in pair_problems(self.data)
            }
        )
        adopted = self.state.pseudo_seeds.update(proposals, self.seeds)
        warn(self.diagnostics.check_pseudo_seeds(adopted))
        self._share_pseudo_seeds()

    def train_epoch(self) -> dict[str, float]:
        """One pass over the seed pairs: the mean of each loss term."""
        release_freed_memory()  # Of proposals and validation, which come between.
        state, config = self.state, self.options.training
        with processes.same_draws():
            batches = self._batches()
        names: list[str] = []
        values: list[Tensor] = []
        state.model.train()
        for pair, chosen in batches:
            self.interrupt.check()
            output = self._encode(pair, chosen)
            loss, terms = self.objective(output, pair, state.epoch)
            state.optimizer.zero_grad()
            loss.backward()
            if (own := team()) is not None:
                weights = state.model.parameters()
                sum_gradients(weights, self.objective.parameters(), own)
            if config.clip_norm:
                torch.nn.utils.clip_grad_norm_(
                    state.model.parameters(), config.clip_norm
                )
            state.optimizer.step()
            names += ["total", *terms]
            values += [loss.detach(), *terms.values()]
        state.scheduler.step()
        mean: dict[str, float] = {}
        for name, value in zip(names, _numbers(values), strict=True):
            mean[name] = mean.get(name, 0.0) + value / len(batches)
        return mean

    def _encode(self, pair: Pair, chosen: Tensor) -> IBMEAOutput:
        """The model's output for a batch of seed pairs, long ``[2, B]``; of several
        processes, each encodes its share.
        """
        whole = dict(zip(pair, chosen, strict=True))
        withheld: Any = self.options.training.withhold > 0
        own = team()
        if own is None:
            output: IBMEAOutput = self.state.model(
                self.data, whole, self.graph, withhold=withheld
            )
            return output
        parts = shares(chosen, own.count)
        entities = dict(zip(pair, parts[own.rank], strict=True))
        withheld = whole if withheld else False
        output = self.state.model(self.data, entities, self.graph, withhold=withheld)
        return gather_output(output, pair, [part.size(1) for part in parts], own)

    def validate(self, losses: Mapping[str, float]) -> float:
        """Hits@1 of the validation pairs; the weights are kept if their MRR is best.
        With several pairs of graphs, these are means over them.
        """
        state = self.state
        asked = [p for _, p in pair_problems(self.data) if links_of(p, "val").size(1)]
        val = processes.by_first(lambda: self._judge(asked))
        state.offer(val["mrr"])
        if processes.rank() == 0:
            options = ("val", self.graph)
            planes = [information_plane(state.average, p, *options) for p in asked]
            self.log.append_metrics(
                *(state.epoch, state.seconds, losses, val),
                fusion_weights(state.average),
                mean_figures(planes),
            )
        return float(val["hits@1"])

    def _judge(self, asked: Sequence[HeteroData]) -> dict[str, float]:
        """The figures of the validation pairs, a mean over pairs of graphs."""
        # Among all unaligned entities: harder than among the counterparts alone.
        options = ([self.decoder], "unaligned", self.graph)
        figures = [evaluate(self.state.average, p, "val", *options) for p in asked]
        return mean_figures([found[self.decoder.name]["mean"] for found in figures])

    def _batches(self) -> list[tuple[Pair, Tensor]]:
        """Seed pairs and pseudo-seeds, each in one batch.

        With several pairs of graphs, the batches are shuffled and some are left out, as
        some pairs of graphs follow from others: K graphs take as many steps as K - 1
        pairs of them.
        """
        config, found = self.options.training, []
        seeds = self.seeds
        for pair, links in seeds.items():
            pseudo_seeds = self.state.pseudo_seeds.of(pair)
            pseudo_seeds = pseudo_seeds.to(links.device, non_blocking=True)
            links = torch.cat([links, pseudo_seeds], dim=1)
            if links.size(1):
                options = (config.batch_size, config.withhold)
                numbers = seed_batches(links.size(1), *options)
                shuffled = torch.cat(numbers).to(links.device, non_blocking=True)
                sizes = [batch.numel() for batch in numbers]
                found += [(pair, part) for part in links[:, shuffled].split(sizes, 1)]
        if len(seeds) == 1:
            return found
        graphs = {name for pair in seeds for name in pair}
        steps = round(len(found) * min(1.0, (len(graphs) - 1) / len(seeds)))
        order = torch.randperm(len(found)).tolist()
        return [found[i] for i in order][: max(1, steps)]

    def _share_pseudo_seeds(self) -> None:
        """Lets the pairs that were adopted share their embeddings, as seed pairs do."""
        model: Any = self.state.model
        shares = self.options.model.share_seeds and hasattr(model, "share")
        # An IBMEA without the graph modality has no embeddings.
        if not shares or getattr(model, "embedding", True) is None:
            return
        device = next(model.parameters()).device
        pairs = [
            dict(zip(pair, ids.to(device), strict=True))
            for pair, ids in self.state.pseudo_seeds.pairs.items()
        ]
        average: Any = self.state.average
        for member in (model, average):
            member.share(*pairs)

    def _save(self) -> None:
        began = time.monotonic()
        checkpoint = self.state.state_dict()
        if learned := self.objective.state_dict():
            checkpoint["objective"] = learned
        self.log.save_checkpoint(checkpoint)
        self._kept, self._kept_at = self.state.epoch, time.monotonic()
        self._keeping = self._kept_at - began

    def _may_save(self) -> bool:
        """Whether an epoch without an evaluation is kept, too: an interrupt then costs
        less than an epoch wherever epochs take long.
        """
        since = time.monotonic() - self._kept_at
        return self._keeping <= _SHARE_FOR_CHECKPOINTS * since

    def _done(self) -> str:
        """What a resumed training does not do again."""
        where = "" if self.log.path is None else f" of {self.log.path}"
        return f"epoch {self._kept}{where}"


def _numbers(values: Sequence[Tensor]) -> list[float]:
    """Scalars of a device, for which it is waited once."""
    if not values:
        return []
    numbers: list[float] = torch.stack([v.reshape(()) for v in values]).tolist()
    return numbers


def graph_of(model: Any, data: HeteroData) -> object | None:
    """What a model passes messages over, to be built only once; ``None`` for a model
    that does not tell.
    """
    return model.graph_of(data) if hasattr(model, "graph_of") else None


def fusion_weights(model: Any) -> dict[str, float]:
    """The weight of each modality; empty for a model that does not tell."""
    fusion = getattr(model, "fusion", None)
    return {} if fusion is None else dict(fusion.weights())


def warn(messages: Iterable[str]) -> None:
    """Warns with each message."""
    for message in messages:
        warnings.warn(message, stacklevel=2)
