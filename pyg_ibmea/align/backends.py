"""Search backends: how the nearest rows of the other side are found."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_ibmea.align._best import top_columns
from pyg_ibmea.align._blocks import check_neighbors, cosine_blocks, exact_products
from pyg_ibmea.align._unit_chunks import UnitRows
from pyg_ibmea.large import ranges
from pyg_ibmea.options import SEARCHES

# Of an exact search: beyond, target rows are compared a chunk at a time.
_COLUMNS = 2**16
_ROWS = 2**10
_QUERIES = 2**16
_SAMPLE = 2**14


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
        _check_k(k, target)
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


@dataclass(frozen=True)
class HNSWSearch:
    """Follows a graph of near rows from coarse to fine (`HNSW
    <https://arxiv.org/abs/1603.09320>`_, by `faiss
    <https://github.com/facebookresearch/faiss>`_): it compares each row with a few
    thousand others and misses few of the nearest.

    Rows of more channels are searched by their projection, and what is found is ordered
    by the cosines of the rows themselves. With one thread
    (``faiss.omp_set_num_threads``), the same rows give the same result.

    Args:
        num_links (int, optional): Neighbours of a row in the graph.
            (default: :obj:`32`)
        ef_construction (int, optional): Rows kept in view while the graph is built.
            (default: :obj:`40`)
        ef_search (int, optional): Rows kept in view while it is searched, at least as
            many as are asked for. (default: :obj:`100`)
        channels (int, optional): Most channels of the rows in the graph.
            (default: :obj:`384`)
        seed (int, optional): Seed of the graph and the projection.
            (default: :obj:`0`)

    Raises:
        ImportError: If faiss is not installed.
        ValueError: If an option is not positive.
    """

    num_links: int = 32
    ef_construction: int = 40
    ef_search: int = 100
    channels: int = 384
    seed: int = 0
    name: ClassVar[str] = "hnsw"

    def __post_init__(self) -> None:
        for option in ("num_links", "ef_construction", "ef_search", "channels"):
            check_neighbors(option, getattr(self, option))
        import_faiss()

    def nearest(self, source: Tensor, target: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """See :meth:`Search.nearest`."""
        faiss = import_faiss()
        sides = UnitRows.of_sides(source, target)
        _check_k(k, target)
        projection = _Projection.of(sides, self.channels, self.seed)
        index = faiss.IndexHNSWFlat(
            projection.channels, self.num_links, faiss.METRIC_INNER_PRODUCT
        )
        index.hnsw.rng = faiss.RandomGenerator(self.seed)
        index.hnsw.efConstruction = self.ef_construction
        wider = k if projection.is_whole else min(2 * k, len(target))
        index.hnsw.efSearch = max(self.ef_search, wider)
        # Rows of length zero are far from everything and would link at random.
        there = _nonzero(sides[1])
        for rows in there.split(_QUERIES):
            index.add(projection(sides[1][rows]))
        return _searched(index, sides, projection, there, k, wider)

    def swapped(self) -> HNSWSearch:
        """See :meth:`Search.swapped`."""
        return self


@dataclass(frozen=True)
class IVFSearch:
    r"""Groups target rows into cells around centres (`faiss
    <https://github.com/facebookresearch/faiss>`_, ``IndexIVFFlat``); a source row is
    compared only with those in the nearest cells.

    Args:
        num_cells (int, optional): Number of cells. (default: about
            :math:`4 \sqrt{M}`)
        num_probes (int, optional): Number of cells searched per source row; if all are,
            the search is exact. (default: :obj:`16`)
        channels (int, optional): Most channels of the rows in the cells.
            (default: :obj:`384`)
        seed (int, optional): Seed of the centres and the projection.
            (default: :obj:`0`)

    Raises:
        ImportError: If faiss is not installed.
        ValueError: If an option is not positive.
    """

    num_cells: int | None = None
    num_probes: int = 16
    channels: int = 384
    seed: int = 0
    name: ClassVar[str] = "ivf"

    def __post_init__(self) -> None:
        for option in ("num_probes", "channels"):
            check_neighbors(option, getattr(self, option))
        import_faiss()

    def nearest(self, source: Tensor, target: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """See :meth:`Search.nearest`."""
        faiss = import_faiss()
        sides = UnitRows.of_sides(source, target)
        _check_k(k, target)
        num_rows, num_cells = len(target), self.num_cells
        if num_cells is None:
            num_cells = max(1, min(round(4 * num_rows**0.5), num_rows // 39))
        if not 1 <= num_cells <= num_rows:
            raise ValueError(
                f"num_cells must lie between 1 and the {num_rows} rows of z_target, "
                f"got {num_cells}"
            )
        projection = _Projection.of(sides, self.channels, self.seed)
        width = projection.channels
        centres, metric = faiss.IndexFlatIP(width), faiss.METRIC_INNER_PRODUCT
        index = faiss.IndexIVFFlat(centres, width, num_cells, metric)
        index.cp.seed = self.seed
        index.cp.spherical = True  # Centres have unit length, like the rows.
        # Below this number of rows per cell, faiss prints a warning.
        index.cp.min_points_per_centroid = 1
        most = num_cells * index.cp.max_points_per_centroid
        generator = torch.Generator().manual_seed(self.seed)
        rows = torch.arange(num_rows)
        if num_rows > most:
            rows = torch.randperm(num_rows, generator=generator)[:most].sort()[0]
        index.train(projection(sides[1][rows.to(target.device)]))
        every = torch.arange(num_rows, device=target.device)
        for rows in every.split(_QUERIES):
            index.add(projection(sides[1][rows]))
        index.nprobe = min(self.num_probes, num_cells)
        wider = k if projection.is_whole else min(2 * k, num_rows)
        return _searched(index, sides, projection, every, k, wider)

    def swapped(self) -> IVFSearch:
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
        _check_k(k, target)
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


def import_faiss() -> Any:
    """Imports faiss.

    Raises:
        ImportError: If it is not installed; the message says how to go on.
    """
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            'approximate search needs faiss: pip install "pyg_ibmea[faiss]", or '
            "compare all pairs with search='exact'"
        ) from error
    return faiss


class _Projection:
    """Rows as faiss takes them, of fewer channels where there are many.

    The channels are the principal axes of a sample of both sides, or random ones where
    a sample has fewer rows than are needed for axes.
    """

    def __init__(self, axes: Tensor | None, channels: int) -> None:
        self.axes, self.channels = axes, channels

    @property
    def is_whole(self) -> bool:
        """Whether the rows stay as they are."""
        return self.axes is None

    @classmethod
    def of(
        cls, sides: tuple[UnitRows, UnitRows], channels: int, seed: int
    ) -> _Projection:
        width = sides[0].z.size(1)
        if width <= channels:
            return cls(None, width)
        generator = torch.Generator().manual_seed(seed)
        sample = torch.cat([_sample(side, generator) for side in sides]).double()
        if len(sample) < 2 * width:
            axes = torch.randn(width, channels, generator=generator)
        else:
            axes = torch.linalg.eigh(sample.t() @ sample)[1][:, -channels:].float()
        return cls(axes, channels)

    def __call__(self, unit: Tensor) -> Any:
        """Rows of unit length as a float32 array."""
        rows = unit.float().cpu()
        if self.axes is not None:
            rows = F.normalize(rows @ self.axes)
        return rows.contiguous().numpy()


def _sample(side: UnitRows, generator: torch.Generator) -> Tensor:
    """Some rows of a side, on the CPU."""
    rows = torch.randint(len(side), (min(_SAMPLE, len(side)),), generator=generator)
    return side[rows.sort()[0].to(side.z.device)].cpu()


def _nonzero(side: UnitRows) -> Tensor:
    """The rows that are not zero, all if none is."""
    there = torch.cat([side.z[rows].any(dim=1) for rows in ranges(len(side), _QUERIES)])
    found = there.nonzero().view(-1)
    every = torch.arange(len(side), device=found.device)
    return found if found.numel() else every


def _searched(
    index: Any,
    sides: tuple[UnitRows, UnitRows],
    projection: _Projection,
    there: Tensor,
    k: int,
    wider: int,
) -> tuple[Tensor, Tensor]:
    """The results of a faiss index that holds the target rows ``there``."""
    source, device = sides[0], sides[0].z.device
    score = torch.empty(len(source), k, dtype=source.dtype, device=device)
    column = torch.empty_like(score, dtype=torch.int32)
    for rows in ranges(len(source), _QUERIES):
        unit = source[rows]
        cosines, places = index.search(projection(unit), wider)
        value = torch.from_numpy(cosines).to(score)
        place = torch.from_numpy(places).to(device)
        found = torch.where(place >= 0, there[place], -1)
        value.masked_fill_(place < 0, -torch.inf)
        # The cosine of a row of length zero is 0 to all: the first of them win.
        zero = (~unit.any(dim=1)).nonzero().view(-1)
        value[zero], found[zero] = 0.0, torch.arange(wider, device=device)
        if not projection.is_whole:
            value = _cosines_of(unit, sides[1], found)
        # As everywhere, the lower of two rows that tie comes first.
        found, order = found.sort(dim=1)
        value, again = value.gather(1, order).sort(dim=1, descending=True, stable=True)
        score[rows] = value[:, :k]
        column[rows] = found.gather(1, again)[:, :k].to(torch.int32)
    return score, column


def _cosines_of(unit: Tensor, other: UnitRows, columns: Tensor) -> Tensor:
    """The cosines of unit rows ``[n, C]`` to some rows of the other side each, ``[n,
    k]``; ``-inf`` where there is none.
    """
    cosine = unit.new_empty(columns.shape)
    some = max(1, 2**21 // (columns.size(1) * unit.size(1)))
    for start in range(0, len(unit), some):
        chosen = columns[start : start + some]
        rows = other[chosen.clamp(min=0).view(-1)].view(*chosen.shape, -1)
        part = unit[start : start + some, :, None]
        cosine[start : start + some] = torch.bmm(rows, part).squeeze(2)
    return cosine.masked_fill_(columns < 0, -torch.inf)


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


def _check_k(k: int, target: Tensor) -> None:
    """Raises ValueError unless so many target rows can be found."""
    if not 1 <= k <= len(target):
        raise ValueError(
            f"k must lie between 1 and the {len(target)} rows of z_target, got {k}"
        )
