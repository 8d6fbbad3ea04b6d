"""Several processes that train one model, started by ``torchrun``.

Every process has the whole problem and a copy of the model. A step's batch is divided
among them; what each has encoded is gathered, so that the loss is that of the whole
batch, and the gradients are added up. In a training in parts, each has a part of its
own. The first process (rank 0) evaluates, proposes pairs, writes and prints; the others
are told what they must know of it, and help it to encode and search a large problem.

Without ``torchrun``, or with one process, nothing here does anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any, TypeVar

import torch
from torch import nn

from pyg_ibmea.train._rows_exchange import share_state
from pyg_ibmea.train._team import Team, joined, team

__all__ = [
    "all_threads",
    "alone",
    "by_first",
    "check_same",
    "count",
    "device_of",
    "helps",
    "in_turn",
    "is_new_signal",
    "joined",
    "jointly",
    "rank",
    "same",
    "same_draws",
    "same_weights",
    "state_by_first",
    "traffic",
]

T = TypeVar("T")


def rank() -> int:
    """The number of this process, from 0."""
    return 0 if (own := team()) is None else own.rank


def count() -> int:
    """How many processes there are."""
    return 1 if (own := team()) is None else own.count


def device_of(name: str | torch.device | None) -> str | None:
    """The device of this process: each has a GPU of its own.

    Args:
        name (str or torch.device, optional): As for
            :func:`~pyg_ibmea.devices.usable_device`, which takes the result.

    Raises:
        ValueError: If there are fewer GPUs than processes.
    """
    own = team()
    if own is None:
        return None if name is None else str(name)
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if torch.device(name).type != "cuda":
        return str(name)
    if torch.device(name).index is not None:
        raise ValueError(
            f"{name} would be the GPU of all processes; say --device cuda for one each"
        )
    there = torch.cuda.device_count()
    if there < own.local_count:
        raise ValueError(
            f"there are {own.local_count} processes on this machine, but {there} "
            "GPUs: start as many as there are GPUs (--nproc-per-node), or say --device "
            "cpu"
        )
    torch.cuda.set_device(own.local_rank)
    return f"cuda:{own.local_rank}"


def same(value: T) -> T:
    """What the first process has, in all of them.

    Args:
        value (object): Anything that can be pickled; tensors on the CPU.
    """
    return value if (own := team()) is None else own.broadcast(value)


def by_first(compute: Callable[[], T]) -> T:
    """What the first process computes, in all of them.

    Args:
        compute (callable): Is called in the first process only, however long it takes,
            with the threads of all on its machine. What it returns can be pickled;
            tensors are on the CPU.
    """
    own = team()
    if own is None:
        return compute()
    found: Any = None
    if own.rank == 0:
        with all_threads(), _working(own, together=False):
            found = compute()
    told: T = own.broadcast(found)
    return told


def state_by_first(compute: Callable[[], T]) -> T:
    """The same for a state with long tensors, which are sent some rows at a time.

    Args:
        compute (callable): As for :func:`by_first`; it returns containers of tensors on
            the CPU, numbers and texts.
    """
    own = team()
    if own is None:
        return compute()
    found: Any = None
    if own.rank == 0:
        with all_threads(), _working(own, together=False):
            found = compute()
    told: T = share_state(found, own)
    return told


@contextmanager
def jointly() -> Iterator[None]:
    """Inside, all processes encode entities and search candidates together: each makes
    a share of the rows, and finds the candidates of a share of them. All must ask for
    the same in the same order.

    Candidates are left to the first process, see :func:`helps`.
    """
    own = team()
    if own is None:
        yield
        return
    with _working(own, together=True):
        yield


def helps() -> bool:
    """Whether this process works for the first, which alone keeps the candidates that
    are found :func:`jointly`.
    """
    own = team()
    return own is not None and own.together and own.rank > 0


@contextmanager
def alone() -> Iterator[None]:
    """Inside, this process works for itself, even :func:`jointly`."""
    own = team()
    if own is None:
        yield
        return
    with _working(own, together=False):
        yield


@contextmanager
def _working(own: Team, together: bool) -> Iterator[None]:
    before, own.together = own.together, together
    try:
        yield
    finally:
        own.together = before


@contextmanager
def all_threads() -> Iterator[None]:
    """Gives this process the threads of all on its machine, while these wait."""
    own, threads = team(), torch.get_num_threads()
    if own is not None:
        torch.set_num_threads(threads * own.local_count)
    try:
        yield
    finally:
        if own is not None:
            torch.set_num_threads(threads)


def in_turn(read: Callable[[], T]) -> T:
    """What each process reads: the first before one of each other machine, and these
    before the rest, who then find in a cache what was prepared.

    Args:
        read (callable): Is called once.
    """
    own = team()
    if own is None:
        return read()
    turn = 0 if own.rank == 0 else 1 if own.local_rank == 0 else 2
    found: list[T] = []
    for number in range(3):
        if number == turn:
            found.append(read())
        own.gather(None)  # Waits for all.
    return found[0]


def check_same(facts: Mapping[str, Any]) -> None:
    """Compares what all processes must have in common.

    Args:
        facts (dict): By name, values that can be compared and pickled.

    Raises:
        ValueError: In all of them, if they differ; the message says who and in what.
    """
    own = team()
    if own is None:
        return
    told: list[Any] = own.gather(dict(facts))
    for number, other in enumerate(told):
        for name in dict.fromkeys([*told[0], *other]):
            here, there = told[0].get(name), other.get(name)
            if here != there:
                raise ValueError(
                    f"{own.watch.names[number]} differs from process 0 in {name}: "
                    f"{there}, not {here}; give all processes the same command, files "
                    "and packages"
                )


def same_weights(*modules: nn.Module) -> None:
    """Gives all processes the weights and buffers of the first."""
    own = team()
    if own is None:
        return
    for module in modules:
        weights = {name: value.cpu() for name, value in module.state_dict().items()}
        module.load_state_dict(share_state(weights, own))


@contextmanager
def same_draws() -> Iterator[None]:
    """Inside, all processes draw the random numbers of the first; afterwards each has
    noise of its own, which follows from the state of the first.
    """
    own = team()
    if own is None:
        yield
        return
    start = same(torch.get_rng_state())
    torch.set_rng_state(start)
    yield
    if own.rank > 0:
        told = start.numpy().tobytes() + own.rank.to_bytes(4, "big")
        seed = blake2b(told, digest_size=7).digest()
        torch.manual_seed(int.from_bytes(seed, "big"))


def traffic(device: torch.device) -> dict[str, Any]:
    """What the steps so far exchanged; empty for one process. All processes must ask.

    Args:
        device (torch.device): Where the model is.

    Returns:
        dict: ``count`` of processes, ``backend``, ``bytes_per_step`` that each process
        sends, and ``seconds_per_step_communicating``, the mean over the processes, in
        which they also wait for each other.
    """
    own = team()
    if own is None:
        return {}
    steps = own.traffic
    seconds: list[Any] = own.gather(steps.per_step(steps.all_seconds()))
    return {
        "count": own.count,
        "backend": "nccl" if device.type == "cuda" else "gloo",
        "bytes_per_step": steps.per_step(steps.bytes),
        "seconds_per_step_communicating": sum(seconds) / len(seconds),
    }


def is_new_signal() -> bool:
    """Whether a signal is not the repetition of one that came just before: a terminal
    sends one to all processes, and ``torchrun`` passes on the one it got.
    """
    own = team()
    return own is None or own.is_new_signal()
