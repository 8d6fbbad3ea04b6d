"""Search backends: how the nearest rows of the other side are found."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from pyg_ibmea.align._best import top_columns
from pyg_ibmea.align._blocks import cosine_blocks, exact_products
from pyg_ibmea.align._search_parts import check_k
from pyg_ibmea.align._unit_chunks import UnitRows
from pyg_ibmea.align.hnsw_search import HNSWSearch
from pyg_ibmea.align.ivf_search import IVFSearch
from pyg_ibmea.options import SEARCHES

# Of an exact search: beyond, target rows are compared a chunk at a time.
_COLUMNS = 2**16
_ROWS = 2**10


class Search(Protocol):
    """The interface of objects that find the nearest rows.

    Attributes:
        name (str): Name of the backend in results.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    def nearest(self, source: Tensor, target: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Finds target rows with a high cosine for every source row.

        Args:
            source (torch.Tensor): Rows ``[N, C]`` of any scale and floating-point type.
            target (torch.Tensor): Rows ``[M, C]``.
            k (int): Their number, at most ``M``.

        Returns:
            tuple: Cosines ``[N, k]``, sorted descending, and target rows ``[N, k]``;
            ``-inf`` and -1 where fewer are found.
        """
        ...

    def swapped(self) -> Search:
        """The search with both sides exchanged."""
        ...


@dataclass(frozen=True)
class ExactSearch:
    """Compares all pairs, block by block. At equal cosines, the lower row wins.

    Args:
        block_size (int, optional): Maximum number of source rows compared at once.
            (default: by size)

    Example:
        >>> ExactSearch().nearest(torch.eye(2), torch.eye(2), k=1)[1]
        tensor([[0],
                [1]])
    """

    block_size: int | None = None
    name: ClassVar[str] = "exact"

    def nearest(self, source: Tensor, target: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """See :meth:`Search.nearest`."""
        sides = UnitRows.of_sides(source, target)
        check_k(k, target)
        score = torch.empty(len(source), k, dtype=sides[0].dtype, device=source.device)
        column = torch.empty_like(score, dtype=torch.long)
        if len(target) <= _COLUMNS:
            unit = sides[0][:], sides[1][:]
            for rows, cosine in cosine_blocks(*unit, self.block_size):
                score[rows], column[rows] = top_columns(cosine, k)
            return score, column
        for rows, unit_rows in sides[0].chunks(self.block_size or _ROWS):
            score[rows], column[rows] = _best_by_chunks(unit_rows, sides[1], k)
        return score, column

    def swapped(self) -> ExactSearch:
        """See :meth:`Search.swapped`."""
        return self


@dataclass(frozen=True, eq=False)
class PartSearch:
    """Compares all pairs of rows of the same part, and no others.

    A row whose part has no row of the other side has no nearest row.

    Args:
        source_parts (torch.Tensor): Part of each source row, long ``[N]``.
        target_parts (torch.Tensor): Part of each target row, long ``[M]``.
        more_source (torch.Tensor, optional): Further source rows (first) and their
            parts (second), long ``[2, L]``, for rows at the border of several parts.
            (default: none)
        more_target (torch.Tensor, optional): The same for target rows.
            (default: none)

    Raises:
        ValueError: If a shape or type does not fit.

    Example:
        >>> parts = torch.tensor([0, 1, 1])
        >>> PartSearch(parts, parts).nearest(torch.ones(3, 2), torch.ones(3, 2), 2)[1]
        tensor([[ 0, -1],
                [ 1,  2],
                [ 1,  2]])
    """

    source_parts: Tensor = field(repr=False)
    target_parts: Tensor = field(repr=False)
    more_source: Tensor | None = field(default=None, repr=False)
    more_target: Tensor | None = field(default=None, repr=False)
    name: ClassVar[str] = "parts"

    def __post_init__(self) -> None:
        for option in ("source_parts", "target_parts"):
            parts: Tensor = getattr(self, option)
            if parts.dim() != 1 or parts.dtype != torch.long:
                raise ValueError(
                    f"{option} must be long [rows], got {parts.dtype} "
                    f"{list(parts.shape)}"
                )
        for option in ("more_source", "more_target"):
            more: Tensor | None = getattr(self, option)
            if more is None:
                continue
            if more.dim() != 2 or more.size(0) != 2 or more.dtype != torch.long:
                raise ValueError(
                    f"{option} must be rows and their parts, long [2, L], got "
                    f"{more.dtype} {list(more.shape)}"
                )

    def nearest(self, source: Tensor, target: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """See :meth:`Search.nearest`."""
        sides = UnitRows.of_sides(source, target)
        check_k(k, target)
        members = []
        for name, side, parts, more in (
            ("source", source, self.source_parts, self.more_source),
            ("target", target, self.target_parts, self.more_target),
        ):
            if len(parts) != len(side):
                raise ValueError(
                    f"{name}_parts has {len(parts)} entries for {len(side)} rows"
                )
            members.append(_members(parts.to(side.device), more))
        size = len(source), k
        score = torch.full(size, -torch.inf, dtype=sides[0].dtype, device=source.device)
        column = torch.full_like(score, -1, dtype=torch.long)
        for part, rows in members[0].items():
            columns = members[1].get(part)
            if columns is None:
                continue
            others = sides[1][columns]
            for some in rows.split(max(1, 2**24 // len(columns))):
                with exact_products(source.device):
                    cosine = sides[0][some] @ others.t()
                value, place = top_columns(cosine, min(k, len(columns)))
                score[some], column[some] = _merged(
                    (score[some], column[some]), (value, columns[place])
                )
        return score, column

    def swapped(self) -> PartSearch:
        """See :meth:`Search.swapped`."""
        return replace(
            self,
            source_parts=self.target_parts,
            target_parts=self.source_parts,
            more_source=self.more_target,
            more_target=self.more_source,
        )


def as_search(search: Search | str) -> Search:
    """Returns a search backend as it is, or the one that a name stands for.

    Args:
        search (Search or str): A backend, ``'exact'``, ``'hnsw'`` or ``'ivf'``.

    Raises:
        ImportError: If it needs faiss, which is not installed.
        ValueError: If it is neither a backend nor a known name.
    """
    if search == "exact":
        return ExactSearch()
    if search == "hnsw":
        return HNSWSearch()
    if search == "ivf":
        return IVFSearch()
    if isinstance(search, str) or not callable(getattr(search, "nearest", None)):
        names = ", ".join(map(repr, SEARCHES))
        raise ValueError(
            f"search must be one of {names} or an object with a method "
            f"nearest(source, target, k), got {search!r}"
        )
    return search


def _best_by_chunks(unit: Tensor, target: UnitRows, k: int) -> tuple[Tensor, Tensor]:
    """The ``k`` best target rows of unit rows, from chunks of the target rows."""
    score, column = unit.new_empty(len(unit), 0), unit.new_empty(len(unit), 0).long()
    for columns, other in target.chunks(_COLUMNS // 4):
        with exact_products(unit.device):
            cosine = unit @ other.t()
        value, place = top_columns(cosine, min(k, cosine.size(1)))
        # Earlier columns are lower, so that they win ties.
        both = torch.cat([score, value], dim=1)
        ids = torch.cat([column, place + columns.start], dim=1)
        score, place = top_columns(both, min(k, both.size(1)))
        column = ids.gather(1, place)
    return score, column


def _members(parts: Tensor, more: Tensor | None) -> dict[int, Tensor]:
    """The rows of each part, ascending."""
    rows = torch.arange(len(parts), device=parts.device)
    if more is not None:
        more = more.to(parts.device)
        if more.size(1) and not 0 <= int(more[0].min()) <= int(more[0].max()) < len(
            parts
        ):
            raise ValueError(
                f"rows of further parts must be below {len(parts)}, got "
                f"{int(more[0].min())} to {int(more[0].max())}"
            )
        both = torch.stack([torch.cat([rows, more[0]]), torch.cat([parts, more[1]])])
        rows, parts = both.unique(dim=1)
    order = parts.argsort(stable=True)
    numbers, count = parts[order].unique_consecutive(return_counts=True)
    groups = rows[order].split(count.tolist())
    return dict(zip(numbers.tolist(), groups, strict=True))


def _merged(
    known: tuple[Tensor, Tensor], found: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """The best of two lists of columns, each column once; as many as the first has."""
    k = known[0].size(1)
    score = torch.cat([known[0], found[0]], dim=1)
    column = torch.cat([known[1], found[1]], dim=1)
    column, order = column.sort(dim=1, stable=True)
    score = score.gather(1, order)
    again = column[:, 1:] == column[:, :-1]
    score[:, 1:].masked_fill_(again, -torch.inf)
    score, place = top_columns(score, k)
    column = column.gather(1, place)
    return score, column.masked_fill_(score == -torch.inf, -1)
