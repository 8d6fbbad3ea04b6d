"""Which matches to ask a person about, so that the answers teach most."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyg_ibmea.align.alignment import Alignment

_DISCOUNT = 0.5
"""What each neighbour that is asked about leaves of a question's worth."""


def choose_questions(
    alignment: Alignment,
    edges: Mapping[str, Tensor],
    number: int = 20,
    exclude: NDArray[Any] | Tensor | None = None,
) -> NDArray[np.int64]:
    r"""Chooses the matches whose answer would teach most.

    A match of confidence :math:`p` with entities of :math:`d_s` and :math:`d_t`
    triples is worth

    .. math::
        H(p) \cdot \log_2(2 + d_s + d_t), \quad
        H(p) = -p \log_2 p - (1 - p) \log_2(1 - p)

    An answer about a match that is as likely right as wrong tells most (1 bit), and it
    helps the matches of all neighbours. Neighbours tell alike things, so each
    neighbour of an entity that is asked about halves what is left of its worth; and no
    entity is asked about twice.

    Args:
        alignment (Alignment): The matches of a finished run.
        edges (dict): The ``edge_index`` of each graph, long ``[2, E]``.
        number (int, optional): How many to choose, at most. (default: :obj:`20`)
        exclude (array_like, optional): Rows of the alignment that must not be asked
            about, bool ``[N]``. (default: none)

    Returns:
        numpy.ndarray: Rows of the alignment, int64, the most useful first.

    Raises:
        ValueError: If ``number`` is not positive, a graph has no edges given, or
            ``exclude`` does not fit.

    Example:
        >>> alignment = Alignment(
        ...     [("zh", "en")], {"zh": ["a", "b"], "en": ["x", "y"]},
        ...     source=[0, 1], target=[0, 1], runner_up=[1, 0], score=[0.5, 0.4],
        ...     margin=[0.1, 0.0], confidence=[0.99, 0.6], pair=[0, 0])
        >>> none = torch.empty(2, 0, dtype=torch.long)
        >>> choose_questions(alignment, {"zh": none, "en": none}).tolist()
        [1, 0]
    """
    if number < 1:
        raise ValueError(f"number must be at least 1, got {number}")
    open_rows = _open(alignment, exclude)
    value = question_values(alignment, edges)
    graphs = _Neighbors(alignment, edges)
    asked: set[tuple[str, int]] = set()
    near: dict[tuple[str, int], int] = {}
    heap = [(-float(value[row]), int(row)) for row in open_rows.nonzero()[0]]
    heapq.heapify(heap)
    chosen: list[int] = []
    while heap and len(chosen) < number:
        worth, row = heapq.heappop(heap)
        ends = graphs.ends(row)
        if any(end in asked for end in ends):
            continue
        now = -float(value[row]) * _DISCOUNT ** sum(near.get(end, 0) for end in ends)
        if now > worth:  # Less than when it was put there.
            heapq.heappush(heap, (now, row))
            continue
        chosen.append(row)
        for end in ends:
            asked.add(end)
            for other in graphs.near(*end):
                near[end[0], other] = near.get((end[0], other), 0) + 1
    return np.array(chosen, dtype=np.int64)


def question_values(
    alignment: Alignment, edges: Mapping[str, Tensor]
) -> NDArray[np.float64]:
    """What an answer about each match would teach, float64 ``[N]``; see
    :func:`choose_questions`.
    """
    degree = _degrees(alignment, edges)
    # As sure as a float can be, and no more: a sure match still has some worth.
    p = alignment.confidence.clip(1e-6, 1 - 1e-6)
    bits = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    together = np.zeros(len(p))
    for number, (a, b) in enumerate(alignment.pairs):
        rows = alignment.pair == number
        together[rows] = degree[a][alignment.source[rows]]
        together[rows] += degree[b][alignment.target[rows]]
    worth: NDArray[np.float64] = bits * np.log2(2.0 + together)
    return worth


def _degrees(
    alignment: Alignment, edges: Mapping[str, Tensor]
) -> dict[str, NDArray[np.float64]]:
    missing = [graph for graph in alignment.uris if graph not in edges]
    if missing:
        raise ValueError(f"edges must hold the edge_index of graph {missing[0]!r}")
    found = {}
    for graph, uris in alignment.uris.items():
        ends = edges[graph].as_subclass(Tensor).cpu().flatten()
        if ends.numel() and int(ends.max()) >= len(uris):
            raise ValueError(
                f"the edges of graph {graph!r} name node {int(ends.max())}, but it has "
                f"{len(uris)} entities"
            )
        count = torch.bincount(ends, minlength=len(uris))
        found[graph] = count.double().numpy()
    return found


def _open(
    alignment: Alignment, exclude: NDArray[Any] | Tensor | None
) -> NDArray[np.bool_]:
    if exclude is None:
        return np.ones(len(alignment), dtype=bool)
    shut = np.asarray(exclude)
    if shut.dtype != bool or shut.shape != (len(alignment),):
        raise ValueError(
            f"exclude must be bool [{len(alignment)}], got {shut.dtype} "
            f"{list(shut.shape)}"
        )
    kept: NDArray[np.bool_] = ~shut
    return kept


class _Neighbors:
    """The entities of matches, and those next to them."""

    def __init__(self, alignment: Alignment, edges: Mapping[str, Tensor]) -> None:
        self.alignment = alignment
        self._lists: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
        for graph, uris in alignment.uris.items():
            head, tail = edges[graph].as_subclass(Tensor).cpu()
            both = torch.stack([torch.cat([head, tail]), torch.cat([tail, head])])
            start, end = both.unique(dim=1)  # Once, whatever the number of relations.
            begin = torch.searchsorted(start.contiguous(), torch.arange(len(uris) + 1))
            self._lists[graph] = begin.numpy(), end.numpy()

    def ends(self, row: int) -> tuple[tuple[str, int], tuple[str, int]]:
        """Graph and number of both entities of a match."""
        a, b = self.alignment.pairs[int(self.alignment.pair[row])]
        source, target = self.alignment.source[row], self.alignment.target[row]
        return (a, int(source)), (b, int(target))

    def near(self, graph: str, node: int) -> list[int]:
        """The neighbours of an entity."""
        begin, end = self._lists[graph]
        found: list[int] = end[begin[node] : begin[node + 1]].tolist()
        return found
