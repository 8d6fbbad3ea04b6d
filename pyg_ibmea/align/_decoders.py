"""Scores of all candidates by decoder, one block of source rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

from torch import Tensor

from pyg_ibmea.align._blocks import check_neighbors, cosine_blocks
from pyg_ibmea.align._bonus import Bonus
from pyg_ibmea.align.csls import RunningNeighborhoods
from pyg_ibmea.align.sinkhorn import check_temperature, sinkhorn

Decoder = Literal["cosine", "csls", "sinkhorn"]


class Scoring(NamedTuple):
    """How a decoder turns cosines into scores: ``factor * cos + source + target``.

    Attributes:
        factor: The same for all pairs.
        source: An offset for every source row, ``[N]``; ``None`` for zeros.
        target: An offset for every target row, ``[M]``; ``None`` for zeros.
    """

    factor: float = 1.0
    source: Tensor | None = None
    target: Tensor | None = None

    def apply_(self, cosine: Tensor, rows: slice | Tensor) -> Tensor:
        """Turns cosines ``[B, M]`` of some source rows into scores, in place."""
        if self.source is None or self.target is None:
            return cosine
        return cosine.mul_(self.factor).add_(self.source[rows, None]).add_(self.target)

    def of_pairs(self, cosine: Tensor, pairs: Tensor) -> Tensor:
        """The scores of pairs ``[2, L]`` with these cosines ``[L]``."""
        if self.source is None or self.target is None:
            return cosine
        return self.factor * cosine + self.source[pairs[0]] + self.target[pairs[1]]

    def swapped(self) -> Scoring:
        """The same with source and target exchanged."""
        return Scoring(self.factor, self.target, self.source)


def scoring(
    source: Tensor,
    target: Tensor,
    decoder: Decoder,
    csls_k: int,
    sinkhorn_temperature: float,
    block_size: int | None,
    bonus: Tensor | None = None,
) -> Scoring:
    r"""Prepares a decoder for two sides.

    Args:
        source: Unit rows :obj:`[N, C]`.
        target: Unit rows :obj:`[M, C]`.
        decoder: :obj:`"cosine"`, :obj:`"csls"` (one sweep over all pairs) or
            :obj:`"sinkhorn"` (one sweep, and what :func:`sinkhorn` holds).
        csls_k: Neighbours in the CSLS means.
        sinkhorn_temperature: Temperature of :func:`sinkhorn`.
        block_size: Most source rows in a block; :obj:`None` keeps a block near
            64 MiB.
        bonus: Sparse :obj:`[N, M]`, added to the cosines.

    Raises:
        ValueError: If an option is illegal.
    """
    if decoder not in get_args(Decoder):
        names = ", ".join(map(repr, get_args(Decoder)))
        raise ValueError(f"decoder must be one of {names}, got {decoder!r}.")
    check_neighbors("csls_k", csls_k)
    check_temperature("sinkhorn_temperature", sinkhorn_temperature)
    if decoder == "cosine":
        return Scoring()
    if decoder == "sinkhorn":
        potentials = sinkhorn(
            source, target, sinkhorn_temperature, block_size=block_size, bonus=bonus
        )
        return Scoring(1.0, potentials.source, potentials.target)
    neighborhoods = RunningNeighborhoods(source, target, csls_k)
    added = Bonus.of(bonus, source, target)
    for rows, cosine in cosine_blocks(source, target, block_size, added):
        neighborhoods.update(rows, cosine)
    source_means, target_means = neighborhoods.means()
    return Scoring(2.0, -source_means, -target_means)


def score_blocks(
    source: Tensor,
    target: Tensor,
    decoder: Decoder,
    csls_k: int,
    sinkhorn_temperature: float,
    block_size: int | None,
    bonus: Tensor | None = None,
) -> Iterator[tuple[slice, Tensor]]:
    r"""Yields the scores of all pairs, a block of source rows at a time.

    Args: As for :func:`scoring`.

    Yields:
        The source rows as a slice, and their scores :obj:`[B, M]`, which the caller
        may overwrite.
    """
    options = (decoder, csls_k, sinkhorn_temperature, block_size, bonus)
    score = scoring(source, target, *options)
    added = Bonus.of(bonus, source, target)
    for rows, cosine in cosine_blocks(source, target, block_size, added):
        yield rows, score.apply_(cosine, rows)
