"""Scores of all candidates by decoder, one block of source rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

from torch import Tensor

from pyg_ibmea.align._blocks import check_neighbors, cosine_blocks
from pyg_ibmea.align.csls import RunningNeighborhoods, csls_

Decoder = Literal["cosine", "csls"]


def check_decoder(decoder: str, csls_k: int) -> None:
    """Raises ValueError for an unknown decoder or a neighbourhood below 1."""
    if decoder not in get_args(Decoder):
        raise ValueError(f"decoder must be 'cosine' or 'csls', got {decoder!r}.")
    check_neighbors("csls_k", csls_k)


def score_blocks(
    source: Tensor,
    target: Tensor,
    decoder: Decoder,
    csls_k: int,
    block_size: int | None,
) -> Iterator[tuple[slice, Tensor]]:
    r"""Yields the scores of all pairs, a block of source rows at a time.

    Args:
        source: Unit rows :obj:`[N, C]`.
        target: Unit rows :obj:`[M, C]`.
        decoder: :obj:`"cosine"` (one sweep) or :obj:`"csls"` (two sweeps).
        csls_k: Neighbours in the CSLS means.
        block_size: Most source rows in a block, :obj:`B`; :obj:`None` keeps a block
            near 64 MiB.

    Yields:
        The source rows as a slice, and their scores :obj:`[B, M]`, which the caller
        may overwrite.

    Raises:
        ValueError: If the decoder, :obj:`csls_k` or :obj:`block_size` is illegal.
    """
    check_decoder(decoder, csls_k)
    if decoder == "cosine":
        yield from cosine_blocks(source, target, block_size)
        return
    neighborhoods = RunningNeighborhoods(source, target, csls_k)
    for rows, cosine in cosine_blocks(source, target, block_size):
        neighborhoods.update(rows, cosine)
    source_means, target_means = neighborhoods.means()
    for rows, cosine in cosine_blocks(source, target, block_size):
        yield rows, csls_(cosine, source_means[rows], target_means)
