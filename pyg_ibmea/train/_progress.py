"""What a person sees while models train."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from tqdm.auto import tqdm

EVERY = 60.0
"""Seconds between two lines where there is no terminal."""

_MATCHING = "matching all entities"
_BAR = "{desc} {bar:8} {n_fmt}/{total_fmt}{postfix}"
_LATEST = 10  # Epochs by which those to come are judged.


@dataclass(frozen=True)
class Planned:
    """A training that a run will do.

    Args:
        title (str): What it is for.
        epochs (int): Its epochs, at most.
    """

    title: str
    epochs: int


class Progress:
    """Tells how far a run has come: which training it is at, how well the validation
    pairs are found, and how long all that is to come will take. On a terminal or in a
    notebook it is a bar; elsewhere a line at the start, one a minute, and one at the
    end.

    Args:
        plan (sequence of Planned): All trainings, in order.
        matching (float, optional): How many epochs take as long as the matches do in
            the end. (default: :obj:`0.0`, there are none)
        stream (TextIO, optional): Where to write. (default: standard error)
        silent (bool, optional): Whether to write nothing. (default: :obj:`False`)
        clock (callable, optional): Seconds since any moment. (default:
            :func:`time.monotonic`)
    """

    def __init__(
        self,
        plan: Sequence[Planned],
        matching: float = 0.0,
        stream: TextIO | None = None,
        silent: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.plan, self.matches, self.silent = list(plan), matching, silent
        self.stream = sys.stderr if stream is None else stream
        self.clock = clock
        self.began = clock()
        self.number = 0
        self.epoch = 0
        self.bar: tqdm | None = None
        self._took: deque[float] = deque(maxlen=_LATEST)
        self._at = self.began
        self._told_at: float | None = None
        self._judged = ""

    @classmethod
    def of_one(cls, epochs: int, silent: bool) -> Progress:
        """The progress of a training on its own."""
        return cls([Planned("learning from the known pairs", epochs)], silent=silent)

    @property
    def title(self) -> str:
        """What is going on."""
        place = f"training {self.number} of {len(self.plan)}"
        return f"{place}: {self.plan[self.number - 1].title}"

    def begin(self, epochs: int, start: int = 0) -> None:
        """Begins the next training.

        Args:
            epochs (int): Its epochs, which may have become fewer than were planned.
            start (int, optional): Epochs that were done before a resume.
                (default: :obj:`0`)
        """
        self.number += 1
        self.plan[self.number - 1] = Planned(
            self.plan[self.number - 1].title, max(epochs, start)
        )
        self.epoch, self._at, self._judged = start, self.clock(), ""
        if self.silent:
            return
        if self.bar is None and (self.stream.isatty() or _in_notebook()):
            self.bar = tqdm(
                total=0, file=self.stream, bar_format=_BAR, dynamic_ncols=True
            )
        if self.bar is not None:
            self._draw(self._left().removeprefix(", "))
            return
        where = f"from epoch {start + 1} of {epochs}" if start else f"{epochs} epochs"
        self._tell(f"{self.title}, {where}{self._left()}")

    def update(self, losses: Mapping[str, float]) -> None:
        """Tells an epoch's mean loss terms."""
        self.epoch += 1
        now = self.clock()
        self._took.append(now - self._at)
        self._at = now
        self._told(losses)

    def evaluated(
        self, epoch: int, losses: Mapping[str, float], hits: float, best_epoch: int
    ) -> None:
        """Tells an evaluation: validation Hits@1 and the best epoch so far."""
        now = self.clock()
        if self._took:  # It is a part of the epoch.
            self._took[-1] += now - self._at
        self._at = now
        self._judged = f", validation Hits@1 {hits:.3f} (best: epoch {best_epoch})"
        self._told(losses)

    def clear(self) -> None:
        """Makes room for a line that something else writes."""
        if self.bar is not None:
            self.bar.clear()

    def end(self) -> None:
        """Ends a training, which may have ended early."""
        place = self.number - 1
        self.plan[place] = Planned(self.plan[place].title, self.epoch)

    def match(self) -> None:
        """Tells that the trainings have ended and the matches are made."""
        if self.bar is not None:
            self.bar.set_description_str(_MATCHING, refresh=False)
            self._draw("", described=True)
        elif not self.silent:
            self._tell(_MATCHING)

    def done(self, matched: bool) -> None:
        """Tells that all is done.

        Args:
            matched (bool): Whether the matches are, too.
        """
        self.close()
        if self.silent:
            return
        many = "1 training" if len(self.plan) == 1 else f"{len(self.plan)} trainings"
        end = ", and all entities matched" if matched else ""
        took = said_time(self.clock() - self.began)
        self.stream.write(f"done in {took}: {many}{end}\n")
        self.stream.flush()

    def close(self) -> None:
        """Leaves the bar as it is and ends the line."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def seconds_left(self) -> float | None:
        """Seconds until all is done; ``None`` before an epoch was measured."""
        if not self._took:
            return None
        epochs = self.plan[self.number - 1].epochs - self.epoch + self.matches
        epochs += sum(later.epochs for later in self.plan[self.number :])
        return epochs * sum(self._took) / len(self._took)

    def _left(self) -> str:
        left = self.seconds_left()
        return "" if left is None else f", about {said_time(left)} left"

    def _told(self, losses: Mapping[str, float]) -> None:
        """Tells of an epoch, if it is time to."""
        if self.silent:
            return
        loss = f"loss {losses['total']:.3f}"
        if self.bar is not None:  # What a narrow terminal cuts off comes last.
            self._draw(f"{self._left()}{self._judged}, {loss}".removeprefix(", "))
            return
        where = f"epoch {self.epoch} of {self.plan[self.number - 1].epochs}"
        self._tell(f"{self.title}, {where}: {loss}{self._judged}{self._left()}")

    def _tell(self, line: str) -> None:
        """Writes a line unless one was written less than a minute ago."""
        now = self.clock()
        if self._told_at is None or now - self._told_at >= EVERY:
            self._told_at = now
            self.stream.write(line + "\n")
            self.stream.flush()

    def _draw(self, said: str, described: bool = False) -> None:
        assert self.bar is not None
        if not described:
            self.bar.set_description_str(self.title, refresh=False)
        self.bar.total = sum(each.epochs for each in self.plan)
        before = self.plan[: self.number - 1]
        self.bar.n = sum(each.epochs for each in before) + self.epoch
        self.bar.set_postfix_str(said, refresh=False)
        self.bar.refresh()


def said_time(seconds: float) -> str:
    """A span of time as people say it.

    Example:
        >>> [said_time(s) for s in (4.2, 70, 5000, 20000)]
        ['4 s', '1 min', '83 min', '5.6 h']
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _in_notebook() -> bool:
    """Whether this runs in a notebook, where a bar is a widget."""
    shell = sys.modules.get("IPython")
    found = shell.get_ipython() if shell is not None else None
    return type(found).__name__ == "ZMQInteractiveShell"
