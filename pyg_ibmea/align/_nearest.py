"""The pairs of rows that are worth comparing."""

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
    """The ``k`` nearest of every row of either side.

    All pairs are compared twice, once from either side: to keep the best of the columns
    up to date, block by block, takes longer than the products.

    Args:
        source: Unit rows ``[N, C]``.
        target: Unit rows ``[M, C]``.
        k: Rows of the other side; all where it has fewer.
        block_size: Most rows in a block; ``None`` keeps a block near 64 MiB.
        bonus: What is added to the cosines of some pairs.

    Returns:
        The pairs, long ``[2, L]``, ascending and without repeats, and their cosines
        with the bonus, ``[L]``.
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
