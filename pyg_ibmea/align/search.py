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
    r"""Finds the :obj:`k` best target rows of every source row, exactly.

    Scores that are equal to the last bit are taken in the order of their target
    rows, lowest first. (Identical target rows may still differ in the last bit,
    depending on where they fall in the matrix product.)

    Args:
        z_source: Source embeddings :obj:`[N, C]`, any scale: rows are brought to
            unit length, zero rows score as cosine 0 to everything.
        z_target: Target embeddings :obj:`[M, C]`.
        k: Candidates a source row, at most :obj:`M`.
        decoder (Decoder or str, optional): What makes scores of cosines:
            :class:`Cosine`, :class:`CSLS`, :class:`Sinkhorn`, one of your own, or a
            name in lower case for one of ours with its defaults.
            (default: :obj:`"cosine"`)
        block_size: Most source rows scored at once; :obj:`None` keeps a block near
            64 MiB. (default: :obj:`None`)
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
    similarity = Similarity.of(z_source, z_target, bonus, block_size)
    num_rows, num_targets = similarity.shape
    if not 1 <= k <= num_targets:
        raise ValueError(
            f"k must lie between 1 and the {num_targets} rows of z_target, got {k}."
        )
    scores = similarity.source.new_empty(num_rows, k)
    candidates = torch.empty_like(scores, dtype=torch.long)
    for rows, block in score_blocks(similarity, decoder):
        scores[rows], candidates[rows] = top_columns(block, k)
    return scores, candidates
