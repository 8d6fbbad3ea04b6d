"""What speaks for the best match of an entity, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_ibmea.align._best import top_columns
from pyg_ibmea.align.decoders import (
    CSLS,
    Decoder,
    Scoring,
    Similarity,
    Sinkhorn,
    as_decoder,
    scores_of,
)

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
    decoders: Sequence[Decoder | str],
    csls: CSLS | None = None,
    sinkhorn: Sinkhorn | None = None,
    without: Tensor | None = None,
    block_size: int | None = None,
    bonus: Tensor | None = None,
) -> list[tuple[Evidence, Evidence]]:
    """Finds the best match of every source row by each of some decoders and gathers
    what speaks for it, all from the same sweeps over all pairs.

    Args:
        z_source (torch.Tensor): Source embeddings ``[N, C]``.
        z_target (torch.Tensor): Target embeddings ``[M, C]``.
        decoders (sequence of Decoder): What best matches are chosen by.
        csls (CSLS, optional): What the features take from it. (default: :obj:`CSLS()`)
        sinkhorn (Sinkhorn, optional): Likewise. (default: :obj:`Sinkhorn()`)
        without (torch.Tensor, optional): Target row that a source row may not be
            matched with, long ``[N]``, -1 for none: the true counterparts, to see what
            is found for entities that have lost theirs. (default: :obj:`None`)
        block_size (int, optional): Most source rows scored at once; :obj:`None` keeps a
            block near 64 MiB. (default: :obj:`None`)
        bonus (torch.Tensor, optional): What is added to the cosines of some pairs
            before anything else, sparse ``[N, M]``. (default: :obj:`None`)

    Returns:
        list: For each decoder, the evidence with all target rows and that ``without``
        some (the same if none are forbidden).

    Raises:
        ValueError: If a side is no finite, floating matrix of one row or more (two with
            ``without``), or an option is out of range.

    Example:
        >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> [found] = match_evidence(z, z, [CSLS()], without=torch.tensor([0, 1]))
        >>> [evidence.target.tolist() for evidence in found]
        [[0, 1], [1, 0]]
    """
    csls, sinkhorn = csls or CSLS(), sinkhorn or Sinkhorn()
    similarity = Similarity.of(z_source, z_target, bonus, block_size)
    source, target = similarity.source, similarity.target
    most = min(target.size(0), 2 if without is None else 3)
    if without is not None and target.size(0) < 2:
        raise ValueError("without a target row there must be another one to match")
    # Each needs sweeps over all pairs: none is prepared twice. (A list, as a decoder of
    # the user's need not be hashable.)
    prepared: list[tuple[Decoder, Scoring]] = []

    def scoring(decoder: Decoder | str) -> Scoring:
        decoder = as_decoder(decoder)
        for known, found in prepared:
            if known is decoder or known == decoder:
                return found
        prepared.append((decoder, scores_of(similarity, decoder)))
        return prepared[-1][1]

    by = [scoring(decoder) for decoder in decoders]
    by_csls, by_sinkhorn = scoring(csls), scoring(sinkhorn)
    best = [_Best(source, target, most) for _ in decoders]
    for rows, cosine in similarity.blocks():
        for number, (score, found) in enumerate(zip(by, best, strict=True), start=1):
            # The last may write over what no other needs any more.
            block = cosine if number == len(best) else cosine.clone()
            found.update(rows, score.apply_(block, rows))

    def evidence(best: _Best, without: Tensor | None) -> Evidence:
        column, score = best.two(without)
        first, rows = column[:, 0], torch.arange(len(column), device=column.device)
        pairs, margin = torch.stack([rows, first]), score[:, 0] - score[:, 1]
        cosine = similarity.of_pairs(pairs)
        features = [
            cosine,
            by_csls.of_pairs(cosine, pairs),
            margin,
            score[:, 0] - best.rival(first, rows),
            by_sinkhorn.of_pairs(cosine, pairs) / sinkhorn.temperature,
        ]
        stacked = torch.stack(features, 1).double()
        return Evidence(first, column[:, 1], score[:, 0], margin, stacked)

    every = [evidence(found, None) for found in best]
    if without is None:
        return [(found, found) for found in every]
    lost = [evidence(found, without) for found in best]
    return list(zip(every, lost, strict=True))


class _Best:
    """The best target rows of every source row, and of those the two best source rows,
    block by block.
    """

    def __init__(self, source: Tensor, target: Tensor, most: int) -> None:
        size = source.size(0), target.size(0)
        self.score = source.new_empty(size[0], most)
        self.column = torch.empty_like(self.score, dtype=torch.long)
        self.rival_score = source.new_full((size[1], 2), -torch.inf)
        self.rival_row = torch.full_like(self.rival_score, _NONE, dtype=torch.long)

    def update(self, rows: slice, block: Tensor) -> None:
        """Adds the scores ``[B, M]`` of some source rows."""
        most = self.score.size(1)
        self.score[rows], self.column[rows] = top_columns(block, most)
        value, row = block.topk(min(2, block.size(0)), dim=0)
        both = torch.cat([self.rival_score, value.t()], dim=1)
        ids = torch.cat([self.rival_row, row.t() + rows.start], dim=1)
        self.rival_score, order = both.topk(2, dim=1)
        self.rival_row = ids.gather(1, order)

    def two(self, without: Tensor | None) -> tuple[Tensor, Tensor]:
        """The two best target rows and their scores, ``[N, 2]``; where there is no
        second, -1 and the score of the first.
        """
        score, column = self.score, self.column
        if without is not None:
            # The forbidden column goes last; the others remain in their order.
            last = (column == without[:, None]).long()
            order = last.sort(dim=1, stable=True)[1]
            score, column = score.gather(1, order), column.gather(1, order)
        left = column.size(1) - (without is not None)
        if left < 2:
            none = torch.full_like(column[:, :1], _NONE)
            column = torch.cat([column[:, :1], none], dim=1)
            score = score[:, :1].expand(-1, 2)
        return column[:, :2], score[:, :2]

    def rival(self, target: Tensor, source: Tensor) -> Tensor:
        """The best score of a target row with another source row, ``[N]``; that of the
        pair itself if there is no other.
        """
        score, row = self.rival_score[target], self.rival_row[target]
        other = torch.where(row[:, 0] == source, score[:, 1], score[:, 0])
        return torch.where(other.isinf(), score[:, 0], other)
