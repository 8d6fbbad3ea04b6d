"""The best entries of a matrix, row by row."""

from __future__ import annotations

import torch
from torch import Tensor


def top_columns(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Takes the k best columns of scores ``[B, M]``; the lower column wins ties."""
    more = min(k + 1, scores.size(1))
    values, columns = scores.topk(more, dim=1)
    last = values[:, k - 1 : k]
    # torch.topk picks any of the columns that tie for the last place.
    crowded = (values[:, k:] == last).any(dim=1)
    columns = columns[:, :k].contiguous()
    if bool(crowded.any()):
        columns[crowded] = _first_columns(scores[crowded], last[crowded], k)
    columns = columns.sort(dim=1)[0]
    values, order = scores.gather(1, columns).sort(dim=1, descending=True, stable=True)
    return values, columns.gather(1, order)


def _first_columns(scores: Tensor, last: Tensor, k: int) -> Tensor:
    """Takes all columns above the last place, then the first that tie for it."""
    above, tied = scores > last, scores == last
    room = k - above.sum(dim=1, keepdim=True, dtype=torch.int32)
    chosen = above | (tied & (tied.cumsum(dim=1, dtype=torch.int32) <= room))
    return chosen.nonzero()[:, 1].view(-1, k)
