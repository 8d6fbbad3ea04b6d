"""What a training without a run folder remembers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any


class MemoryLog:
    """Keeps the lines of the evaluations and nothing else; see
    :class:`~pyg_ibmea.train.RunFolder` for what they hold.
    """

    path: Path | None = None

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def locked(self) -> AbstractContextManager[None]:
        """Nobody else could write here."""
        return nullcontext()

    def start(self) -> dict[str, Any] | None:
        """There is no checkpoint to resume from."""
        return None

    def part(self, name: str, **changes: Any) -> MemoryLog:
        """The memory of another training of the same run."""
        return MemoryLog()

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
        self.lines.append(
            {
                "epoch": epoch,
                "seconds": seconds,
                "loss": dict(loss),
                "val": dict(val),
                "weights": dict(weights),
                "information": dict(information or {}),
            }
        )

    def read_metrics(self) -> list[dict[str, Any]]:
        """The lines of the evaluations."""
        return list(self.lines)

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Keeps nothing: it would not outlive the process."""
