"""Parts that several processes train on at once, each on one of its own.

The table of embeddings is the same in all processes between rounds. In a round, each
takes out the rows of its part. The gradients of rows that several parts have are added
up in every step, and so are those of the encoders; at the end of the round, all get the
rows of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import Parameter

from pyg_ibmea.large import ranges
from pyg_ibmea.train._exchange import sum_of
from pyg_ibmea.train._row_adamw import RowAdamW, Rows
from pyg_ibmea.train._rows_exchange import broadcast
from pyg_ibmea.train._team import Team

# Rows that are sent at a time.
_ROWS = 2**14


class Held(NamedTuple):
    """What one process has in a round.

    Attributes:
        rows (torch.Tensor): The rows of the table that its part has, ascending.
        steps (int): The batches of its part.
    """

    rows: Tensor
    steps: int


class Round:
    """What the processes do at once with a part each; all of them must make it.

    Args:
        optimizer (RowAdamW): That of the table, the same in all.
        own (Held): What this process has; no rows without a part.
        rows (Rows, optional): The rows that were taken out; ``None`` without a part.
        team (Team): The processes.
    """

    def __init__(self, optimizer: RowAdamW, own: Held, rows: Rows | None, team: Team):
        self.optimizer = optimizer
        self.rows = rows
        self.team = team
        told = team.gather((own.rows.cpu(), own.steps))
        device = optimizer.table.device
        self.held = [Held(ids.to(device), steps) for ids, steps in told]  # type: ignore
        every, holders = torch.cat([h.rows for h in self.held]).unique(
            return_counts=True
        )
        # Rows that several have, and where they are among those of this process.
        self.shared = every[holders > 1]
        self.mine = torch.isin(own.rows, self.shared).nonzero().flatten()
        self.place = torch.searchsorted(self.shared, own.rows[self.mine])

    @property
    def num_steps(self) -> int:
        """Steps of the process that has most."""
        return max(one.steps for one in self.held)

    def is_idle(self, step: int) -> bool:
        """Whether this process has no batch in a step."""
        return self.held[self.team.rank].steps <= step

    def exchange(
        self, step: int, weights: Sequence[Parameter], clipped: int, clip_norm: float
    ) -> Tensor | None:
        """Makes the gradients those of the mean loss of all processes that have a batch
        in a step.

        Args:
            step (int): Number of the step in the round.
            weights (sequence of Parameter): Those that all processes have.
            clipped (int): So many of them, the first, count for the norm.
            clip_norm (float): Largest norm of the gradient; 0: not clipped.

        Returns:
            torch.Tensor: Which of the rows of this process are in the part of one that
            has a batch, long ``[n]``; ``None`` for all of them, or without any.
        """
        active = sum(one.steps > step for one in self.held)
        for p in weights:
            if p.grad is not None:
                p.grad = p.grad / active
        by_dtype: dict[torch.dtype, list[Parameter]] = {}
        for p in weights:
            by_dtype.setdefault(p.dtype, []).append(p)
        for parameters in by_dtype.values():
            sum_of(parameters, self.team)
        self._sum_rows(active)
        if clip_norm:
            self._clip(weights[:clipped], clip_norm)
        self.team.traffic.steps += 1
        return self._seen(step)

    def _sum_rows(self, active: int) -> None:
        """Adds up the gradients of the rows that several have."""
        rows, table = self.rows, self.optimizer.table
        if rows is not None:
            weight = rows.weight
            grad = weight.grad
            weight.grad = torch.zeros_like(weight) if grad is None else grad / active
        if not self.shared.numel():
            return
        total = table.new_zeros(self.shared.numel(), table.size(1))
        if rows is not None and rows.weight.grad is not None:
            total[self.place] = rows.weight.grad[self.mine]
        with self.team.traffic.of_sum(total), self.team.exchanging():
            dist.all_reduce(total, group=self.team.vectors)
        if rows is not None and rows.weight.grad is not None:
            rows.weight.grad[self.mine] = total[self.place]

    def _clip(self, weights: Iterable[Parameter], most: float) -> None:
        """What ``clip_grad_norm_`` does to a gradient of which every process has some
        rows.
        """
        known = [p for p in weights if p.grad is not None]
        square = self.optimizer.table.new_zeros((), dtype=torch.double)
        rows = self.rows
        if rows is not None and rows.weight.grad is not None:
            first = self._of_first(self.team.rank)
            square += rows.weight.grad[first].double().square().sum()
        with self.team.exchanging():
            dist.all_reduce(square, group=self.team.vectors)
        for p in known:
            if p.grad is not None:
                square += p.grad.double().square().sum()
        factor = float((most / (square.sqrt() + 1e-6)).clamp(max=1.0))
        if rows is not None:
            known.append(rows.weight)
        for p in known:
            if p.grad is not None:
                p.grad.mul_(factor)

    def _seen(self, step: int) -> Tensor | None:
        """The rows of this process that a batch of the step may have changed."""
        own = self.held[self.team.rank].rows
        if self.rows is None or not self.is_idle(step):
            return None
        others = [one.rows for one in self.held if one.steps > step]
        return torch.isin(own, torch.cat(others)).nonzero().flatten()

    def _of_first(self, number: int) -> Tensor:
        """Places of the rows of a process that no process before it has."""
        own = self.held[number].rows
        before = [one.rows for one in self.held[:number]]
        if not before:
            return torch.arange(own.numel(), device=own.device)
        return (~torch.isin(own, torch.cat(before))).nonzero().flatten()

    @torch.no_grad()
    def finish(self) -> None:
        """Gives all processes the rows of each, of those that several have the rows of
        the first of them.
        """
        optimizer, traffic = self.optimizer, self.team.traffic
        tables = optimizer.table, optimizer.mean, optimizer.square, optimizer.steps
        for number, one in enumerate(self.held):
            places = self._of_first(number)
            for part in ranges(places.numel(), _ROWS):
                index = one.rows[places[part]]
                sent = self.rows if number == self.team.rank else None
                known = None if sent is None else sent.values()
                for i, table in enumerate(tables):
                    if known is not None:
                        values = known[i][places[part]].contiguous()
                    else:
                        values = table.new_empty(index.numel(), table.size(1))
                    mine = values if known is not None else values[:0]
                    with traffic.of_gathering(mine):
                        broadcast(values, number, self.team)
                    table[index] = values
