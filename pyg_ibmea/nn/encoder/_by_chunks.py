"""Graph encoders without noise, some entities at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric import EdgeIndex

from pyg_ibmea.large import ranges, room_for
from pyg_ibmea.nn.conv.variational_ib_conv import VariationalIBConv

Chunks = Callable[[slice], Tensor]
"""Gives the rows ``[n, C]`` of a range of entities."""


def received(
    conv: Module,
    x: Tensor,
    edge_index: EdgeIndex,
    rows: slice,
    edge_type: Tensor | None = None,
    prepared: Callable[[Tensor], Tensor] | None = None,
    bipartite: bool = False,
) -> Tensor:
    """What a layer makes of some entities, its mean if it has a posterior.

    Args:
        conv (Module): The attention layer, without noise and dropout. It adds no
            self-loops: the graph has those that it needs.
        x (torch.Tensor): Of the nodes that send ``[N, C]``; only the rows that send to
            these entities are read.
        edge_index (EdgeIndex): The graph, sorted by receiver.
        rows (slice): The entities.
        edge_type (torch.Tensor, optional): Long ``[E]``. (default: :obj:`None`)
        prepared (callable, optional): What is done to rows of ``x`` first.
            (default: nothing)
        bipartite (bool, optional): Whether the nodes that send are not entities, and
            receivers have no features. (default: :obj:`False`)
    """
    (pointer, senders), _ = edge_index.get_csc()
    begin, end = (int(pointer[row]) for row in (rows.start, rows.stop))
    count = rows.stop - rows.start
    degree = pointer[rows.start : rows.stop + 1].diff()
    place = torch.arange(count, device=degree.device).repeat_interleave(degree)
    used, sender = senders[begin:end].as_subclass(Tensor).unique(return_inverse=True)
    sent = x[used]
    sent = sent if prepared is None else prepared(sent)
    own = None
    if not bipartite:
        own = x[rows] if prepared is None else prepared(x[rows])
    edges = EdgeIndex(
        torch.stack([sender, place]),
        sparse_size=(used.numel(), count),
        sort_order="col",
    )
    kinds = None if edge_type is None else edge_type[begin:end]
    size = (used.numel(), count)
    with _as_given(conv):
        if isinstance(conv, VariationalIBConv):
            return conv.encode((sent, own), edges, size=size, edge_type=kinds).mean
        return cast(Tensor, conv((sent, own), edges, size=size, edge_type=kinds))


@contextmanager
def _as_given(conv: Any) -> Iterator[None]:
    """A layer that takes graphs as they are."""
    loops, training = conv.add_self_loops, conv.training
    conv.add_self_loops = False
    conv.eval()
    try:
        yield
    finally:
        conv.add_self_loops = loops
        conv.train(training)


def filled(chunks: Chunks, size: int, like: Tensor, chunk: int) -> Tensor:
    """All rows, for the next layer to read.

    Args:
        chunks (callable): What gives them.
        size (int): How many there are.
        like (torch.Tensor): ``[N, C]``, of the same width, type and device.
        chunk (int): How many are computed at a time.
    """
    found = room_for((size, like.size(1)), like.dtype, like.device)
    division = _division.get()
    for number, rows in enumerate(ranges(size, chunk)):
        if division is None:
            found[rows] = chunks(rows)
            continue
        worker = number % division.count
        if worker == division.number:
            found[rows] = chunks(rows)
        division.share(found[rows], worker)
    return found


@dataclass(frozen=True)
class Division:
    """How several workers divide what is computed for the next layer.

    Attributes:
        number (int): The number of this one.
        count (int): How many there are.
        share (callable): Is given rows and the number of the worker that has computed
            them, and fills them in for all others.
    """

    number: int
    count: int
    share: Callable[[Tensor, int], None]


_division: ContextVar[Division | None] = ContextVar("division", default=None)


@contextmanager
def divided(division: Division) -> Iterator[None]:
    """Inside, :func:`filled` computes only the rows of one worker; all workers must
    encode the same graph.
    """
    token = _division.set(division)
    try:
        yield
    finally:
        _division.reset(token)
