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
    cosine_blocks,
    pair_cosines,
    unit_sides,
)
from pyg_ibmea.align._bonus import Bonus
from pyg_ibmea.align._nearest import Candidates, nearest_candidates
from pyg_ibmea.align.csls import RunningNeighborhoods
from pyg_ibmea.align.sinkhorn import check_sinkhorn_options, num_kept, potentials


@dataclass(frozen=True, eq=False)
class Similarity:
    """The cosines of two sides, never held in memory beyond one block.

    Attributes:
        source (torch.Tensor): Unit rows ``[N, C]``.
        target (torch.Tensor): Unit rows ``[M, C]``.
        bonus (torch.Tensor, optional): Added to the cosines of some pairs, sparse
            ``[N, M]``. (default: :obj:`None`)
        block_size (int, optional): Maximum number of source rows in a block;
            :obj:`None` keeps a block near 64 MiB. (default: :obj:`None`)
    """

    source: Tensor
    target: Tensor
    bonus: Tensor | None = None
    block_size: int | None = None

    @classmethod
    def of(
        cls,
        z_source: Tensor,
        z_target: Tensor,
        bonus: Tensor | None = None,
        block_size: int | None = None,
    ) -> Similarity:
        """Checks the embeddings of both sides and scales their rows to unit length.

        Args:
            z_source (torch.Tensor): Source embeddings ``[N, C]``, of any scale; a zero
                row has cosine 0 to everything.
            z_target (torch.Tensor): Target embeddings ``[M, C]``.
            bonus (torch.Tensor, optional): See :class:`Similarity`.
                (default: :obj:`None`)
            block_size (int, optional): See :class:`Similarity`. (default: :obj:`None`)

        Raises:
            ValueError: If a side is not a finite, non-empty floating-point matrix, or
                channels, devices or the bonus do not fit.
        """
        similarity = cls(*unit_sides(z_source, z_target), bonus, block_size)
        _ = similarity.added  # Check the bonus before anything is computed.
        return similarity

    @cached_property
    def added(self) -> Bonus | None:
        """The bonus in the order of source rows, converted once."""
        return Bonus.of(self.bonus, self.source, self.target)

    @cached_property
    def _candidates(self) -> dict[int, Candidates]:
        return {}

    def nearest(self, k: int) -> Candidates:
        """The ``k`` nearest rows of the other side for every row of both sides: found
        in one sweep over the cosines, and kept.

        Raises:
            ValueError: If the block size is not positive.
        """
        if k not in self._candidates:
            sides = self.source, self.target
            found = nearest_candidates(*sides, k, self.block_size, self.added)
            self._candidates[k] = found
        return self._candidates[k]

    def known_nearest(self, k: int = 1) -> Candidates | None:
        """What :meth:`nearest` has found for at least this ``k``."""
        return next((c for n, c in self._candidates.items() if n >= k), None)

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
        return cosine_blocks(self.source, self.target, self.block_size, self.added)

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
        return pair_cosines(self.source, self.target, pairs, self.added)


class Scoring(NamedTuple):
    """The scores of all pairs as ``factor * cos + source + target``.

    Attributes:
        factor (float): Factor of all cosines. (default: :obj:`1.0`)
        source (torch.Tensor, optional): Offset of every source row, ``[N]``.
            (default: zeros)
        target (torch.Tensor, optional): Offset of every target row, ``[M]``.
            (default: zeros)
    """

    factor: float = 1.0
    source: Tensor | None = None
    target: Tensor | None = None

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

    def swapped(self) -> Scoring:
        """The scoring with source and target swapped."""
        return Scoring(self.factor, self.target, self.source)


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
        """Finds the means in one sweep, or among the nearest rows if they are known."""
        source, target = similarity.source, similarity.target
        known = similarity.known_nearest(self.k)
        if known is not None:
            sides = known.source_nearest, known.target_nearest
            return Scoring(2.0, *(-side[:, : self.k].mean(dim=1) for side in sides))
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
            :math:`2^{27}`, and 100 per row beyond. (default: :obj:`None`)

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
        """Finds the potentials in one sweep over the cosines; none, if the nearest rows
        that they are found among are known.
        """
        found = potentials(
            similarity.source,
            similarity.target,
            *self._options()[:-1],
            candidates=self.candidates(similarity),
            block_size=similarity.block_size,
            bonus=similarity.bonus,
        )
        return Scoring(1.0, found.source, found.target)

    def candidates(self, similarity: Similarity) -> Candidates | None:
        """The pairs among which the potentials are found; ``None`` if it is all.

        Args:
            similarity (Similarity): The cosines, which keep them.
        """
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
