"""Candidate pairs: found once, read by every decoder and every way of matching."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pyg_ibmea.align._blocks import unit_sides
from pyg_ibmea.align._bonus import Bonus
from pyg_ibmea.align._nearest import nearest_candidates
from pyg_ibmea.align._segments import Segments
from pyg_ibmea.align._unit_chunks import UnitRows, chunked_cosines
from pyg_ibmea.align.backends import ExactSearch, Search, as_search

EXACT_PAIRS = 60_000**2
"""Number of pairs up to which all of them are compared unless asked otherwise."""

MOST_CANDIDATES = 2**27
"""Number of candidate pairs that the default number of nearest rows keeps to."""

_CHUNK = 2**22


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pairs that may be counterparts, and their cosines; all others count as
    impossible. Made by :func:`find_candidates`.

    Attributes:
        pairs (torch.Tensor): Source and target rows, ascending, without duplicates,
            ``[2, L]``, int32 where they fit.
        cosine (torch.Tensor): Their cosines, ``[L]``.
        size (tuple): Number of source and target rows.
        backend (str): Name of the search backend. (default: unknown)
        k (int): Number of nearest rows that were asked for. (default: unknown)

    Example:
        >>> found = find_candidates(torch.eye(3), torch.eye(3), k=1)
        >>> found
        Candidates(3 pairs of 3 x 3 rows)
        >>> found.recall(torch.tensor([[0, 1], [0, 2]]))
        0.5
    """

    pairs: Tensor
    cosine: Tensor
    size: tuple[int, int]
    backend: str = ""
    k: int = 0

    @cached_property
    def by_source(self) -> Segments:
        """The pairs of each source row."""
        return Segments.of_sorted(self.pairs[0], self.size[0])

    @cached_property
    def by_target(self) -> Segments:
        """The pairs of each target row."""
        return Segments.of(self.pairs[1], self.size[1])

    def __len__(self) -> int:
        return self.cosine.numel()

    def column_at(self, place: Tensor) -> Tensor:
        """The target rows at some places, long and of the same shape; -1 at -1."""
        return self._row_at(place, 1)

    def row_at(self, place: Tensor) -> Tensor:
        """The source rows at some places, long and of the same shape; -1 at -1."""
        return self._row_at(place, 0)

    def _row_at(self, place: Tensor, side: int) -> Tensor:
        if not len(self):
            return torch.full_like(place, -1)
        found = self.pairs[side].index_select(0, place.clamp(min=0).view(-1))
        return found.view_as(place).long().masked_fill_(place < 0, -1)

    def contains(self, pairs: Tensor) -> Tensor:
        """Which of some pairs, long ``[2, L]``, are candidates, bool ``[L]``."""
        return self._places(pairs)[1]

    def recall(self, pairs: Tensor) -> float:
        """The share of true pairs, long ``[2, L]``, that are candidates."""
        found = self.contains(pairs)
        return float(found.double().mean()) if found.numel() else 0.0

    def with_bonus(
        self, bonus: Tensor | Bonus | None, z_source: Tensor, z_target: Tensor
    ) -> Candidates:
        """Adds values to the cosines of some pairs, which all become candidates.

        Args:
            bonus (torch.Tensor): Sparse ``[N, M]``, or ``None``.
            z_source (torch.Tensor): Embeddings of the source rows, ``[N, C]``.
            z_target (torch.Tensor): Embeddings of the target rows, ``[M, C]``.

        Raises:
            ValueError: If the bonus does not fit the rows.
        """
        if bonus is None:
            return self
        if isinstance(bonus, Tensor):
            bonus = Bonus.of(bonus, z_source, z_target)
            assert bonus is not None
        pairs = torch.stack([bonus.row, bonus.column])
        both = self.including(pairs, z_source, z_target)
        cosine = both.cosine.clone()
        cosine[both._places(pairs)[0]] += bonus.value.to(cosine.dtype)
        return both._with(both.pairs, cosine)

    def including(
        self, pairs: Tensor, z_source: Tensor, z_target: Tensor
    ) -> Candidates:
        """Adds pairs, long ``[2, L]``, ascending and without duplicates."""
        place, found = self._places(pairs)
        place, more = place[~found], pairs[:, ~found]
        if not more.size(1):
            return self
        source, target = (
            UnitRows(side, self.cosine.dtype) for side in (z_source, z_target)
        )
        cosine = chunked_cosines(source, target, more)
        total = len(self) + len(cosine)
        place = place + torch.arange(len(cosine), device=place.device)
        old = torch.ones(total, dtype=torch.bool, device=place.device)
        old[place] = False
        merged = []
        known = (*self.pairs, self.cosine)
        for before, new in zip(known, (*more, cosine), strict=True):
            both = before.new_empty(total)
            both[old], both[place] = before, new.to(before.dtype)
            merged.append(both)
        return self._with(torch.stack(merged[:2]), merged[2])

    def of(self, source_rows: Tensor, target_rows: Tensor) -> Candidates:
        """The candidates among some rows of both sides, which are numbered anew.

        Args:
            source_rows (torch.Tensor): Source rows, ascending, long ``[n]``.
            target_rows (torch.Tensor): Target rows, ascending, long ``[m]``.
        """
        chosen = (source_rows, target_rows)
        pairs = []
        for side, rows, num_rows in zip(self.pairs, chosen, self.size, strict=True):
            number = torch.full((num_rows,), -1, dtype=side.dtype, device=side.device)
            number[rows] = torch.arange(len(rows), dtype=side.dtype, device=side.device)
            pairs.append(number.index_select(0, side))
        kept = (pairs[0] >= 0) & (pairs[1] >= 0)
        size = len(source_rows), len(target_rows)
        inside = torch.stack([side[kept] for side in pairs])
        return Candidates(inside, self.cosine[kept], size, self.backend, self.k)

    def __repr__(self) -> str:
        rows = f"{self.size[0]:,} x {self.size[1]:,}"
        return f"{type(self).__name__}({len(self):,} pairs of {rows} rows)"

    def _with(self, pairs: Tensor, cosine: Tensor) -> Candidates:
        return Candidates(pairs, cosine, self.size, self.backend, self.k)

    def _places(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Where pairs are, or would be put, long ``[L]``, and whether they are there.

        It halves the range of the columns of all source rows at once.
        """
        pointer, columns = self.by_source.pointer, self.pairs[1]
        row, column = pairs.to(columns.device)
        low, high = pointer[row], pointer[row + 1]
        last = max(0, len(self) - 1)
        end = high.clone()
        longest = int((high - low).max()) if row.numel() else 0
        for _ in range(longest.bit_length()):
            middle = (low + high) // 2
            there = columns.index_select(0, middle.clamp(max=last))
            below = (there < column) & (low < high)
            low = torch.where(below, middle + 1, low)
            high = torch.where(below, high, middle)
        if not len(self):
            return low, torch.zeros_like(low, dtype=torch.bool)
        there = columns.index_select(0, low.clamp(max=last))
        return low, (low < end) & (there == column)


def default_candidates(size: tuple[int, int]) -> int:
    """The number of nearest rows of every row that are candidates unless asked
    otherwise: 100, and fewer for millions of rows, but at least 20.
    """
    return max(20, min(100, MOST_CANDIDATES // sum(size)))


def compares_all(size: tuple[int, int]) -> bool:
    """Whether all pairs of so many rows are compared unless asked otherwise."""
    return size[0] * size[1] <= EXACT_PAIRS


def search_for(
    search: Search | str, size: tuple[int, int], device: torch.device
) -> Search:
    """Returns a search backend as it is, or the one that a name stands for.

    Args:
        search (Search or str): A backend, its name, or ``'auto'``: an approximate
            search for many rows on a CPU, else an exact one.
        size (tuple): Number of source and target rows.
        device (torch.device): Where the rows are.

    Raises:
        ImportError: If it needs faiss, which is not installed.
        ValueError: If it is neither a backend nor a known name.
    """
    if search == "auto":
        exact = compares_all(size) or device.type != "cpu"
        return as_search("exact" if exact else "ivf")
    return as_search(search)


@torch.no_grad()
def find_candidates(
    z_source: Tensor,
    z_target: Tensor,
    k: int | None = None,
    search: Search | str = "auto",
) -> Candidates:
    """Finds the pairs of which one is among the nearest of the other.

    Args:
        z_source (torch.Tensor): Source embeddings ``[N, C]``, of any scale; of any
            floating-point type, in memory or mapped from a file.
        z_target (torch.Tensor): Target embeddings ``[M, C]``.
        k (int, optional): Number of nearest rows of the other side, of every row of
            both sides; all if the other side has fewer. (default: 100, fewer where
            there would be more than :math:`2^{27}` pairs, but at least 20)
        search (Search or str, optional): The search backend: :class:`ExactSearch`,
            :class:`HNSWSearch`, :class:`IVFSearch`, :class:`PartSearch`, an object of
            your own, or ``'exact'``, ``'hnsw'``, ``'ivf'``. ``'auto'`` compares all
            pairs up to 60,000 rows on both sides and on a GPU, and uses cells beyond
            (``'ivf'``). (default: :obj:`'auto'`)

    Returns:
        Candidates: The pairs, for the argument ``candidates`` of search, matching and
        metrics.

    Raises:
        ImportError: If the search needs faiss, which is not installed.
        ValueError: As for :func:`topk`.
    """
    size = z_source.size(0), z_target.size(0)
    if k is None:
        k = default_candidates(size)
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    backend = search_for(search, size, z_source.device)
    if isinstance(backend, ExactSearch) and compares_all(size):
        # Few enough for one sweep over the cosines, for both sides.
        sides = unit_sides(z_source, z_target)
        pairs, cosine, *_ = nearest_candidates(*sides, k, backend.block_size)
        return Candidates(pairs.to(torch.int32), cosine, size, backend.name, k)

    def nearest(backwards: bool) -> tuple[Tensor, Tensor]:
        if backwards:
            return backend.swapped().nearest(z_target, z_source, min(k, size[0]))
        return backend.nearest(z_source, z_target, min(k, size[1]))

    return candidates_by(nearest, size, backend.name, k)


def candidates_by(
    nearest: Callable[[bool], tuple[Tensor, Tensor]],
    size: tuple[int, int],
    backend: str,
    k: int,
) -> Candidates:
    """The pairs of which one is among the nearest of the other.

    Args:
        nearest (callable): Gives cosines and columns as :meth:`Search.nearest` does,
            ``[N, k]`` from source to target and, called with :obj:`True`, ``[M, k]``
            the other way.
        size (tuple): Number of source and target rows.
        backend (str): Name of the search backend.
        k (int): Number of nearest rows that were asked for.
    """
    to_target = _listed(*nearest(False), size[1])
    to_source = _listed(*nearest(True), size[0])
    # From here on, both are by source row.
    order = to_source[1].sort(stable=True)[1]
    turned = tuple(to_source[side].index_select(0, order) for side in (1, 0, 2))
    del to_source, order
    pairs, cosine = _union(to_target, turned, size)
    return Candidates(pairs, cosine, size, backend, k)


_List = tuple[Tensor, ...]


def _listed(score: Tensor, column: Tensor, width: int) -> _List:
    """Rows, columns and scores of what was found, by row."""
    kind = torch.int32 if max(len(score), width) < 2**31 else torch.long
    row = torch.arange(len(score), dtype=kind, device=score.device)
    row = row.repeat_interleave(score.size(1))
    column, score = column.reshape(-1).to(kind), score.reshape(-1)
    there = column >= 0
    if bool(there.all()):
        return row, column, score
    return row[there], column[there], score[there]


def _union(one: _List, other: _List, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The pairs of two lists by row, ascending and once each, and their cosines."""
    width = size[1]
    step = max(1, _CHUNK * size[0] // max(1, len(one[0]) + len(other[0])))
    starts = torch.arange(0, size[0] + step, step).clamp(max=size[0])
    starts = starts.to(one[0])
    ends = [torch.searchsorted(part[0], starts).tolist() for part in (one, other)]
    rows, columns, cosines = [], [], []
    for a, b, c, d in zip(ends[0], ends[0][1:], ends[1], ends[1][1:], strict=False):
        parts = (one, slice(a, b)), (other, slice(c, d))
        key = torch.cat([p[0][at].long() * width + p[1][at] for p, at in parts])
        cosine = torch.cat([p[2][at] for p, at in parts])
        key, order = key.sort(stable=True)
        first = torch.ones_like(key, dtype=torch.bool)
        first[1:] = key[1:] != key[:-1]
        key = key[first]
        rows.append((key // width).to(one[0].dtype))
        columns.append((key % width).to(one[0].dtype))
        cosines.append(cosine[order[first]])
    pairs = torch.stack([torch.cat(rows), torch.cat(columns)])
    return pairs, torch.cat(cosines)
