"""Ranking metrics of an alignment: Hits@k, mean rank, mean reciprocal rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pyg_ibmea.align.candidates import Candidates
from pyg_ibmea.align.decoders import Decoder, Similarity
from pyg_ibmea.align.ranks import Ranks, ranks_of


def ranking_metrics(
    z_source: Tensor,
    z_target: Tensor,
    decoder: Decoder | str = "csls",
    ks: Sequence[int] = (1, 10),
    pairs: Tensor | None = None,
    block_size: int | None = None,
    bonus: Tensor | None = None,
    candidates: Candidates | None = None,
) -> dict[str, Any]:
    r"""Ranks every true counterpart among all rows of the other side.

    Ties take the expected value under random order: with :math:`g` candidates
    strictly better than the true counterpart and :math:`e` others tied with it,

    .. math::
        \mathrm{rank} = g + \tfrac{e}{2} + 1, \quad
        \mathrm{hits@}k = \min\left(1, \max\left(0, \tfrac{k - g}{e + 1}\right)
        \right), \quad
        \mathrm{rr} = \frac{H(g + e + 1) - H(g)}{e + 1}

    where :math:`H` are the harmonic numbers. Hence :math:`N` constant embeddings have
    Hits@k of :math:`k / N` and a mean rank of :math:`(N + 1) / 2`.

    Args:
        z_source (torch.Tensor): Source embeddings ``[N, C]``.
        z_target (torch.Tensor): Target embeddings ``[M, C]``.
        decoder (Decoder or str, optional): See :func:`topk`. (default: :obj:`'csls'`)
        ks (sequence of int, optional): Ranks up to which a counterpart counts as a hit.
            (default: :obj:`(1, 10)`)
        pairs (torch.Tensor, optional): True pairs as rows of ``z_source`` and
            ``z_target``, long ``[2, L]``, many-to-one links included. Every row that
            occurs is a query, ranked by its best true counterpart with the others
            removed. :obj:`None` pairs row i with row i. (default: :obj:`None`)
        block_size (int, optional): See :func:`topk`. (default: :obj:`None`)
        bonus (torch.Tensor, optional): See :func:`topk`. (default: :obj:`None`)
        candidates (Candidates, optional): See :func:`topk`; only what the decoder adds
            to the cosines is found among them. Every query is compared with all rows.
            (default: :obj:`None`)

    Returns:
        dict: ``hits@k`` (share of the queries, 0 to 1) for every k, ``mr`` (from 1) and
        ``mrr`` (0 to 1) from source to target; the same for the other direction under
        ``target_to_source``, and the averages of both under ``mean``.

    Raises:
        ValueError: As for :func:`topk`, or if the pairs do not fit the rows.

    Example:
        >>> z = torch.eye(4)
        >>> ranking_metrics(z, z.roll(1, dims=0), ks=(1,))["hits@1"]
        0.0
        >>> ranking_metrics(torch.ones(4, 2), torch.ones(4, 2), ks=(1,))["mean"]["mr"]
        2.5
    """
    similarity = Similarity.of(z_source, z_target, bonus, block_size, candidates)
    return metrics_of(similarity, decoder, ks, pairs)


def metrics_of(
    similarity: Similarity,
    decoder: Decoder | str,
    ks: Sequence[int] = (1, 10),
    pairs: Tensor | None = None,
) -> dict[str, Any]:
    """The metrics of :func:`ranking_metrics`, of cosines that may serve others, too."""
    if len(ks) == 0 or min(ks) < 1:
        raise ValueError(f"ks must be one or more ranks of at least 1, got {tuple(ks)}")
    to_target, to_source = ranks_of(similarity, decoder, pairs)
    forward = _expected_metrics(to_target, ks)
    backward = _expected_metrics(to_source, ks)
    mean = {name: (forward[name] + backward[name]) / 2 for name in forward}
    return {**forward, "target_to_source": backward, "mean": mean}


def _expected_metrics(counts: Ranks, ks: Sequence[int]) -> dict[str, float]:
    """Averages the expected metrics under random order of ties, in float64."""
    greater, tied = counts.greater.cpu(), counts.tied.cpu()
    metrics = {
        f"hits@{k}": float(((k - greater) / (tied + 1).double()).clamp(0, 1).mean())
        for k in ks
    }
    metrics["mr"] = float((greater + tied.double() / 2 + 1).mean())
    last = greater + tied + 1
    reciprocals = 1 / torch.arange(1, int(last.max()) + 1, dtype=torch.double)
    harmonic = torch.cat([reciprocals.new_zeros(1), reciprocals.cumsum(0)])
    reciprocal_rank = (harmonic[last] - harmonic[greater]) / (tied + 1)
    metrics["mrr"] = float(reciprocal_rank.mean())
    return metrics
