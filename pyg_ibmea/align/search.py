"""Exact search for the best candidates."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_ibmea.align._best import top_columns
from pyg_ibmea.align._blocks import unit_sides
from pyg_ibmea.align._decoders import Decoder, score_blocks


@torch.no_grad()
def topk(
    z_source: Tensor,
    z_target: Tensor,
    k: int,
    decoder: Decoder = "cosine",
    csls_k: int = 3,
    block_size: int | None = None,
    sinkhorn_temperature: float = 0.05,
    bonus: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Finds the :obj:`k` best target rows of every source row, exactly.

    Scores that are equal to the last bit are taken in the order of their target
    rows, lowest first. (Identical target rows may still differ in the last bit,
    depending on where they fall in the matrix product.)

    Args:
        z_source: Source embeddings :obj:`[N, C]`, any scale: rows are brought to
            unit length, zero rows score as cosine 0 to everything.
        z_target: Target embeddings :obj:`[M, C]`.
        k: Candidates a source row, at most :obj:`M`.
        decoder: Score, :obj:`"cosine"`, :obj:`"csls"` (see :func:`csls`) or
            :obj:`"sinkhorn"` (cosine and potentials of :func:`sinkhorn`).
            (default: :obj:`"cosine"`)
        csls_k: Neighbours in the CSLS means; all where a side has fewer rows.
            (default: :obj:`3`)
        block_size: Most source rows scored at once; :obj:`None` keeps a block near
            64 MiB. (default: :obj:`None`)
        sinkhorn_temperature: Temperature of :func:`sinkhorn`.
            (default: :obj:`0.05`)
        bonus: What is added to the cosines of some pairs before anything else, sparse
            :obj:`[N, M]`, such as :func:`neighborhood_agreement` gives.
            (default: :obj:`None`)

    Returns:
        Scores :obj:`[N, k]`, sorted descending, and target rows :obj:`[N, k]`.

    Raises:
        ValueError: If a side is no finite, floating, non-empty matrix, the channels
            or devices differ, or an option is out of range.

    Example:
        >>> z_target = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> scores, candidates = topk(torch.tensor([[0.0, 2.0]]), z_target, k=2)
        >>> candidates
        tensor([[1, 2]])
    """
    source, target = unit_sides(z_source, z_target)
    if not 1 <= k <= target.size(0):
        raise ValueError(
            f"k must lie between 1 and the {target.size(0)} rows of z_target, got {k}."
        )
    scores = source.new_empty(source.size(0), k)
    candidates = torch.empty_like(scores, dtype=torch.long)
    options = (decoder, csls_k, sinkhorn_temperature, block_size, bonus)
    for rows, block in score_blocks(source, target, *options):
        scores[rows], candidates[rows] = top_columns(block, k)
    return scores, candidates
