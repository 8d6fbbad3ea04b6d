"""Long tensors that processes send each other, some rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from pyg_ibmea.large import room_for
from pyg_ibmea.train._team import Team

T = TypeVar("T")

# What is sent at a time.
_BYTES = 2**24


def pieces(matrix: Tensor) -> Iterator[Tensor]:
    """Views of some rows of a contiguous tensor after each other, as bytes.

    Args:
        matrix (torch.Tensor): Of any shape and type.

    Example:
        >>> [piece.numel() for piece in pieces(torch.zeros(2, 3))]
        [24]
    """
    if not matrix.numel():
        return
    flat = matrix.view(-1)
    step = max(1, _BYTES // flat.element_size())
    for start in range(0, flat.numel(), step):
        yield flat[start : start + step].view(torch.uint8)


def broadcast(matrix: Tensor, source: int, team: Team) -> None:
    """Fills a tensor in all processes with what one of them has.

    Args:
        matrix (torch.Tensor): Contiguous, of the same shape and type in all.
        source (int): The rank of the process that has it.
        team (Team): The processes.
    """
    for piece in pieces(matrix):
        sent = piece.clone() if team.rank == source else piece
        with team.exchanging():
            dist.broadcast(sent, source, group=team.vectors)


def send(matrix: Tensor, team: Team) -> None:
    """Sends a tensor to the first process.

    Args:
        matrix (torch.Tensor): Of any shape and type.
        team (Team): The processes.
    """
    for piece in pieces(matrix.contiguous()):
        with team.exchanging():
            dist.send(piece, 0, group=team.vectors)


def receive(matrix: Tensor, source: int, team: Team) -> Tensor:
    """Fills a tensor of the first process with what another one sends.

    Args:
        matrix (torch.Tensor): Contiguous, of the shape and type of what is sent.
        source (int): The rank of the process that sends it.
        team (Team): The processes.
    """
    for piece in pieces(matrix):
        with team.exchanging():
            dist.recv(piece, source, group=team.vectors)
    return matrix


def gather_rows(own: Tensor, team: Team) -> Tensor:
    """The rows of all processes, in the order of their ranks, in each of them.

    Args:
        own (torch.Tensor): Those of this process, ``[n, C]``; of a process without
            rows, ``C`` and the type do not matter.
        team (Team): The processes.

    Returns:
        torch.Tensor: Where there is room for them.
    """
    told: list[tuple[int, int, torch.dtype]] = [
        *team.gather((own.size(0), own.size(1), own.dtype))  # type: ignore[list-item]
    ]
    sizes: Sequence[int] = [rows for rows, _, _ in told]
    _, width, dtype = next((one for one in told if one[0]), told[0])
    every = room_for((sum(sizes), width), dtype, own.device)
    start = 0
    for number, size in enumerate(sizes):
        mine = every[start : start + size]
        if number == team.rank and size:
            mine.copy_(own)
        broadcast(mine, number, team)
        start += size
    return every


class _Place(NamedTuple):
    """Where a tensor of a state goes that is sent by itself."""

    number: int
    shape: tuple[int, ...]
    dtype: torch.dtype


def share_state(state: T, team: Team) -> T:
    """What the first process has, in all of them: containers, numbers and texts in one
    message, and every tensor some rows at a time, to where there is room for it.

    Args:
        state (object): Dictionaries, lists and tuples of tensors on the CPU and of what
            can be pickled; of the first process.
        team (Team): The processes.
    """
    sent: list[Tensor] = []
    told = team.broadcast(_without_tensors(state, sent) if team.rank == 0 else None)
    if team.rank > 0:
        places = sorted(_places(told))
        sent = [room_for(place.shape, place.dtype) for place in places]
    for tensor in sent:
        broadcast(tensor, 0, team)
    if team.rank == 0:
        return state
    found: T = _with_tensors(told, sent)
    return found


def _without_tensors(value: Any, found: list[Tensor]) -> Any:
    """A copy with places for tensors, which are put into a list."""
    if isinstance(value, Tensor) and value.layout == torch.strided:
        found.append(value.detach().contiguous())
        return _Place(len(found) - 1, tuple(value.shape), value.dtype)
    return _mapped(value, lambda one: _without_tensors(one, found))


def _with_tensors(value: Any, tensors: Sequence[Tensor]) -> Any:
    if isinstance(value, _Place):
        return tensors[value.number]
    return _mapped(value, lambda one: _with_tensors(one, tensors))


def _places(value: Any) -> Iterator[_Place]:
    if isinstance(value, _Place):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _places(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _places(one)


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """A container of the same kind with changed values."""
    if isinstance(value, dict):
        kind: Any = type(value)
        return kind((key, change(one)) for key, one in value.items())
    if type(value) in (list, tuple):
        return type(value)(map(change, value))
    return value
