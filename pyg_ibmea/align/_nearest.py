"""Candidate pairs: the nearest rows of each side."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_ibmea.align._best import top_columns
from pyg_ibmea.align._blocks import cosine_blocks
from pyg_ibmea.align._bonus import Bonus


def nearest_pairs(
    source: Tensor,
    target: Tensor,
    k: int,
    block_size: int | None = None,
    bonus: Bonus | None = None,
) -> tuple[Tensor, Tensor]:
    """Finds the ``k`` nearest rows of the other side for every row of both sides.

    All pairs are compared twice, once from each side: updating the best of the columns
    block by block would take longer than the second product.

    Args:
        source (torch.Tensor): Unit rows ``[N, C]``.
        target (torch.Tensor): Unit rows ``[M, C]``.
        k (int): Number of nearest rows; all if the other side has fewer.
        block_size (int, optional): See :func:`cosine_blocks`. (default: :obj:`None`)
        bonus (Bonus, optional): Added to the cosines of some pairs.
            (default: :obj:`None`)

    Returns:
        tuple: The pairs, long ``[2, L]``, ascending and without duplicates, and their
        cosines including the bonus, ``[L]``.
    """
    width = target.size(0)
    keys, found = [], []
    turned = None if bonus is None else bonus.t()
    for swap, (side, other, added) in enumerate(
        ((source, target, bonus), (target, source, turned))
    ):
        for rows, cosine in cosine_blocks(side, other, block_size, added):
            score, column = top_columns(cosine, min(k, other.size(0)))
            row = torch.arange(rows.start, rows.stop, device=source.device)[:, None]
            key = column * width + row if swap else row * width + column
            keys.append(key.view(-1))
            found.append(score.view(-1))
    key, inverse = torch.unique(torch.cat(keys), return_inverse=True)
    similarity = torch.empty_like(key, dtype=source.dtype)
    similarity[inverse] = torch.cat(found)
    return torch.stack([key // width, key % width]), similarity
