"""Search for the best candidates."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_ibmea.align._best import top_columns
from pyg_ibmea.align.candidates import Candidates
from pyg_ibmea.align.decoders import (
    Decoder,
    Scoring,
    Similarity,
    score_blocks,
    scores_of,
)


@torch.no_grad()
def topk(
    z_source: Tensor,
    z_target: Tensor,
    k: int,
    decoder: Decoder | str = "cosine",
    block_size: int | None = None,
    bonus: Tensor | None = None,
    candidates: Candidates | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Finds the ``k`` best target rows of every source row.

    Scores that are equal to the last bit are ordered by target row, lowest first. (The
    scores of identical target rows may still differ in the last bit, depending on where
    the rows fall in the matrix product.)

    All pairs are compared up to 60,000 rows on both sides. Beyond, or if they are
    given, only ``candidates`` are, here and in all functions that take them.

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
        candidates (Candidates, optional): The pairs to choose among, which
            :func:`find_candidates` gave for the same embeddings; those that have a
            bonus are added. (default: all, or those of :func:`find_candidates` for
            more than 60,000 rows on both sides)

    Returns:
        tuple: Scores ``[N, k]``, sorted descending, and target rows ``[N, k]``;
        ``-inf`` and -1 where a row has fewer candidates.

    Raises:
        ImportError: If candidates are to be found by a search that needs faiss, which
            is not installed.
        ValueError: If a side is not a finite, non-empty floating-point matrix, channels
            or devices differ, or an option is out of range.

    Example:
        >>> z_target = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> scores, candidates = topk(torch.tensor([[0.0, 2.0]]), z_target, k=2)
        >>> candidates
        tensor([[1, 2]])
    """
    options = (bonus, block_size, candidates)
    similarity = Similarity.of(z_source, z_target, *options, least_candidates=k)
    num_rows, num_targets = similarity.shape
    if not 1 <= k <= num_targets:
        raise ValueError(
            f"k must lie between 1 and the {num_targets} rows of z_target, got {k}"
        )
    if similarity.candidates is not None:
        return _topk_of(similarity.candidates, scores_of(similarity, decoder), k)
    scores = similarity.source.new_empty(num_rows, k)
    columns = torch.empty_like(scores, dtype=torch.long)
    for rows, block in score_blocks(similarity, decoder):
        scores[rows], columns[rows] = top_columns(block, k)
    return scores, columns


def _topk_of(candidates: Candidates, scoring: Scoring, k: int) -> tuple[Tensor, Tensor]:
    score = scoring.of_candidates(candidates)
    best, place = candidates.by_source.best(score, k)
    return best, candidates.column_at(place)
