"""AdamW for a table of which each step sees some rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_BETAS = (0.9, 0.999)
_EPS = 1e-8


@dataclass
class Rows:
    """Some rows of a table, taken out of it, with the state of their optimiser.

    Attributes:
        index (torch.Tensor): Which rows, long ``[n]``, ascending.
        weight (Parameter): Their values ``[n, C]``, which a model reads.
        mean (torch.Tensor): Moving average of their gradients ``[n, C]``.
        square (torch.Tensor): That of its square ``[n, C]``.
        steps (torch.Tensor): Steps that each has seen, float ``[n, 1]``.
    """

    index: Tensor
    weight: nn.Parameter
    mean: Tensor
    square: Tensor
    steps: Tensor

    def values(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Values, both averages, and steps."""
        return self.weight.detach(), self.mean, self.square, self.steps


class RowAdamW:
    r"""AdamW ("Decoupled Weight Decay Regularization", `arXiv:1711.05101
    <https://arxiv.org/abs/1711.05101>`_) row by row.

    A row that no step sees keeps its value and its moments; each counts its own steps.
    If every step sees all rows, this is :class:`torch.optim.AdamW`.

    Args:
        table (torch.Tensor): ``[R, C]``, updated in place; it and its moments may be
            memory-mapped.
        weight_decay (float, optional): Weight decay. (default: :obj:`1e-2`)
        zeros (callable, optional): Makes the moments from the table.
            (default: :func:`torch.zeros_like`)

    Example:
        >>> table = torch.zeros(5, 2)
        >>> optimizer = RowAdamW(table)
        >>> rows = optimizer.take(torch.tensor([1, 3]))
        >>> rows.weight.sum().backward()
        >>> optimizer.step(rows, lr=0.1)
        >>> optimizer.put(rows)
        >>> table[:, 0].round(decimals=3).tolist() == torch.tensor(
        ...     [0, -0.1, 0, -0.1, 0]).tolist()
        True
    """

    def __init__(
        self,
        table: Tensor,
        weight_decay: float = 1e-2,
        zeros: Callable[[Tensor], Tensor] = torch.zeros_like,
    ):
        self.table = table.detach()
        self.weight_decay = weight_decay
        self.mean = zeros(self.table)
        self.square = zeros(self.table)
        # Whole numbers, which float32 holds up to 2**24.
        self.steps = torch.zeros(len(table), 1, device=table.device)

    def take(self, index: Tensor) -> Rows:
        """Copies of some rows, as a leaf that gradients reach.

        Args:
            index (torch.Tensor): Long ``[n]``, ascending, each once.
        """
        return Rows(
            index,
            nn.Parameter(self.table[index]),
            self.mean[index],
            self.square[index],
            self.steps[index],
        )

    @torch.no_grad()
    def step(self, rows: Rows, lr: float, seen: Tensor | None = None) -> None:
        """Updates rows by their gradient, and forgets it; the table is as it was until
        :meth:`put`.

        Args:
            rows (Rows): What :meth:`take` gave.
            lr (float): Learning rate.
            seen (torch.Tensor, optional): Which of them the step saw, long ``[m]``;
                the others stay as they are. (default: all)
        """
        weight, grad = rows.weight, rows.weight.grad
        rows.weight.grad = None
        if grad is None:
            return
        if seen is not None:
            self._step_some(rows, lr, seen, grad)
            return
        first, second = _BETAS
        rows.steps += 1
        weight.mul_(1 - lr * self.weight_decay)
        rows.mean.lerp_(grad, 1 - first)
        rows.square.mul_(second).addcmul_(grad, grad, value=1 - second)
        # In float64, as bias corrections of one number are computed in Python's.
        steps = rows.steps.double()
        size = (lr / (1 - first**steps)).to(weight.dtype)
        scale = (1 - second**steps).sqrt().to(weight.dtype)
        divisor = rows.square.sqrt().div_(scale).add_(_EPS)
        weight.sub_(rows.mean * size / divisor)

    def _step_some(self, rows: Rows, lr: float, seen: Tensor, grad: Tensor) -> None:
        """Updates some of the rows."""
        weight = nn.Parameter(rows.weight[seen])
        weight.grad = grad[seen]
        moments = (rows.mean[seen], rows.square[seen], rows.steps[seen])
        some = Rows(rows.index[seen], weight, *moments)
        self.step(some, lr)
        for whole, changed in zip(rows.values(), some.values(), strict=True):
            whole[seen] = changed

    @torch.no_grad()
    def put(self, rows: Rows) -> None:
        """Writes rows back to the table.

        Args:
            rows (Rows): What :meth:`take` gave.
        """
        self.table[rows.index] = rows.weight
        self.mean[rows.index] = rows.mean
        self.square[rows.index] = rows.square
        self.steps[rows.index] = rows.steps

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` needs; the table is the model's."""
        return {"mean": self.mean, "square": self.square, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what :meth:`state_dict` returned, in place."""
        for name, value in self.state_dict().items():
            value.copy_(state[name])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.table.shape)})"
