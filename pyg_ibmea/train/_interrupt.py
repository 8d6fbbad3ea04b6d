"""Stopping a training without losing it."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class InterruptGuard:
    """Turns the first SIGINT (Ctrl-C) or SIGTERM into a request to stop after the
    epoch; a second one interrupts at once.

    Outside the main thread, which alone receives signals, it does nothing.

    Example:
        >>> with InterruptGuard() as guard:
        ...     guard.requested
        False
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> InterruptGuard:
        numbers: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)
        if threading.current_thread() is not threading.main_thread():
            numbers = ()
        for number in numbers:
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
