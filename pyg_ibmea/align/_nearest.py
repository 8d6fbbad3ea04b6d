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
    """The ``k`` nearest of every row of either side, in one sweep over all pairs.

    Args:
        source: Unit rows ``[N, C]``.
        target: Unit rows ``[M, C]``.
        k: Rows of the other side; all where it has fewer.
        block_size: Most source rows in a block; ``None`` keeps a block near 64 MiB.
        bonus: What is added to the cosines of some pairs.

    Returns:
        The pairs, long ``[2, L]``, ascending and without repeats, and their cosines
        with the bonus, ``[L]``.
    """
    size = source.size(0), target.size(0)
    pairs, found = [], []
    best: tuple[Tensor, Tensor] | None = None  # Of every target row.
    for rows, cosine in cosine_blocks(source, target, block_size, bonus):
        score, column = top_columns(cosine, min(k, size[1]))
        ids = torch.arange(rows.start, rows.stop, device=source.device)
        pairs.append((ids[:, None] * size[1] + column).view(-1))
        found.append(score.view(-1))
        score, row = top_columns(cosine.t().contiguous(), min(k, ids.numel()))
        row += rows.start
        if best is not None:
            # Rows of earlier blocks are lower and stand first, as at other ties.
            both, row_of = torch.cat([best[0], score], 1), torch.cat([best[1], row], 1)
            score, place = top_columns(both, min(k, both.size(1)))
            row = row_of.gather(1, place)
        best = score, row
    assert best is not None
    columns = torch.arange(size[1], device=source.device)
    pairs.append((best[1] * size[1] + columns[:, None]).view(-1))
    found.append(best[0].view(-1))
    key, inverse = torch.unique(torch.cat(pairs), return_inverse=True)
    similarity = torch.empty_like(key, dtype=source.dtype)
    similarity[inverse] = torch.cat(found)
    return torch.stack([key // size[1], key % size[1]]), similarity
