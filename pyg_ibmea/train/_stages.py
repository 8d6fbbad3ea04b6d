"""From a problem to trained models: the first training, twins and refits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric import seed_everything
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Decoder
from pyg_ibmea.options import Options
from pyg_ibmea.problem import (
    Pair,
    add_validation_pairs,
    linked_pairs,
    pair_problems,
)
from pyg_ibmea.train._estimate import estimate
from pyg_ibmea.train._progress import Planned, Progress
from pyg_ibmea.train._training import Log, Training, has_validation_pairs
from pyg_ibmea.train.metric_loggers import Loggers
from pyg_ibmea.train.objective import Objective
from pyg_ibmea.train.proposals import outside_seed_pairs
from pyg_ibmea.train.state import TrainingState

_LEARNING = "learning from all known pairs"


@dataclass
class Trained:
    """What the trainings of a run resulted in.

    Attributes:
        judged (list): Those that did not learn from the validation pairs, which judge
            them.
        final (list): Those whose models are joined for the matches.
    """

    judged: list[TrainingState]
    final: list[TrainingState]

    @property
    def seconds(self) -> float:
        """The training time of all, each counted once."""
        each = {id(state): state for state in (*self.judged, *self.final)}.values()
        return sum(state.seconds for state in each)


@dataclass
class Stages:
    """All trainings of a run.

    The first chooses its epoch on the validation pairs. If there are ``refits``, they
    learn from the validation pairs, too, and end at the epoch that was chosen. With
    pseudo-seeds, they start from those of the chosen epoch, so that the new model never
    learns from wrong pairs that were dropped. As such a refit differs from the first
    training, it has a twin that does not learn from the validation pairs, takes
    ``refit_epochs`` epochs and is judged by them: the refit ends at the epoch at which
    its twin was best. Without validation pairs there is nothing to judge: no twin is
    trained, and a refit takes ``refit_epochs`` epochs.

    Args:
        data (HeteroData): The problem, on the device.
        options (Options): The options.
        log (Log): Where the run is written.
        make_model (callable): A new model of a problem.
        make_objective (callable): A new objective for a model.
        seed (int): Seed of the first model.
        device (torch.device): Where to train.
        decoder (Decoder, optional): What the validation pairs are judged by.
            (default: CSLS)
        progress (bool, optional): Whether to show progress on standard error.
            (default: :obj:`True`)
        begin (dict, optional): By pair of graphs, pseudo-seeds that the first training
            starts with, long ``[2, L]``. (default: none)
        loggers (Loggers, optional): Who else is told the figures. (default: nobody)

    Attributes:
        told (Progress): What is told; the matches are yet to be told of.
    """

    data: HeteroData
    options: Options
    log: Log
    make_model: Callable[[HeteroData], Module]
    make_objective: Callable[[Module], Objective]
    seed: int
    device: torch.device
    decoder: Decoder | None = None
    progress: bool = True
    begin: Mapping[Pair, Tensor] | None = None
    loggers: Loggers = field(default_factory=Loggers)
    told: Progress = field(default_factory=lambda: Progress([]), init=False)

    def run(self) -> Trained:
        """Runs all trainings.

        Returns:
            Trained: The models.

        Raises:
            Stopped: If it was interrupted.
        """
        options = self.options
        self.told = self._planned()
        first = self._train(self.data, options, self.log, self.seed, self.begin)
        if not options.training.refits:
            return Trained([first], [first])
        known = add_validation_pairs(self.data)
        numbers, judged = range(options.training.refits), [first]
        epochs = [first.best_epoch] * len(numbers)
        found = begin = None
        if options.pseudo_seeds.iterative:
            found = best_pseudo_seeds(first, self.data)
            begin = {
                pair: outside_seed_pairs(problem, found[pair])
                for pair, problem in pair_problems(known)
            }
            epochs = [options.training.refit_epochs] * len(numbers)
        if has_twins(self.data, options):
            judged = [
                self._again(self.data, "judged", i, epochs[i], found) for i in numbers
            ]
            epochs = [twin.best_epoch for twin in judged]
            judged[0].seconds += first.seconds
        final = [self._again(known, "refit", i, epochs[i], begin) for i in numbers]
        return Trained(judged, final)

    def _planned(self) -> Progress:
        """All trainings to come, for whoever waits for them."""
        training = self.options.training
        judges = has_validation_pairs(self.data)
        first = "choosing the best epoch" if judges else _LEARNING
        plan = [Planned(first, training.epochs)]
        iterative = self.options.pseudo_seeds.iterative
        epochs = training.refit_epochs if iterative else training.epochs
        if has_twins(self.data, self.options):
            plan += [Planned("judging on validation pairs", epochs)] * training.refits
        plan += [Planned(_LEARNING, epochs)] * training.refits
        matching = 0.0
        if self.progress:
            matching = estimate(self.data, self.options).matching_epochs
        # On standard error: standard output may be JSON.
        return Progress(plan, matching, silent=not self.progress)

    def _again(
        self,
        data: HeteroData,
        name: str,
        number: int,
        epochs: int,
        pseudo_seeds: Mapping[Pair, Tensor] | None,
    ) -> TrainingState:
        changes = {"epochs": epochs, "iterative": False}
        log = self.log.part(f"{name}_{number}", **changes)
        options = self.options.replace(**changes)
        how = (options, log, self.seed + number, pseudo_seeds)
        return self._train(data, *how, f"{name}_{number}")

    def _train(
        self,
        data: HeteroData,
        options: Options,
        log: Log,
        seed: int,
        pseudo_seeds: Mapping[Pair, Tensor] | None = None,
        name: str = "",
    ) -> TrainingState:
        seed_everything(seed)
        model = self.make_model(data).to(self.device)
        objective = self.make_objective(model).to(self.device)
        training = Training(
            *(data, model, objective, options, log, self.decoder, self.told),
            loggers=self.loggers,
            name=name,
        )
        if pseudo_seeds is not None:
            training.begin_with(pseudo_seeds)
        return training.run()


def parts_of(data: HeteroData, options: Options) -> dict[str, tuple[HeteroData, bool]]:
    """The trainings whose models are kept, by the name of their folder inside the run
    folder (``''`` for the first): what each learned from, and whether the validation
    pairs judge it.
    """
    numbers = range(options.training.refits)
    parts = {"": (data, True)}
    if has_twins(data, options):
        parts = {f"judged_{i}": (data, True) for i in numbers}
    known = add_validation_pairs(data)
    return {**parts, **{f"refit_{i}": (known, False) for i in numbers}}


def has_twins(data: HeteroData, options: Options) -> bool:
    """Whether the refits differ from the first training in more than the validation
    pairs, and there are some to judge that by.
    """
    some = options.pseudo_seeds.iterative and options.training.refits > 0
    return some and has_validation_pairs(data)


def best_pseudo_seeds(state: TrainingState, data: HeteroData) -> dict[Pair, Tensor]:
    """The pseudo-seeds of the best epoch, by pair of graphs; there may be none yet."""
    none = torch.empty(2, 0, dtype=torch.long)
    return {p: state.best_pseudo_seeds.get(p, none) for p in linked_pairs(data)}
