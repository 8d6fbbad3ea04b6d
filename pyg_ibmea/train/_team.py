"""This process among those that ``torchrun`` started."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from datetime import timedelta
from types import FrameType
from typing import TypeVar

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from pyg_ibmea.train._traffic import Traffic
from pyg_ibmea.train._watch import DONE, FAILED, STOPPED, End, Watch

T = TypeVar("T")

_MEETING = timedelta(minutes=10)
# gloo takes up to five times as long.
_CONNECTING = timedelta(seconds=30)
# The watch finds who has ended, so that others may wait as long as the first works.
_TIMEOUT = timedelta(days=30)
_NEWS = 5.0  # s, within which the watch knows why an exchange failed.
_SIGNALLED = 1.0  # s, within which it knows why torchrun sends a signal.
_SAME_ERROR = 2.0  # s, within which the first process fails as this one did.
_REPEATED = 5.0  # s: torchrun passes on a signal that the terminal has sent, too.
_BROKEN = "an exchange between the processes failed"
_UNREACHABLE = (
    "the processes cannot reach each other (on several machines, name the network "
    "interface by GLOO_SOCKET_IFNAME, for GPUs by NCCL_SOCKET_IFNAME, too)"
)
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Team:
    """The processes, seen from one of them."""

    def __init__(self) -> None:
        environment = os.environ
        self.rank, self.count = (int(environment[k]) for k in ("RANK", "WORLD_SIZE"))
        self.local_rank = int(environment.get("LOCAL_RANK", self.rank))
        self.local_count = int(environment.get("LOCAL_WORLD_SIZE", self.count))
        self.signalled = float("-inf")
        # Whether all divide what they encode and search, or each works for itself.
        self.together = False
        self.traffic = Traffic(self.count)
        if "numba" not in sys.modules:  # It would use all cores in every process.
            environment.setdefault("NUMBA_NUM_THREADS", str(torch.get_num_threads()))
        if not dist.is_available():
            raise OSError("this PyTorch was built without torch.distributed")
        on_gpu = torch.cuda.is_available() and dist.is_nccl_available()
        backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
        self.starts_group = not dist.is_initialized()
        with self.exchanging(_UNREACHABLE):
            if self.starts_group:
                self._start_group(backend)
            dist.all_reduce(torch.zeros(1))
            # From here on they know each other, and may wait for long.
            self.vectors = dist.new_group(backend=backend, timeout=_TIMEOUT)
            # What is not in the steps is exchanged by the CPU, whatever they use.
            self.objects = dist.new_group(backend="gloo", timeout=_TIMEOUT)
            alone = self.local_count == self.count
            host = "127.0.0.1" if alone else environment["MASTER_ADDR"]
            self.watch = Watch.connect(self.rank, self.count, host, self.gather)

    def _start_group(self, backend: str) -> None:
        """Connects the processes, as soon as all are there."""
        store, _, _ = next(rendezvous("env://", timeout=_MEETING))
        here = [f"{number} is here" for number in range(self.count)]
        store.set(here[self.rank], "")
        store.wait(here, _MEETING)
        dist.init_process_group(
            backend,
            store=store,
            rank=self.rank,
            world_size=self.count,
            timeout=_CONNECTING,
        )

    def gather(self, value: object) -> list[object]:
        """What each process has, by rank."""
        found: list[object] = [None] * self.count
        with self.exchanging():
            dist.all_gather_object(found, value, group=self.objects)
        return found

    def broadcast(self, value: T) -> T:
        """What the first process has."""
        box = [value]
        with self.exchanging():
            dist.broadcast_object_list(box, src=0, group=self.objects)
        return box[0]

    @contextmanager
    def exchanging(self, what: str = _BROKEN) -> Iterator[None]:
        """Waits, after an exchange that failed, for the news that another process has
        ended, which interrupt this one.
        """
        try:
            yield
        except RuntimeError as error:
            if hasattr(self, "watch"):
                self.watch.wait(_NEWS)
            raise OSError(f"{what}: {' '.join(str(error).split())}") from error

    def interrupted(self, number: int, frame: FrameType | None) -> None:
        """What a signal does outside a training."""
        if self.is_new_signal():
            raise KeyboardInterrupt

    def finish(self) -> None:
        """Ends together: the others wait for the first."""
        if self.rank == 0:
            self.watch.wait_for_all()
            self.watch.tell(DONE)
        else:
            self.watch.tell(DONE)
            self.watch.wait()
        if self.starts_group:
            dist.destroy_process_group()
        self.watch.close()

    def give_up(self, error: BaseException) -> None:
        """Ends after an error or a signal.

        Returns:
            None: If this process is the one to tell of it.

        Raises:
            SystemExit: If another one is.
        """
        stopped = isinstance(error, KeyboardInterrupt)
        # If another was killed, this one may have been sent a signal for it; if all
        # have the same error, the first tells of it.
        patience = _SIGNALLED if stopped else _SAME_ERROR if self.rank > 0 else 0.0
        end = self.watch.wait(patience)
        if end is None or end.kind == DONE:
            end = End(STOPPED if stopped else FAILED, self.rank)
            self.watch.tell(end.kind)
            if end.kind == FAILED:
                if self.rank > 0:
                    name = self.watch.names[self.rank]
                    print(f"note: {name} has failed:", file=sys.stderr)
                return
        if not (end.kind == STOPPED and stopped and self.rank == 0):
            raise SystemExit(end.status) from error

    def is_new_signal(self) -> bool:
        """Whether a signal is not the repetition of one that came just before."""
        now = time.monotonic()
        new = now - self.signalled > _REPEATED
        if new:
            self.signalled = now
        return new


_joined: Team | None = None


def team() -> Team | None:
    """The processes that were joined; ``None`` for one on its own."""
    return _joined


@contextmanager
def joined() -> Iterator[None]:
    """Joins the processes that ``torchrun`` started, for as long as the block takes.

    Of the others than the first, standard output and warnings go nowhere. All end
    together: if one fails, is stopped or is killed, the others do not go on.

    Raises:
        OSError: If the others cannot be reached.
        SystemExit: If another process tells why all of them end.

    Example:
        >>> with joined():
        ...     team() is None
        True
    """
    global _joined
    several = "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", 1)) > 1
    if _joined is not None or not several:
        yield
        return
    _joined = own = Team()
    main = threading.current_thread() is threading.main_thread()
    before = {n: signal.signal(n, own.interrupted) for n in _SIGNALS if main}
    try:
        with _silent(own.rank > 0):
            own.watch.start()
            yield
            own.finish()
    except BaseException as error:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        own.give_up(error)
        raise
    else:
        for number, handler in before.items():
            signal.signal(number, handler)
    finally:
        _joined = None


@contextmanager
def _silent(silent: bool) -> Iterator[None]:
    """Keeps standard output and warnings of a process to itself."""
    with ExitStack() as stack:
        if silent:
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(redirect_stdout(nowhere))
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        yield
