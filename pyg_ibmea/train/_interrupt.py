"""Stopping a training without losing it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from pyg_ibmea.train.processes import is_new_signal


class Stopped(KeyboardInterrupt):
    """A training was interrupted; the message says what is done. If it has a run
    folder, it can be resumed from there, bit for bit.
    """


class InterruptGuard:
    """Turns the first SIGINT (Ctrl-C) or SIGTERM into :class:`Stopped`, wherever the
    program is; a second one is a plain :class:`KeyboardInterrupt`.

    Nothing needs to be finished first: every file takes its place in one step, and
    epochs begun are done again from the checkpoint of the last one that was kept.

    Outside the main thread, which alone receives signals, it does nothing.

    Args:
        done (callable, optional): Says what is done, for the message.

    Example:
        >>> with InterruptGuard() as guard:
        ...     guard.check()
    """

    def __init__(self, done: Callable[[], str] = lambda: "") -> None:
        self.done = done
        self.requested = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> InterruptGuard:
        numbers: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)
        if threading.current_thread() is not threading.main_thread():
            numbers = ()
        for number in numbers:
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def check(self) -> None:
        """Stops if it was asked to. Python drops what is raised while it collects
        garbage or calls back: such a request is met here.
        """
        if self.requested:
            raise Stopped(self.done())

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not is_new_signal():
            return
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        self.check()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
