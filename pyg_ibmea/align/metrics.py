"""Ranking metrics of an alignment: Hits@k, mean rank, mean reciprocal rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pyg_ibmea.align.decoders import Decoder
from pyg_ibmea.align.ranks import Ranks, ranks


def ranking_metrics(
    z_source: Tensor,
    z_target: Tensor,
    decoder: Decoder | str = "csls",
    ks: Sequence[int] = (1, 10),
    pairs: Tensor | None = None,
    block_size: int | None = None,
    bonus: Tensor | None = None,
) -> dict[str, Any]:
    r"""Ranks every true counterpart among all rows of the other side.

    Ties take the expected value under random order: with :math:`g` candidates
    strictly better than the true counterpart and :math:`e` others tied with it,

    .. math::
        \mathrm{rank} = g + \tfrac{e}{2} + 1, \quad
        \mathrm{hits@}k = \min\left(1, \max\left(0, \tfrac{k - g}{e + 1}\right)
        \right), \quad
        \mathrm{rr} = \frac{H(g + e + 1) - H(g)}{e + 1}

    where :math:`H` are the harmonic numbers. Constant embeddings of :math:`N` rows
    so have Hits@k of :math:`k / N` and a mean rank of :math:`(N + 1) / 2`.

    Args:
        z_source: Source embeddings :obj:`[N, C]`.
        z_target: Target embeddings :obj:`[M, C]`.
        decoder (Decoder or str, optional): What makes scores of cosines:
            :class:`Cosine`, :class:`CSLS`, :class:`Sinkhorn`, one of your own, or a
            name in lower case for one of ours with its defaults.
            (default: :obj:`"csls"`)
        ks: Ranks up to which a hit counts. (default: :obj:`(1, 10)`)
        pairs: True pairs as rows of :obj:`z_source` and :obj:`z_target`, long
            :obj:`[2, L]`, many-to-one links included; every row that occurs is a
            query, ranked by its best true counterpart with its other ones removed.
            :obj:`None` pairs row i with row i. (default: :obj:`None`)
        block_size: Most source rows scored at once; :obj:`None` keeps a block near
            64 MiB. (default: :obj:`None`)
        bonus: What is added to the cosines of some pairs before anything else, sparse
            :obj:`[N, M]`, such as :func:`neighborhood_agreement` gives.
            (default: :obj:`None`)

    Returns:
        :obj:`hits@k` (share of the queries, 0 to 1) for every k, :obj:`mr` (from 1)
        and :obj:`mrr` (0 to 1) from source to target; the same of the other
        direction under :obj:`target_to_source`, and the averages of both directions
        under :obj:`mean`.

    Raises:
        ValueError: If a side is no finite, floating, non-empty matrix, the channels
            or devices differ, the pairs do not fit, or an option is out of range.

    Example:
        >>> z = torch.eye(4)
        >>> ranking_metrics(z, z.roll(1, dims=0), ks=(1,))["hits@1"]
        0.0
        >>> ranking_metrics(torch.ones(4, 2), torch.ones(4, 2), ks=(1,))["mean"]["mr"]
        2.5
    """
    if len(ks) == 0 or min(ks) < 1:
        raise ValueError(f"ks must be one or more ranks from 1 on, got {tuple(ks)}.")
    to_target, to_source = ranks(z_source, z_target, decoder, pairs, block_size, bonus)
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
