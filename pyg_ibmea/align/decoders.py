"""Decoders: how cosines become the scores by which matches are chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

from pyg_ibmea.align._blocks import (
    check_neighbors,
    check_sides,
    cosine_blocks,
    pair_cosines,
    unit_sides,
)
from pyg_ibmea.align._bonus import Bonus
from pyg_ibmea.align._nearest import Nearest, nearest_candidates
from pyg_ibmea.align._unit_chunks import UnitRows, chunked_blocks, chunked_cosines
from pyg_ibmea.align.candidates import (
    Candidates,
    compares_all,
    default_candidates,
    find_candidates,
)
from pyg_ibmea.align.csls import RunningNeighborhoods
from pyg_ibmea.align.sinkhorn import (
    SinkhornPotentials,
    check_sinkhorn_options,
    num_kept,
    potentials,
    scale_candidates,
)


@dataclass(frozen=True, eq=False)
class Similarity:
    """The cosines of two sides, never held in memory beyond one block.

    Attributes:
        source (torch.Tensor): Unit rows ``[N, C]``; with ``candidates`` of any scale
            and floating-point type.
        target (torch.Tensor): The same of the target rows, ``[M, C]``.
        bonus (torch.Tensor, optional): Added to the cosines of some pairs, sparse
            ``[N, M]``. (default: :obj:`None`)
        block_size (int, optional): Maximum number of source rows in a block;
            :obj:`None` keeps a block near 64 MiB. (default: :obj:`None`)
        candidates (Candidates, optional): The pairs to choose among, with their cosines
            and the bonus; a decoder that reads them need not sweep over all pairs.
            (default: :obj:`None`, all)
    """

    source: Tensor
    target: Tensor
    bonus: Tensor | None = None
    block_size: int | None = None
    candidates: Candidates | None = None

    @classmethod
    def of(
        cls,
        z_source: Tensor,
        z_target: Tensor,
        bonus: Tensor | None = None,
        block_size: int | None = None,
        candidates: Candidates | None = None,
        least_candidates: int = 1,
    ) -> Similarity:
        """Checks the embeddings of both sides and scales their rows to unit length, or
        finds the candidates where there are too many pairs.

        Args:
            z_source (torch.Tensor): Source embeddings ``[N, C]``, of any scale; a zero
                row has cosine 0 to everything.
            z_target (torch.Tensor): Target embeddings ``[M, C]``.
            bonus (torch.Tensor, optional): See :class:`Similarity`.
                (default: :obj:`None`)
            block_size (int, optional): See :class:`Similarity`. (default: :obj:`None`)
            candidates (Candidates, optional): What :func:`find_candidates` gave for
                these embeddings; the bonus is added to it. (default: all pairs, or
                those of :func:`find_candidates` for more than 60,000 rows on both
                sides)
            least_candidates (int, optional): Fewest nearest rows to ask for, where
                there are too many pairs. (default: :obj:`1`)

        Raises:
            ImportError: If candidates are to be found by a search that needs faiss,
                which is not installed.
            ValueError: If a side is not a finite, non-empty floating-point matrix, or
                channels, devices, the bonus or the candidates do not fit.
        """
        sides = z_source, z_target
        fits = z_source.dim() == z_target.dim() == 2
        size = (len(z_source), len(z_target)) if fits else (0, 0)
        if candidates is None and compares_all(size):
            similarity = cls(*unit_sides(*sides), bonus, block_size)
            _ = similarity.added  # Check the bonus before anything is computed.
            return similarity
        check_sides(*sides)
        added = Bonus.of(bonus, *sides)
        if candidates is None:
            k = max(least_candidates, default_candidates(size))
            candidates = find_candidates(*sides, k)
        elif candidates.size != size:
            raise ValueError(
                f"candidates are of {candidates.size} rows, but z_source and z_target "
                f"have {size}"
            )
        return cls(*sides, bonus, block_size, candidates.with_bonus(added, *sides))

    @cached_property
    def added(self) -> Bonus | None:
        """The bonus in the order of source rows, converted once."""
        return Bonus.of(self.bonus, self.source, self.target)

    @cached_property
    def _nearest(self) -> dict[int, Nearest]:
        return {}

    def nearest(self, k: int) -> Nearest:
        """The ``k`` nearest rows of the other side for every row of both sides: found
        in one sweep over the cosines, and kept.

        Raises:
            ValueError: If the block size is not positive.
        """
        if k not in self._nearest:
            sides = self.source, self.target
            found = nearest_candidates(*sides, k, self.block_size, self.added)
            self._nearest[k] = found
        return self._nearest[k]

    def known_nearest(self, k: int = 1) -> Nearest | None:
        """What :meth:`nearest` has found for at least this ``k``."""
        return next((c for n, c in self._nearest.items() if n >= k), None)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of source and target rows."""
        return self.source.size(0), self.target.size(0)

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Yields the cosines of all pairs, a block of source rows at a time.

        Yields:
            tuple: The source rows as a slice, and their cosines ``[B, M]``. The caller
            may overwrite them; the next block does.

        Raises:
            ValueError: If the block size is not positive.
        """
        if self.candidates is None:
            return cosine_blocks(self.source, self.target, self.block_size, self.added)
        return self._chunked_blocks()

    def of_rows(self, rows: Tensor) -> Similarity:
        """The cosines of some source rows, ascending, long ``[n]``."""
        if len(rows) == len(self.source):
            return self
        bonus = self.bonus
        if bonus is not None:
            bonus = bonus.to_sparse_coo().index_select(0, rows)
        return Similarity(self.source[rows], self.target, bonus, self.block_size)

    def of_pairs(self, pairs: Tensor) -> Tensor:
        """The cosines of pairs, long ``[2, L]``, as ``[L]``."""
        if self.candidates is None:
            return pair_cosines(self.source, self.target, pairs, self.added)
        cosine = chunked_cosines(*self.unit_rows, pairs)
        return cosine if self.added is None else cosine + self.added.of_pairs(pairs)

    @property
    def unit_rows(self) -> tuple[UnitRows, UnitRows]:
        """The unit rows of both sides, made where they are asked for."""
        dtype = torch.promote_types(self.source.dtype, self.target.dtype)
        dtype = torch.promote_types(dtype, torch.float32)
        return UnitRows(self.source, dtype), UnitRows(self.target, dtype)

    def _chunked_blocks(self) -> Iterator[tuple[slice, Tensor]]:
        for rows, cosine in chunked_blocks(*self.unit_rows, self.block_size):
            if self.added is not None:
                self.added.add_(cosine, rows)
            yield rows, cosine


class Scoring(NamedTuple):
    """The scores of all pairs as ``factor * cos + source + target``.

    Attributes:
        factor (float): Factor of all cosines. (default: :obj:`1.0`)
        source (torch.Tensor, optional): Offset of every source row, ``[N]``.
            (default: zeros)
        target (torch.Tensor, optional): Offset of every target row, ``[M]``.
            (default: zeros)
        only_candidates (bool, optional): Whether all pairs but the candidates count as
            impossible, whatever their cosines. (default: :obj:`False`)
    """

    factor: float = 1.0
    source: Tensor | None = None
    target: Tensor | None = None
    only_candidates: bool = False

    def apply_(self, cosine: Tensor, rows: slice | Tensor) -> Tensor:
        """Turns cosines ``[B, M]`` of some source rows into scores, in place."""
        if self.factor != 1.0:
            cosine.mul_(self.factor)
        if self.source is not None:
            cosine.add_(self.source[rows, None])
        if self.target is not None:
            cosine.add_(self.target)
        return cosine

    def of_pairs(self, cosine: Tensor, pairs: Tensor) -> Tensor:
        """The scores of pairs ``[2, L]`` whose cosines are ``[L]``."""
        score = self.factor * cosine
        if self.source is not None:
            score = score + self.source[pairs[0]]
        if self.target is not None:
            score = score + self.target[pairs[1]]
        return score

    def of_candidates(self, candidates: Candidates) -> Tensor:
        """The scores of all candidates, ``[L]``."""
        score = self.factor * candidates.cosine
        sides = zip((self.source, self.target), candidates.pairs, strict=True)
        for offsets, rows in sides:
            if offsets is not None:
                score += offsets.index_select(0, rows)
        return score

    def swapped(self) -> Scoring:
        """The scoring with source and target swapped."""
        only = self.only_candidates
        return Scoring(self.factor, self.target, self.source, only)


class Decoder(Protocol):
    """The interface of objects that turn the cosines of two sides into scores.

    Attributes:
        name (str): Name of the decoder in results.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    def scoring(self, similarity: Similarity) -> Scoring:
        """Prepares the scores of all pairs.

        Args:
            similarity (Similarity): The cosines; a decoder may sweep over them as often
                as it needs.
        """
        ...


@dataclass(frozen=True)
class Cosine:
    """Cosines as scores.

    Example:
        >>> Cosine().name
        'cosine'
    """

    name: ClassVar[str] = "cosine"

    def scoring(self, similarity: Similarity) -> Scoring:
        """Leaves the cosines as they are."""
        return Scoring()


@dataclass(frozen=True)
class CSLS:
    r"""Cosines minus the mean cosines to the nearest rows of the other side, which
    lowers the scores of hubs; see :func:`~pyg_ibmea.align.csls`.

    Args:
        k (int, optional): Number of neighbours in the means; all if a side has fewer
            rows. (default: :obj:`3`)

    Raises:
        ValueError: If ``k`` is not positive.

    Example:
        >>> CSLS(k=10)
        CSLS(k=10)
    """

    k: int = 3
    name: ClassVar[str] = "csls"

    def __post_init__(self) -> None:
        check_neighbors("k", self.k)

    def scoring(self, similarity: Similarity) -> Scoring:
        """Finds the means in one sweep, or among the candidates or the nearest rows if
        they are known.
        """
        found = similarity.candidates
        if found is not None:
            both = (found.by_source, found.by_target)
            means = [side.mean_of_best(found.cosine, self.k) for side in both]
            return Scoring(2.0, -means[0], -means[1])
        source, target = similarity.source, similarity.target
        known = similarity.known_nearest(self.k)
        if known is not None:
            sides = known.source_nearest, known.target_nearest
            first, second = (-side[:, : self.k].mean(dim=1) for side in sides)
            return Scoring(2.0, first, second)
        neighborhoods = RunningNeighborhoods(source, target, self.k)
        for rows, cosine in similarity.blocks():
            neighborhoods.update(rows, cosine)
        source_means, target_means = neighborhoods.means()
        return Scoring(2.0, -source_means, -target_means)


@dataclass(frozen=True)
class Sinkhorn:
    r"""Cosines plus the potentials of Sinkhorn scaling, which assumes that counterparts
    are one to one; see :func:`~pyg_ibmea.align.sinkhorn`.

    Args:
        temperature (float, optional): :math:`\tau`; a lower value is closer to a hard
            assignment and converges more slowly. (default: :obj:`0.02`)
        num_iters (int, optional): Maximum number of iterations. (default: :obj:`20`)
        tolerance (float, optional): Relative error of the sums at which to stop.
            (default: :obj:`1e-3`)
        slack (float, optional): Cosine at which staying unmatched is as good as a
            counterpart; :obj:`None` turns this off. (default: :obj:`None`)
        num_candidates (int, optional): Number of entries kept for every row of each
            side, its nearest by cosine; :obj:`None` keeps all up to a total of
            :math:`2^{27}`, and 100 per row beyond. Where candidates are given, it is
            they that are kept. (default: :obj:`None`)

    Raises:
        ValueError: If an option is out of range.

    Example:
        >>> Sinkhorn(temperature=0.05).temperature
        0.05
    """

    temperature: float = 0.02
    num_iters: int = 20
    tolerance: float = 1e-3
    slack: float | None = None
    num_candidates: int | None = None
    name: ClassVar[str] = "sinkhorn"

    def __post_init__(self) -> None:
        check_sinkhorn_options(*self._options())

    def scoring(self, similarity: Similarity) -> Scoring:
        """Finds the potentials in one sweep over the cosines; none, if the pairs that
        they are found among are known.
        """
        found: SinkhornPotentials
        if similarity.candidates is not None:
            found = scale_candidates(similarity.candidates, *self._options()[:4])
        else:
            found = potentials(
                similarity.source,
                similarity.target,
                *self._options()[:-1],
                candidates=self.candidates(similarity),
                block_size=similarity.block_size,
                bonus=similarity.bonus,
            )
        only = similarity.candidates is not None
        return Scoring(1.0, found.source, found.target, only)

    def candidates(self, similarity: Similarity) -> Nearest | None:
        """The pairs among which the potentials are found; ``None`` if it is all, or the
        candidates of the similarity.

        Args:
            similarity (Similarity): The cosines, which keep them.
        """
        if similarity.candidates is not None:
            return None
        k = num_kept(*similarity.shape, self.num_candidates)
        return None if k is None else similarity.nearest(k)

    def probability(self, score: Tensor) -> Tensor:
        """The probabilities that pairs with these scores are counterparts."""
        return (score / self.temperature).exp()

    def _options(self) -> tuple[float, int, float, float | None, int | None]:
        return (
            self.temperature,
            self.num_iters,
            self.tolerance,
            self.slack,
            self.num_candidates,
        )


_SHORTCUTS: dict[str, Decoder] = {
    found.name: found for found in (Cosine(), CSLS(), Sinkhorn())
}


def as_decoder(decoder: Decoder | str) -> Decoder:
    """Returns a decoder as it is, or the one that a name stands for, with its defaults.

    Args:
        decoder (Decoder or str): A decoder, ``'cosine'``, ``'csls'`` or ``'sinkhorn'``.

    Raises:
        ValueError: If it is neither a decoder nor a known name.
    """
    if isinstance(decoder, str) and decoder in _SHORTCUTS:
        return _SHORTCUTS[decoder]
    if isinstance(decoder, str) or not callable(getattr(decoder, "scoring", None)):
        names = ", ".join(map(repr, _SHORTCUTS))
        raise ValueError(
            f"decoder must be one of {names} or an object with a method "
            f"scoring(similarity), got {decoder!r}"
        )
    return decoder


def score_blocks(
    similarity: Similarity, decoder: Decoder | str
) -> Iterator[tuple[slice, Tensor]]:
    """Yields the scores of all pairs, a block of source rows at a time.

    Args:
        similarity (Similarity): The cosines.
        decoder (Decoder or str): The decoder.

    Yields:
        tuple: The source rows as a slice, and their scores ``[B, M]``. The caller may
        overwrite them.

    Raises:
        ValueError: If the decoder is unknown, or its offsets do not fit the sides.
    """
    score = scores_of(similarity, decoder)
    for rows, cosine in similarity.blocks():
        yield rows, score.apply_(cosine, rows)


@torch.no_grad()
def scores_of(similarity: Similarity, decoder: Decoder | str) -> Scoring:
    """Runs :meth:`Decoder.scoring` and checks the result.

    Raises:
        ValueError: If the decoder is unknown, or its offsets do not fit the sides.
    """
    decoder = as_decoder(decoder)
    found = decoder.scoring(similarity)
    for side, offsets, size in zip(
        ("source", "target"),
        (found.source, found.target),
        similarity.shape,
        strict=True,
    ):
        if offsets is not None and tuple(offsets.shape) != (size,):
            raise ValueError(
                f"decoder {decoder.name!r} must give a {side} offset for each of the "
                f"{size} rows, got {list(offsets.shape)}"
            )
    return found
