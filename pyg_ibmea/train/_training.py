"""The training loop."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Decoder
from pyg_ibmea.align.decoders import Similarity
from pyg_ibmea.large import LARGE
from pyg_ibmea.nn import IBMEAOutput
from pyg_ibmea.options import Options
from pyg_ibmea.problem import (
    Pair,
    alignment_pair,
    entity_counts,
    links_between,
    links_of,
    pair_problems,
    seed_pairs,
    unaligned_entities,
)
from pyg_ibmea.train import processes
from pyg_ibmea.train._diagnostics import Diagnostics
from pyg_ibmea.train._exchange import (
    gather_output,
    shares,
    sum_gradients,
    without_last,
)
from pyg_ibmea.train._figures import mean_figures
from pyg_ibmea.train._information import information_plane
from pyg_ibmea.train._interrupt import InterruptGuard
from pyg_ibmea.train._memory import release_freed_memory
from pyg_ibmea.train._part_ranks import Round
from pyg_ibmea.train._parts import Parts, Step
from pyg_ibmea.train._progress import Progress
from pyg_ibmea.train._tables import Tables
from pyg_ibmea.train._team import team
from pyg_ibmea.train.batches import seed_batches
from pyg_ibmea.train.decoding import check_search, csls_of, sinkhorn_of, value_bonus
from pyg_ibmea.train.encoding import takes_all
from pyg_ibmea.train.evaluation import (
    encode_sides,
    evaluate,
    evaluate_queries,
    unaligned_similarity,
)
from pyg_ibmea.train.metric_loggers import Loggers
from pyg_ibmea.train.objective import Objective
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


def has_validation_pairs(data: HeteroData) -> bool:
    """Whether there are pairs that choose the epoch."""
    return any(links_of(problem, "val").size(1) for _, problem in pair_problems(data))


@contextmanager
def _closed_if_it_fails(progress: Progress) -> Iterator[None]:
    """Ends the line of a bar before an error is told."""
    try:
        yield
    except BaseException:
        progress.close()
        raise


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
        progress (bool or Progress, optional): Whether to show progress, or the
            progress of the run that the training is a part of. (default: :obj:`True`)
        loggers (Loggers, optional): Who else is told the figures. (default: nobody)
        name (str, optional): What they call the training. (default: :obj:`''`)
    """

    def __init__(
        self,
        data: HeteroData,
        model: Module,
        objective: Objective,
        options: Options,
        log: Log,
        decoder: Decoder | None = None,
        progress: bool | Progress = True,
        loggers: Loggers | None = None,
        name: str = "",
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
        check_search(data, options.decoding)
        self.log = log
        self.decoder = decoder or csls_of(options.decoding)
        self.progress = progress
        self.loggers = Loggers() if loggers is None else loggers
        self.name = name
        extra = objective.parameters()
        self.parts = Parts.of(model, data, options.training.parts)
        tables, slower = None, 1.0
        if self.parts is not None:
            numbers = [links.size(1) for links in self.seeds.values()]
            slower = self.parts.slower(numbers, options.training)
            tables = Tables(log.path)
        self.state = TrainingState.create(model, options, extra, tables, slower)
        self.diagnostics = Diagnostics(objective.beta)
        self.graph: object | None = None
        # Of the average as it is: validation leaves them to the proposals that follow.
        self._unaligned: dict[Pair, Similarity | None] = {}
        # Of all problems whose entities have been compared.
        self._values: dict[Pair, Tensor | None] = {}
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
        checkpoint = processes.state_by_first(self.log.start)
        if checkpoint is not None:
            state.load_state_dict(checkpoint)
            self.objective.load_state_dict(checkpoint.get("objective", {}))
        else:
            processes.same_weights(state.model, state.average, self.objective)
        self.graph = graph_of(state.model, self.data)
        self._cut()
        began = time.monotonic() - state.seconds
        self._kept, self._kept_at = state.epoch, time.monotonic()
        progress = self.progress
        alone = isinstance(progress, bool)
        if isinstance(progress, bool):
            progress = Progress.of_one(config.epochs, silent=not progress)
        progress.begin(config.epochs, state.epoch)
        selects = has_validation_pairs(self.data)
        with self.interrupt, _closed_if_it_fails(progress):
            while state.epoch < config.epochs and not self._has_waited():
                state.epoch += 1
                if self.options.pseudo_seeds.before(state.epoch):
                    progress.clear()
                    self.propose()
                losses = self.train_epoch()
                state.update_average()
                progress.update(losses)
                state.seconds = time.monotonic() - began
                if state.epoch % config.eval_every == 0 or state.epoch == config.epochs:
                    if state.epoch > config.warmup_epochs:
                        progress.clear()
                        warn(self.diagnostics.check(losses))
                    if selects:
                        hits = self.validate(losses)
                        progress.evaluated(state.epoch, losses, hits, state.best_epoch)
                    else:
                        state.offer(state.epoch)
                        self._tell_loggers(losses, {})
                    state.seconds = time.monotonic() - began
                    self._save()
                elif self._may_save():
                    self._save()
                self.interrupt.check()
        progress.end()
        if alone:
            progress.close()
        state.finish()
        return state

    def _tell_loggers(
        self, losses: Mapping[str, float], val: Mapping[str, float]
    ) -> None:
        if processes.rank() == 0 and self.loggers.loggers:
            weights = fusion_weights(self.state.average)
            self.loggers.log(self.name, self.state.epoch, losses, val, weights)

    def _has_waited(self) -> bool:
        """Whether the validation pairs have seen nothing better for long enough."""
        patience, state = self.options.training.patience, self.state
        proposals = self.options.pseudo_seeds
        since = state.best_epoch
        if proposals.iterative:  # From which on the best may still come.
            since = max(since, proposals.propose_from)
        waited = state.epoch - since
        return 0 < patience * self.options.training.eval_every <= waited

    def propose(self) -> None:
        """Lets the averaged model propose pairs; those adopted count as seed pairs."""
        threshold = self.options.pseudo_seeds.threshold_before(self.state.epoch)
        options = (threshold, sinkhorn_of(self.options.decoding), self.graph)
        known, self._unaligned = self._unaligned, {}
        problems = dict(pair_problems(self.data))
        known |= self._searched_jointly(
            {pair: p for pair, p in problems.items() if pair not in known}
        )
        proposals = processes.by_first(
            lambda: {
                pair: propose_pairs(
                    *(self.state.average, problem, *options),
                    known.pop(pair, None) or self._similarity(problem),
                ).cpu()
                for pair, problem in problems.items()
            }
        )
        adopted = self.state.pseudo_seeds.update(proposals, self.seeds)
        warn(self.diagnostics.check_pseudo_seeds(adopted))
        self._share_pseudo_seeds()
        self._cut()

    def train_epoch(self) -> dict[str, float]:
        """One pass over the seed pairs: the mean of each loss term."""
        release_freed_memory()  # Of proposals and validation, which come between.
        state, config = self.state, self.options.training
        names: list[str] = []
        values: list[Tensor] = []
        state.model.train()
        for step in self._steps():
            self.interrupt.check()
            if step.is_idle:
                state.optimizer.zero_grad()
            else:
                output, alone, number = self._encode(step)
                more = () if alone is None else (alone, number)
                loss, terms = self.objective(output, step.pair, state.epoch, *more)
                state.optimizer.zero_grad()
                loss.backward()
                names += ["total", *terms]
                values += [loss.detach(), *terms.values()]
            if step.round is not None:
                self._step_at_once(step, step.round)
                continue
            if (own := team()) is not None:
                weights = step.model.parameters()
                sum_gradients(weights, self.objective.parameters(), own)
            if config.clip_norm:
                torch.nn.utils.clip_grad_norm_(
                    step.model.parameters(), config.clip_norm
                )
            state.step(step.rows)
        state.scheduler.step()
        told = list(zip(names, _numbers(values), strict=True))
        if self._at_once() and (own := team()) is not None:
            told = [one for each in own.gather(told) for one in each]  # type: ignore
        mean: dict[str, float] = {}
        steps = sum(name == "total" for name, _ in told)
        for name, value in told:
            mean[name] = mean.get(name, 0.0) + value / steps
        return mean

    def _at_once(self) -> bool:
        """Whether every process has a part of its own in a step."""
        return self.parts is not None and self.parts.at_once > 1

    def _step_at_once(self, step: Step, now: Round) -> None:
        """A step of all processes, with what each learned from its part."""
        table = now.optimizer.table
        encoders = [
            p
            for p in self.state.model.parameters()
            if p.requires_grad and p.data_ptr() != table.data_ptr()
        ]
        more = [p for p in self.objective.parameters() if p.requires_grad]
        most = self.options.training.clip_norm
        seen = now.exchange(step.number, [*encoders, *more], len(encoders), most)
        self.state.step(step.rows, seen)

    def _encode(self, step: Step) -> tuple[IBMEAOutput, Tensor | None, int]:
        """The model's output for the batch of a step; of several processes, each
        encodes its share. With it, the fused vectors of entities that are known to have
        no counterpart, of this process, and how many all processes have.
        """
        whole = dict(zip(step.pair, step.links, strict=True))
        withheld: Any = self.options.training.withhold > 0
        lonely = self._alone(step)
        own = team()
        if step.round is not None:  # The step is this process's own.
            own = None
        entities = whole
        if own is not None:
            parts = shares(step.links, own.count)
            entities = dict(zip(step.pair, parts[own.rank], strict=True))
        mine = lonely
        if lonely is not None:
            mine = lonely if own is None else lonely[own.rank :: own.count]
            first = step.pair[0]
            entities = entities | {first: torch.cat([entities[first], mine])}
            whole = whole | {first: torch.cat([whole[first], lonely])}
        if own is not None:
            withheld = whole if withheld else False
        output: IBMEAOutput = step.model(
            step.data, entities, step.graph, withhold=withheld
        )
        alone = None
        if mine is not None:
            output, alone = without_last(output, step.pair[0], mine.numel())
        if own is not None:
            sizes = [part.size(1) for part in parts]
            output = gather_output(output, step.pair, sizes, own)
        return output, alone, 0 if lonely is None else lonely.numel()

    def _alone(self, step: Step) -> Tensor | None:
        """Source entities of the step that are known to have no counterpart, as many as
        the step has pairs at most; ``None`` if there are none to learn from.
        """
        links = links_between(step.data, step.pair)
        if not self.objective.alone_weight or "dangling" not in links:
            return None
        known: Tensor = links.dangling[links.dangling_part == 0]
        if not known.numel():
            return None
        same = processes.same_draws() if step.round is None else nullcontext()
        with same:
            drawn = torch.randperm(known.numel())[: step.links.size(1)]
        return known[drawn.to(known.device)]

    def validate(self, losses: Mapping[str, float]) -> float:
        """Hits@1 of the validation pairs; the weights are kept if their MRR is best.
        With several pairs of graphs, these are means over them.
        """
        state = self.state
        asked = {
            pair: problem
            for pair, problem in pair_problems(self.data)
            if links_of(problem, "val").size(1)
        }
        known: dict[Pair, Similarity | None] = {}
        if self._proposes_next():
            known = self._unaligned = self._searched_jointly(asked)
        elif processes.count() > 1:
            known = self._encoded_jointly(asked)
        val = processes.by_first(lambda: self._judge(asked, known))
        state.offer(val["mrr"])
        self._tell_loggers(losses, val)
        if processes.rank() == 0:
            options = ("val", self.graph)
            # Of a large problem, all latents at once would be more than all else.
            is_large = sum(entity_counts(self.data).values()) > LARGE
            planes = [
                {} if is_large else information_plane(state.average, p, *options)
                for p in asked.values()
            ]
            self.log.append_metrics(
                *(state.epoch, state.seconds, losses, val),
                fusion_weights(state.average),
                mean_figures(planes),
            )
        return float(val["hits@1"])

    def _judge(
        self, asked: Mapping[Pair, HeteroData], known: dict[Pair, Similarity | None]
    ) -> dict[str, float]:
        """The figures of the validation pairs, a mean over pairs of graphs."""
        if self._proposes_next():
            rest = {pair: p for pair, p in asked.items() if pair not in known}
            known |= self._unaligned_similarities(rest)
        figures = [
            self._judged(problem, known.get(pair)) for pair, problem in asked.items()
        ]
        return mean_figures(figures)

    def _judged(
        self, problem: HeteroData, known: Similarity | None
    ) -> dict[str, float]:
        """The figures of the validation pairs of two graphs, a mean over directions.
        Ranks are among all unaligned entities: harder than among the counterparts
        alone.
        """
        average, options = self.state.average, self.options.decoding
        if not self._is_searched(problem):
            bonus = self._values_of(problem)
            how = ([self.decoder], "unaligned", self.graph, bonus, known)
            found = evaluate(average, problem, "val", *how)[self.decoder.name]
        else:
            asked = (self.decoder, self.graph, options.eval_queries, known)
            found = evaluate_queries(average, problem, "val", *asked)
        mean: dict[str, float] = found["mean"]
        return mean

    def _proposes_next(self) -> bool:
        epoch = self.state.epoch + 1
        later = epoch <= self.options.training.epochs
        return later and self.options.pseudo_seeds.before(epoch)

    def _unaligned_similarities(
        self, problems: Mapping[Pair, HeteroData]
    ) -> dict[Pair, Similarity]:
        """The cosines of the unaligned entities, with the candidates of the proposals,
        among which CSLS finds its nearest, too.
        """
        found = {}
        for pair, problem in problems.items():
            similarity = self._similarity(problem)
            if similarity is not None:
                found[pair] = similarity
                sinkhorn_of(self.options.decoding).candidates(similarity)
        return found

    def _searched_jointly(
        self, problems: Mapping[Pair, HeteroData]
    ) -> dict[Pair, Similarity | None]:
        """The same by several processes, of the problems whose candidates are searched;
        ``None`` in all processes but the first.
        """
        if processes.count() == 1:
            return {}
        with processes.jointly():
            return {
                pair: self._similarity(problem)
                for pair, problem in problems.items()
                if self._is_searched(problem)
            }

    def _encoded_jointly(
        self, problems: Mapping[Pair, HeteroData]
    ) -> dict[Pair, Similarity | None]:
        """The embeddings alone, for queries."""
        found: dict[Pair, Similarity | None] = {}
        for pair, problem in problems.items():
            if not self._is_searched(problem):
                continue
            entities = unaligned_entities(problem, ("train",))
            with processes.jointly():
                z = encode_sides(self.state.average, problem, entities, self.graph)
            found[pair] = Similarity(*z) if processes.rank() == 0 else None
        return found

    def _is_searched(self, problem: HeteroData) -> bool:
        """Whether not all pairs of unaligned entities are candidates."""
        source, target = map(len, unaligned_entities(problem, ("train",)))
        options = self.options.decoding
        return not takes_all((source, target), options.search, options.num_candidates)

    def _similarity(self, problem: HeteroData) -> Similarity | None:
        options = self.options.decoding
        how = (options.search, options.num_candidates, self._values_of(problem))
        return unaligned_similarity(self.state.average, problem, self.graph, *how)

    def _values_of(self, problem: HeteroData) -> Tensor | None:
        """What attribute values add to the cosines of two graphs."""
        pair = alignment_pair(problem)
        if pair not in self._values:
            self._values[pair] = value_bonus(problem, self.options.decoding)
        return self._values[pair]

    def _steps(self) -> Iterator[Step]:
        """The steps of an epoch."""
        state, links = self.state, self._links()
        if self.parts is not None and state.rows is not None:
            own = team()
            if self._at_once() and own is not None:
                asked = (links, self._batches, own)
                yield from self.parts.steps_at_once(state.model, state.rows, *asked)
                return
            made = (links, self._batches_of_all)
            yield from self.parts.steps(state.model, state.rows, *made)
            return
        for pair, chosen in self._batches_of_all(links):
            yield Step(state.model, self.data, self.graph, pair, chosen)

    def _links(self) -> dict[Pair, Tensor]:
        """Seed pairs and pseudo-seeds, by pair of graphs."""
        found = {}
        for pair, links in self.seeds.items():
            pseudo_seeds = self.state.pseudo_seeds.of(pair)
            pseudo_seeds = pseudo_seeds.to(links.device, non_blocking=True)
            found[pair] = torch.cat([links, pseudo_seeds], dim=1)
        return found

    def _batches_of_all(
        self, seeds: Mapping[Pair, Tensor]
    ) -> list[tuple[Pair, Tensor]]:
        """The batches, which are the same in all processes."""
        with processes.same_draws():
            return self._batches(seeds)

    def _batches(self, seeds: Mapping[Pair, Tensor]) -> list[tuple[Pair, Tensor]]:
        """Seed pairs and pseudo-seeds, each in one batch.

        With several pairs of graphs, the batches are shuffled and some are left out, as
        some pairs of graphs follow from others: K graphs take as many steps as K - 1
        pairs of them.
        """
        config, found = self.options.training, []
        for pair, links in seeds.items():
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

    def _cut(self) -> None:
        """Makes the parts, in which pseudo-seeds stay together as seed pairs do."""
        if self.parts is not None:
            self.parts.cut(self.state.pseudo_seeds.pairs)

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
