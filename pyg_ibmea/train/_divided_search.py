"""Candidates that several processes find together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_ibmea.align import Candidates, Search
from pyg_ibmea.align._best import top_columns
from pyg_ibmea.align.candidates import (
    candidates_by,
    default_candidates,
    search_for,
)
from pyg_ibmea.large import ranges
from pyg_ibmea.train._rows_exchange import receive, send
from pyg_ibmea.train._team import Team

# Of the rows in an index: beyond, each process makes one of a part of them.
_INDEX_BYTES = 2**32
# Rows of which the first process joins what all have found.
_ROWS = 2**15


class Share(NamedTuple):
    """What one process searches in one direction.

    Attributes:
        queries (slice): Of these rows of the one side the nearest are found,
        shard (slice): among these rows of the other side.
    """

    queries: slice
    shard: slice

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to search."""
        return not _length(self.queries)


def shares_of(
    size: tuple[int, int], count: int, by_shards: bool
) -> list[tuple[Share, Share]]:
    """What each process searches, from source to target and back.

    Args:
        size (tuple): Number of source and target rows.
        count (int): Number of processes.
        by_shards (bool): Whether each has all queries and a shard of the rows that they
            are compared with, or a share of the queries and all rows. All queries of
            both directions together are divided, so that most processes make an index
            of one side only.

    Example:
        >>> one, other = shares_of((4, 4), 2, by_shards=False)
        >>> one[0].queries, one[1].is_empty, other[1].queries
        (slice(0, 4, None), True, slice(0, 4, None))
    """
    found = []
    for number in range(count):
        if by_shards:
            one, other = (_part(n, number, count) for n in size)
            found.append(
                (Share(slice(0, size[0]), other), Share(slice(0, size[1]), one))
            )
            continue
        mine = _part(sum(size), number, count)
        start, stop = mine.start, mine.stop
        forward = slice(min(start, size[0]), min(stop, size[0]))
        backward = slice(max(start - size[0], 0), max(stop - size[0], 0))
        found.append(
            (Share(forward, slice(0, size[1])), Share(backward, slice(0, size[0])))
        )
    return found


def divided_candidates(
    z_source: Tensor,
    z_target: Tensor,
    k: int | None,
    search: Search | str,
    team: Team,
) -> Candidates | None:
    """What :func:`~pyg_ibmea.align.find_candidates` gives, by all processes together;
    all of them must call it with the same arguments.

    Args:
        z_source (torch.Tensor): Source embeddings ``[N, C]``.
        z_target (torch.Tensor): Target embeddings ``[M, C]``.
        k (int, optional): Number of nearest rows.
        search (Search or str): The search backend.
        team (Team): The processes.

    Returns:
        Candidates: In the first process; ``None`` in all others.
    """
    sides = z_source, z_target
    size = z_source.size(0), z_target.size(0)
    k = default_candidates(size) if k is None else k
    backend = search_for(search, size, z_source.device)
    index = 4 * max(size) * z_source.size(1)
    by_shards = backend.name != "exact" and index > _INDEX_BYTES
    dtype = torch.promote_types(z_source.dtype, z_target.dtype)
    dtype = torch.promote_types(dtype, torch.float32)
    work = shares_of(size, team.count, by_shards)

    def nearest(backwards: bool) -> tuple[Tensor, Tensor] | None:
        one, other = sides[::-1] if backwards else sides
        asked = min(k, len(other))
        score, column = _search(backend, one, other, work[team.rank][backwards], asked)
        found = score.to(dtype), column
        each = [pair[backwards] for pair in work]
        if team.rank > 0:
            _tell(found, team)
            return None
        return _joined(found, each, len(one), asked, team)

    if team.rank > 0:
        nearest(False)
        nearest(True)
        return None

    def of_all(backwards: bool) -> tuple[Tensor, Tensor]:
        found = nearest(backwards)
        assert found is not None
        return found

    return candidates_by(of_all, size, backend.name, k)


_Found = tuple[Tensor, Tensor]


def _search(
    backend: Search, one: Tensor, other: Tensor, share: Share, k: int
) -> _Found:
    """Cosines and rows that one process finds, as many as its shard has at most."""
    shard = other[share.shard]
    k = min(k, len(shard))
    if share.is_empty or not k:
        empty = one.new_empty(_length(share.queries), k)
        return empty, torch.empty_like(empty, dtype=_kind(len(other)))
    score, column = backend.nearest(one[share.queries], shard, k)
    column = torch.where(column >= 0, column + share.shard.start, column)
    return score, column.to(_kind(len(other)))


def _tell(found: _Found, team: Team) -> None:
    """Sends what was found, some rows at a time."""
    score, column = found
    for rows in ranges(len(score), _ROWS):
        send(score[rows], team)
        send(column[rows], team)


def _joined(
    own: _Found, shares: Sequence[Share], size: int, k: int, team: Team
) -> _Found:
    """What all processes have found, in the first one.

    Of shares of the queries, each is put in its place; of shards, the best of all are
    taken. Shards ascend, so that the lower of two rows that tie comes first.
    """
    score = own[0].new_full((size, k), -torch.inf)
    column = torch.full_like(score, -1, dtype=_kind_of(shares))
    by_shards = sum(_length(share.queries) for share in shares) > size
    if not by_shards:
        for number, share in enumerate(shares):
            for rows in ranges(_length(share.queries), _ROWS):
                at = slice(
                    share.queries.start + rows.start, share.queries.start + rows.stop
                )
                if number == 0:
                    score[at], column[at] = own[0][rows], own[1][rows]
                else:
                    receive(score[at], number, team)
                    receive(column[at], number, team)
        return score, column
    for rows in ranges(size, _ROWS):
        scores, columns = [own[0][rows]], [own[1][rows]]
        for number, share in enumerate(shares[1:], 1):
            width = _length(rows), min(k, _length(share.shard))
            scores.append(receive(score.new_empty(width), number, team))
            columns.append(receive(column.new_empty(width), number, team))
        value, place = top_columns(torch.cat(scores, dim=1), k)
        score[rows] = value
        column[rows] = torch.cat(columns, dim=1).gather(1, place)
    return score, column


def _kind(size: int) -> torch.dtype:
    """The type of row numbers."""
    return torch.int32 if size < 2**31 else torch.long


def _kind_of(shares: Sequence[Share]) -> torch.dtype:
    return _kind(max(share.shard.stop for share in shares))


def _part(size: int, number: int, count: int) -> slice:
    """The range of one of several processes."""
    return slice(number * size // count, (number + 1) * size // count)


def _length(rows: slice) -> int:
    length: int = rows.stop - rows.start
    return length
