"""What a person sees while a model trains."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TextIO

from tqdm.auto import tqdm


class Progress:
    """A bar with loss terms, validation Hits@1 and remaining time on a terminal or in a
    notebook; plain lines, one per evaluation, anywhere else.

    Args:
        epochs (int): Number of epochs of the whole run.
        start (int, optional): Epochs done before a resume. (default: :obj:`0`)
        stream (TextIO, optional): Where to write. (default: standard error)
        silent (bool, optional): Whether to write nothing. (default: :obj:`False`)
    """

    def __init__(
        self,
        epochs: int,
        start: int = 0,
        stream: TextIO | None = None,
        silent: bool = False,
    ):
        self.stream = sys.stderr if stream is None else stream
        self.silent = silent
        self.epochs = epochs
        self.start = start
        self.began = time.monotonic()
        self.best = ""
        self.bar = None
        if not silent and (self.stream.isatty() or _in_notebook()):
            self.bar = tqdm(total=epochs, initial=start, unit="epoch", file=self.stream)

    def update(self, losses: Mapping[str, float]) -> None:
        """Reports an epoch's mean loss terms."""
        if self.bar is not None:
            self.bar.update(1)
            self.bar.set_postfix_str(f"{_summary(losses)}{self.best}")

    def evaluated(
        self, epoch: int, losses: Mapping[str, float], hits: float, best_epoch: int
    ) -> None:
        """Reports an evaluation: validation Hits@1 and the best epoch so far."""
        self.best = f", val Hits@1 {hits:.3f} (best: epoch {best_epoch})"
        if self.bar is not None:
            self.bar.set_postfix_str(f"{_summary(losses)}{self.best}")
            return
        if self.silent:
            return
        spent = time.monotonic() - self.began
        left = spent / max(1, epoch - self.start) * (self.epochs - epoch)
        self.stream.write(
            f"epoch {epoch}/{self.epochs}: {_summary(losses)}{self.best}, "
            f"{left:.0f} s left\n"
        )
        self.stream.flush()

    def close(self) -> None:
        """Leaves the bar as it is and ends the line."""
        if self.bar is not None:
            self.bar.close()


def _in_notebook() -> bool:
    """Whether this runs in a notebook, where a bar is a widget."""
    shell = sys.modules.get("IPython")
    found = shell.get_ipython() if shell is not None else None
    return type(found).__name__ == "ZMQInteractiveShell"


def _summary(losses: Mapping[str, float]) -> str:
    info_nce = sum(v for name, v in losses.items() if name.startswith("info_nce/"))
    kl = sum(v for name, v in losses.items() if name.startswith("kl/"))
    return (
        f"loss {losses['total']:.3f} (hybrid {losses['hybrid']:.3f}, "
        f"InfoNCE {info_nce:.3f}, KL {kl:.0f} nats)"
    )
