"""Everything that a resumed training needs to continue bit for bit."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, Parameter
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from pyg_ibmea.options import Options
from pyg_ibmea.problem import Pair
from pyg_ibmea.train._row_adamw import RowAdamW, Rows
from pyg_ibmea.train._schedule import warmup_cosine
from pyg_ibmea.train._tables import Tables
from pyg_ibmea.train.pseudo_seeds import JointPseudoSeeds

# The table of embeddings in the weights of a model.
_TABLE = "embedding.weight"


@dataclass
class TrainingState:
    """The moving parts of a training.

    Args:
        model (Module): The model.
        optimizer (torch.optim.Optimizer): Its optimiser.
        scheduler (LRScheduler): The schedule of the learning rate.
        average (Module): A copy of the model that holds the moving average
            of its weights over epochs.
        decay (float): Decay of that average.
        epoch (int): Epochs done.
        seconds (float): Time spent so far, over all sessions.
        best_epoch (int): The epoch with the best validation metric; 0 for none.
        best_value (float): That metric.
        best_weights (dict): The weights of that epoch.
        pseudo_seeds (JointPseudoSeeds): The pairs added to the seed pairs.
        best_pseudo_seeds (dict): Those of the best epoch, by pair of graphs, long
            ``[2, L]``.
        rows (RowAdamW): In a training in parts, what the table of embeddings learns by;
            the optimiser has the other weights.
        tables (Tables): In a training in parts, where copies of that table are made.
        slower (float): In a training in parts, the learning rate of the other weights,
            which every part updates, as a share of that of the table.
    """

    model: Module
    optimizer: Optimizer
    scheduler: LRScheduler
    average: Module
    decay: float
    epoch: int = 0
    seconds: float = 0.0
    best_epoch: int = 0
    best_value: float = -1.0
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    pseudo_seeds: JointPseudoSeeds = field(default_factory=JointPseudoSeeds)
    best_pseudo_seeds: dict[Pair, Tensor] = field(default_factory=dict)
    rows: RowAdamW | None = None
    tables: Tables | None = None
    slower: float = 1.0

    @classmethod
    def create(
        cls,
        model: Module,
        options: Options,
        extra: Iterable[Parameter] = (),
        tables: Tables | None = None,
        slower: float = 1.0,
    ) -> TrainingState:
        """The start of a training: AdamW and the schedule of the options.

        Args:
            model (Module): The model.
            options (Options): The options.
            extra (iterable of Parameter, optional): What else is learned, such as the
                parameters of a loss.
            tables (Tables, optional): In a training in parts, where the table of
                embeddings and its copies lie. (default: all weights learn at once)
            slower (float, optional): Factor of the learning rate of all other weights.
                (default: :obj:`1.0`)
        """
        config = options.training
        learned, rows, copies = list(model.parameters()), None, {}
        if tables is not None:
            table = _table_of(model)
            tables.check_room(table)
            table.data = tables.copy(table)
            learned = [weight for weight in learned if weight is not table]
            rows = RowAdamW(table, config.weight_decay, tables.zeros_like)
            copies = {id(table): Parameter(tables.copy(table))}
        weights = [*learned, *extra]
        on_gpu = all(w.is_cuda and w.is_floating_point() for w in weights)
        optimizer = torch.optim.AdamW(
            weights,
            lr=config.lr * slower,
            weight_decay=config.weight_decay,
            # Elsewhere as PyTorch chooses, which figures depend on.
            fused=True if on_gpu else None,
        )
        schedule = warmup_cosine(config.warmup_epochs, config.cosine_epochs)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)
        average = copy.deepcopy(model, copies).requires_grad_(False)
        return cls(
            model,
            optimizer,
            scheduler,
            average,
            config.average_decay,
            pseudo_seeds=JointPseudoSeeds(options.pseudo_seeds.propose_window),
            rows=rows,
            tables=tables,
            slower=slower,
        )

    def step(self, rows: Rows | None = None, seen: Tensor | None = None) -> None:
        """Updates the weights by their gradients.

        Args:
            rows (Rows, optional): The rows of the table of embeddings that the step
                saw, in a training in parts. (default: :obj:`None`)
            seen (torch.Tensor, optional): Places of those rows that are updated, long
                ``[m]``. (default: all)
        """
        self.optimizer.step()
        if rows is not None and self.rows is not None:
            rate = self.optimizer.param_groups[0]["lr"] / self.slower
            self.rows.step(rows, rate, seen)

    @torch.no_grad()
    def update_average(self) -> None:
        """Adds the weights of the epoch just done to the average.

        Early on the decay is smaller, so that the start is soon forgotten.
        """
        decay = min(self.decay, (1 + self.epoch) / (10 + self.epoch))
        new = self.model.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(new[name], 1 - decay)
            else:  # Not a weight.
                value.copy_(new[name])

    def offer(self, value: float) -> bool:
        """Keeps the averaged weights if ``value`` is better than the best so far."""
        if value <= self.best_value:
            return False
        self.best_epoch, self.best_value = self.epoch, value
        weights, copies = self.average.state_dict(), {}
        if self.tables is not None:
            table = weights[_TABLE]
            kept = self.best_weights.get(_TABLE)
            kept = self.tables.copy(table) if kept is None else kept.copy_(table)
            copies = {id(table): kept}
        self.best_weights = copy.deepcopy(weights, copies)
        self.best_pseudo_seeds = dict(self.pseudo_seeds.pairs)
        return True

    def finish(self) -> None:
        """Gives the model the weights that were kept and frees the gradients, the state
        of the optimiser and the other copies of the weights, which take five times the
        model's memory.
        """
        self.model.load_state_dict(self.best_weights)
        self.average, self.best_weights = self.model, self.model.state_dict()
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer.state.clear()
        self.rows = None

    def state_dict(self) -> dict[str, Any]:
        """The state, in tensors, numbers and strings, random generators included."""
        device = self._device()
        on_cuda = device.type == "cuda"
        cuda = [torch.cuda.get_rng_state(device)] if on_cuda else []
        rows: dict[str, Any] = {}
        if self.rows is not None:
            rows = {"rows": self.rows.state_dict(), "slower": self.slower}
        return {
            **rows,
            "epoch": self.epoch,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": {
                key: value
                for key, value in self.scheduler.state_dict().items()
                if key != "lr_lambdas"
            },
            "best_epoch": self.best_epoch,
            "best_value": self.best_value,
            "best_weights": self.best_weights,
            "pseudo_seeds": self.pseudo_seeds.state_dict(),
            "best_pseudo_seeds": self.best_pseudo_seeds,
            "rng": torch.get_rng_state(),
            "rng_cuda": cuda,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what :meth:`state_dict` returned.

        Raises:
            ValueError: If the weights do not fit the model.
        """
        try:
            self._load(state)
        except (RuntimeError, KeyError, TypeError, AttributeError) as error:
            why = " ".join(str(error).split())
            raise ValueError(
                f"the checkpoint is of another model or other data: {why}"
            ) from error

    def _load(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.rows is not None:
            self.rows.load_state_dict(state["rows"])
        self.scheduler.load_state_dict({**state["scheduler"], "lr_lambdas": [None]})
        self._speed_up(self.slower / state.get("slower", self.slower))
        self.epoch = state["epoch"]
        self.seconds = state["seconds"]
        self.best_epoch = state["best_epoch"]
        self.best_value = state["best_value"]
        self.best_weights = state["best_weights"]
        if self.tables is not None and self.best_weights:
            # What is mapped from the checkpoint takes memory once it is written to.
            table = self.tables.copy(self.best_weights[_TABLE])
            self.best_weights = {**self.best_weights, _TABLE: table}
        self.pseudo_seeds.load_state_dict(state["pseudo_seeds"])
        self.best_pseudo_seeds = state["best_pseudo_seeds"]
        torch.set_rng_state(state["rng"])
        device, cuda = self._device(), state["rng_cuda"]
        if device.type == "cuda" and cuda:
            # Older checkpoints hold one for each GPU of the machine.
            number = device.index or 0
            torch.cuda.set_rng_state(cuda[number if number < len(cuda) else 0], device)

    def _speed_up(self, factor: float) -> None:
        """Changes the learning rate of the encoders, where another number of processes
        had begun.
        """
        if factor == 1.0:
            return
        for group in self.optimizer.param_groups:
            group["lr"] *= factor
            group["initial_lr"] *= factor
        self.scheduler.base_lrs = [rate * factor for rate in self.scheduler.base_lrs]

    def _device(self) -> torch.device:
        """Where the model is, and so the generator that its noise comes from."""
        for weight in self.model.parameters():
            return weight.device
        return torch.device("cpu")


def _table_of(model: Any) -> Parameter:
    """The table of embeddings of a model."""
    table: Parameter = model.embedding.weight
    return table
