"""Greedy alignment of every source row, with a confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from pyg_ibmea.align._best import top_columns
from pyg_ibmea.align.alignment import Alignment
from pyg_ibmea.align.candidates import Candidates
from pyg_ibmea.align.decoders import (
    Decoder,
    Similarity,
    as_decoder,
    score_blocks,
    scores_of,
)
from pyg_ibmea.problem import Pair


@torch.no_grad()
def align_greedy(
    z_source: Tensor,
    z_target: Tensor,
    decoder: Decoder | str = "csls",
    temperature: float = 0.05,
    block_size: int | None = None,
    bonus: Tensor | None = None,
    uris: Mapping[str, Sequence[str]] | None = None,
    pair: Pair = ("source", "target"),
    candidates: Candidates | None = None,
) -> Alignment:
    r"""Aligns every source row independently with its best target row.

    A target row may be chosen more than once. At equal scores, the lower row is chosen.
    The confidence of the choice :math:`j^*` is

    .. math::
        p_i = \frac{\exp(s_{i j^*} / \tau)}{\sum_j \exp(s_{ij} / \tau)}

    It is uncalibrated: it ranks choices from ambiguous to clear, but a confidence of
    0.9 does not mean that nine in ten are right. It is low where there is no clear
    winner, not where there is no counterpart. Fit the temperature on validation pairs
    before reading it as a probability.

    Args:
        z_source (torch.Tensor): Source embeddings ``[N, C]``.
        z_target (torch.Tensor): Target embeddings ``[M, C]``.
        decoder (Decoder or str, optional): See :func:`topk`. (default: :obj:`'csls'`)
        temperature (float, optional): :math:`\tau`, in units of the score.
            (default: :obj:`0.05`)
        block_size (int, optional): See :func:`topk`. (default: :obj:`None`)
        bonus (torch.Tensor, optional): See :func:`topk`. (default: :obj:`None`)
        uris (dict, optional): The name of each row of both graphs.
            (default: the row numbers)
        pair (tuple, optional): Names of the two graphs.
            (default: :obj:`('source', 'target')`)
        candidates (Candidates, optional): See :func:`topk`; the sum is over the
            candidates, and rows that have none are left out. (default: :obj:`None`)

    Returns:
        Alignment: A match for every source row that has a candidate.

    Raises:
        ValueError: As for :func:`topk`.

    Example:
        >>> z_target = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> z_source = torch.tensor([[0.0, 3.0], [1.0, 1.0]])
        >>> alignment = align_greedy(z_source, z_target, decoder="cosine")
        >>> alignment.target, alignment.confidence.round(4)
        (array([1, 0]), array([1. , 0.5]))
    """
    similarity = Similarity.of(z_source, z_target, bonus, block_size, candidates)
    source = similarity.source
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature must be positive and finite, got {temperature}")
    num_rows, num_targets = similarity.shape
    width = min(2, num_targets)
    choice = torch.full((num_rows, 2), -1, device=source.device)
    score = source.new_empty(num_rows, width)
    confidence = source.new_empty(num_rows)
    chosen = torch.arange(num_rows, device=source.device)
    found = similarity.candidates
    if found is not None:
        scores = scores_of(similarity, decoder).of_candidates(found)
        score, place = found.by_source.best(scores, width)
        sums = found.by_source.log_sum_exp(scores / temperature)
        confidence = (score[:, 0] / temperature - sums).exp().clamp_(max=1)
        choice[:, :width] = found.column_at(place)
        score = torch.where(place < 0, score[:, :1], score)
        chosen = chosen[choice[:, 0] >= 0]
        choice, score, confidence = choice[chosen], score[chosen], confidence[chosen]
    else:
        for rows, block in score_blocks(similarity, decoder):
            score[rows], choice[rows, :width] = top_columns(block, k=width)
            # Relative to the best score, the best is 1 and no exponential overflows.
            relative = block.sub_(score[rows, :1]).div_(temperature).exp_()
            confidence[rows] = relative.sum(dim=1).reciprocal()
    names = dict(zip(pair, similarity.shape, strict=True))
    return Alignment.of_pair(
        pair,
        chosen,
        choice[:, 0],
        score[:, 0],
        score[:, 0] - score[:, -1],
        confidence,
        choice[:, 1],
        uris or {kg: [str(i) for i in range(size)] for kg, size in names.items()},
        as_decoder(decoder).name,
        calibrated=False,
    )
