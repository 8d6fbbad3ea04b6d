"""Exact search for the best candidates."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_ibmea.align._best import top_columns
from pyg_ibmea.align.decoders import Decoder, Similarity, score_blocks


@torch.no_grad()
def topk(
    z_source: Tensor,
    z_target: Tensor,
    k: int,
    decoder: Decoder | str = "cosine",
    block_size: int | None = None,
    bonus: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Finds the ``k`` best target rows of every source row, exactly.

    Scores that are equal to the last bit are ordered by target row, lowest first. (The
    scores of identical target rows may still differ in the last bit, depending on where
    the rows fall in the matrix product.)

    Args:
        z_source (torch.Tensor): Source embeddings ``[N, C]``, of any scale: rows are
            scaled to unit length, and zero rows have cosine 0 to everything.
        z_target (torch.Tensor): Target embeddings ``[M, C]``.
        k (int): Number of candidates per source row, at most ``M``.
        decoder (Decoder or str, optional): How cosines become scores: :class:`Cosine`,
            :class:`CSLS`, :class:`Sinkhorn`, your own :class:`Decoder`, or a built-in
            one with its defaults by its name in lower case. (default: :obj:`'cosine'`)
        block_size (int, optional): Maximum number of source rows scored at once;
            :obj:`None` keeps a block near 64 MiB. (default: :obj:`None`)
        bonus (torch.Tensor, optional): Sparse ``[N, M]``; added to the cosines of some
            pairs before anything else, e.g. the result of
            :func:`neighborhood_agreement`. (default: :obj:`None`)

    Returns:
        tuple: Scores ``[N, k]``, sorted descending, and target rows ``[N, k]``.

    Raises:
        ValueError: If a side is not a finite, non-empty floating-point matrix, channels
            or devices differ, or an option is out of range.

    Example:
        >>> z_target = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> scores, candidates = topk(torch.tensor([[0.0, 2.0]]), z_target, k=2)
        >>> candidates
        tensor([[1, 2]])
    """
    similarity = Similarity.of(z_source, z_target, bonus, block_size)
    num_rows, num_targets = similarity.shape
    if not 1 <= k <= num_targets:
        raise ValueError(
            f"k must lie between 1 and the {num_targets} rows of z_target, got {k}"
        )
    scores = similarity.source.new_empty(num_rows, k)
    candidates = torch.empty_like(scores, dtype=torch.long)
    for rows, block in score_blocks(similarity, decoder):
        scores[rows], candidates[rows] = top_columns(block, k)
    return scores, candidates
