"""Approximate search along a graph of near rows, by faiss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_ibmea.align._blocks import check_neighbors
from pyg_ibmea.align._search_parts import QUERIES, best_first, check_k, nonzero_rows
from pyg_ibmea.align._unit_chunks import UnitRows
from pyg_ibmea.large import ranges

_SAMPLE = 2**14


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
        check_k(k, target)
        projection = _Projection.of(sides, self.channels, self.seed)
        index = faiss.IndexHNSWFlat(
            projection.channels, self.num_links, faiss.METRIC_INNER_PRODUCT
        )
        index.hnsw.rng = faiss.RandomGenerator(self.seed)
        index.hnsw.efConstruction = self.ef_construction
        wider = k if projection.is_whole else min(2 * k, len(target))
        index.hnsw.efSearch = max(self.ef_search, wider)
        # Rows of length zero are far from everything and would link at random.
        there = nonzero_rows(sides[1])
        for rows in there.split(QUERIES):
            index.add(projection(sides[1][rows]))
        return _searched(index, sides, projection, there, k, wider)

    def swapped(self) -> HNSWSearch:
        """See :meth:`Search.swapped`."""
        return self


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
    for rows in ranges(len(source), QUERIES):
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
        value, found = best_first(value, found)
        score[rows] = value[:, :k]
        column[rows] = found[:, :k].to(torch.int32)
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
