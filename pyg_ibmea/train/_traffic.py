"""What the processes of a training send each other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


class Traffic:
    """Counts bytes and seconds of the exchanges of training steps.

    Bytes are those that one process sends where vectors go round in a ring, as gloo and
    NCCL send large ones. Seconds include those in which it waits for the others.

    Args:
        count (int): How many processes there are.
    """

    def __init__(self, count: int):
        self.count = count
        self.steps = 0
        self.bytes = 0.0
        self.seconds = 0.0
        self._events: list[tuple[Any, Any]] = []

    def of_gathering(self, vector: Tensor) -> Any:
        """Counts what the block does: all processes get this vector of each."""
        return self._counted(vector, self.count - 1)

    def of_sum(self, vector: Tensor) -> Any:
        """Counts what the block does: all processes get the sum of such vectors."""
        return self._counted(vector, 2 * (self.count - 1) / self.count)

    def all_seconds(self) -> float:
        """The seconds so far."""
        if self._events:
            torch.cuda.synchronize()
            milliseconds = sum(begun.elapsed_time(end) for begun, end in self._events)
            self.seconds += milliseconds / 1000
            self._events.clear()
        return self.seconds

    def per_step(self, total: float) -> float:
        """The mean over the steps so far."""
        return total / max(1, self.steps)

    @contextmanager
    def _counted(self, vector: Tensor, times: float) -> Iterator[None]:
        self.bytes += times * vector.numel() * vector.element_size()
        if vector.is_cuda:  # Nobody waits for it here.
            begun, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begun.record()
            yield
            end.record()
            self._events.append((begun, end))
            return
        began = time.monotonic()
        yield
        self.seconds += time.monotonic() - began
