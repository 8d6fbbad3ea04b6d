"""What speaks for the best match of an entity, in numbers."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pyg_ibmea.align._blocks import cosine_blocks, unit_sides
from pyg_ibmea.align._decoders import Decoder, scoring
from pyg_ibmea.align.search import top_columns

FEATURES = ("cosine", "csls", "margin", "reverse_margin", "log_probability")
"""What :class:`Evidence` holds of each match."""

_NONE = -1


class Evidence(NamedTuple):
    """The best match of every source row, and what speaks for it.

    Attributes:
        target: Its target row by the decoder, long ``[N]``.
        runner_up: The second best, long ``[N]``; -1 if there is none.
        score: Its score, ``[N]``.
        margin: What the score is above that of the runner-up, ``[N]``.
        features: Float64 ``[N, 5]``: cosine, CSLS score, margin over the runner-up
            and over the best other source row that wants the target (negative if one
            wants it more), both by the decoder, and the logarithm of its probability
            by Sinkhorn scaling.
    """

    target: Tensor
    runner_up: Tensor
    score: Tensor
    margin: Tensor
    features: Tensor


@torch.no_grad()
def match_evidence(
    z_source: Tensor,
    z_target: Tensor,
    decoder: Decoder = "csls",
    csls_k: int = 3,
    sinkhorn_temperature: float = 0.02,
    without: Tensor | None = None,
    block_size: int | None = None,
) -> Evidence:
    """Finds the best match of every source row and gathers what speaks for it.

    Args:
        z_source: Source embeddings :obj:`[N, C]`.
        z_target: Target embeddings :obj:`[M, C]`.
        decoder: What the best match is chosen by. (default: :obj:`"csls"`)
        csls_k: Neighbours in the CSLS means. (default: :obj:`3`)
        sinkhorn_temperature: Temperature of :func:`sinkhorn`. (default: :obj:`0.02`)
        without: Target row that a source row may not be matched with, long ``[N]``, -1
            for none: the true counterparts, to see what is found for entities that
            have lost theirs. (default: :obj:`None`)
        block_size: Most source rows scored at once; :obj:`None` keeps a block near
            64 MiB. (default: :obj:`None`)

    Returns:
        The :class:`Evidence`.

    Raises:
        ValueError: If a side is no finite, floating matrix of one row or more (two with
            ``without``), or an option is out of range.

    Example:
        >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> match_evidence(z, z).target
        tensor([0, 1])
    """
    source, target = unit_sides(z_source, z_target)
    size, most = target.size(0), min(target.size(0), 2 if without is None else 3)
    if without is not None and size < 2:
        raise ValueError("without a target row there must be another one to match")
    options = (csls_k, sinkhorn_temperature, block_size)
    names: tuple[Decoder, ...] = (decoder, "csls", "sinkhorn")
    # Each needs sweeps over all pairs: none is prepared twice.
    by = {name: scoring(source, target, name, *options) for name in set(names)}
    scores, columns, wanted = [], [], _TwoBest(size, source)
    for rows, cosine in cosine_blocks(source, target, block_size):
        block = by[decoder].apply_(cosine, rows)
        value, column = top_columns(block, most)
        wanted.update(rows, block)
        scores.append(value)
        columns.append(column)
    score, column = torch.cat(scores), torch.cat(columns)
    if without is not None:
        # The forbidden column goes last; two remain in their order.
        last = (column == without[:, None]).long()
        order = last.sort(dim=1, stable=True)[1]
        score, column = score.gather(1, order), column.gather(1, order)
    best, first = column[:, 0], score[:, 0]
    alone = size < (2 if without is None else 3)
    second = column[:, 1] if not alone else torch.full_like(best, _NONE)
    margin = first - score[:, 1] if not alone else torch.zeros_like(first)
    rows_of = torch.arange(source.size(0), device=best.device)
    pairs = torch.stack([rows_of, best])
    cosine = (source * target[best]).sum(dim=1)
    features = [
        cosine,
        by["csls"].of_pairs(cosine, pairs),
        margin,
        first - wanted.best_other(best, rows_of),
        by["sinkhorn"].of_pairs(cosine, pairs) / sinkhorn_temperature,
    ]
    return Evidence(best, second, first, margin, torch.stack(features, 1).double())


class _TwoBest:
    """The two best source rows of every target row, block by block."""

    def __init__(self, size: int, like: Tensor) -> None:
        self.score = like.new_full((size, 2), -torch.inf)
        self.row = torch.full((size, 2), _NONE, dtype=torch.long, device=like.device)

    def update(self, rows: slice, block: Tensor) -> None:
        value, row = block.topk(min(2, block.size(0)), dim=0)
        both = torch.cat([self.score, value.t()], dim=1)
        ids = torch.cat([self.row, row.t() + rows.start], dim=1)
        self.score, order = both.topk(2, dim=1)
        self.row = ids.gather(1, order)

    def best_other(self, target: Tensor, source: Tensor) -> Tensor:
        """The best score of a target row with another source row, ``[N]``; that of the
        pair itself if there is no other.
        """
        score, row = self.score[target], self.row[target]
        other = torch.where(row[:, 0] == source, score[:, 1], score[:, 0])
        return torch.where(other.isinf(), score[:, 0], other)
