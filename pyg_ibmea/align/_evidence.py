"""Numerical evidence for the best match of each entity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_ibmea.align._best import top_columns
from pyg_ibmea.align.candidates import Candidates
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
"""The features of a match in :class:`Evidence`."""
_NONE = -1


class Evidence(NamedTuple):
    """The best match of every source row, and the evidence for it.

    Attributes:
        target (torch.Tensor): The best target row by the decoder, long ``[N]``; -1 if
            the row has no candidates, and all else is then 0.
        runner_up (torch.Tensor): The second-best target row, long ``[N]``; -1 if there
            is none.
        score (torch.Tensor): The score of the best match, ``[N]``.
        margin (torch.Tensor): The score minus that of the runner-up, ``[N]``.
        features (torch.Tensor): Float64 ``[N, 5]``: cosine, CSLS score, margin by the
            decoder over the runner-up and over the best other source row for the same
            target (negative if that scores higher), and log-probability by Sinkhorn
            scaling.
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
    candidates: Candidates | None = None,
) -> list[tuple[Evidence, Evidence]]:
    """Finds the best match of every source row by each of several decoders, with the
    evidence for it, in shared sweeps over all pairs.

    Args:
        z_source (torch.Tensor): Source embeddings ``[N, C]``.
        z_target (torch.Tensor): Target embeddings ``[M, C]``.
        decoders (sequence of Decoder): The decoders that choose the best matches.
        csls (CSLS, optional): The CSLS of the features. (default: :obj:`CSLS()`)
        sinkhorn (Sinkhorn, optional): The Sinkhorn scaling of the features.
            (default: :obj:`Sinkhorn()`)
        without (torch.Tensor, optional): Target row that each source row must not be
            matched with, long ``[N]``, -1 for none. Given the true counterparts, this
            shows what is found for entities that have none. (default: :obj:`None`)
        block_size (int, optional): See :func:`topk`. (default: :obj:`None`)
        bonus (torch.Tensor, optional): See :func:`topk`. (default: :obj:`None`)
        candidates (Candidates, optional): See :func:`topk`. (default: :obj:`None`)

    Returns:
        list: For each decoder, the evidence among all target rows, and that with those
        of ``without`` excluded (the same if none are).

    Raises:
        ValueError: As for :func:`topk`, or if ``without`` is given and there is only
            one target row.

    Example:
        >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> [found] = match_evidence(z, z, [CSLS()], without=torch.tensor([0, 1]))
        >>> [evidence.target.tolist() for evidence in found]
        [[0, 1], [1, 0]]
    """
    csls, sinkhorn = csls or CSLS(), sinkhorn or Sinkhorn()
    similarity = Similarity.of(z_source, z_target, bonus, block_size, candidates)
    source, target = similarity.source, similarity.target
    most = min(target.size(0), 2 if without is None else 3)
    if without is not None and target.size(0) < 2:
        raise ValueError("without needs at least two target rows, got 1")
    # Preparing a decoder takes sweeps over all pairs, so each is prepared once. (In a
    # list, as a user-defined decoder need not be hashable.)
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
    if similarity.candidates is not None:
        best = [_Best.among(similarity.candidates, score, most) for score in by]
    else:
        best = [_Best.empty(source, target, most) for _ in decoders]
        _sweep(similarity, by, best)

    def evidence(best: _Best, without: Tensor | None) -> Evidence:
        column, score = best.two(without)
        first, rows = column[:, 0], torch.arange(len(column), device=column.device)
        there, first = first >= 0, first.clamp(min=0)
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
        if not bool(there.all()):
            stacked[~there] = 0.0
            margin = torch.where(there, margin, 0.0)
            score = torch.where(there[:, None], score, 0.0)
            first = torch.where(there, first, _NONE)
        return Evidence(first, column[:, 1], score[:, 0], margin, stacked)

    every = [evidence(found, None) for found in best]
    if without is None:
        return [(found, found) for found in every]
    lost = [evidence(found, without) for found in best]
    return list(zip(every, lost, strict=True))


def _sweep(
    similarity: Similarity, by: Sequence[Scoring], best: Sequence[_Best]
) -> None:
    """Collects the best of all pairs by several scores."""
    for rows, cosine in similarity.blocks():
        for number, (score, found) in enumerate(zip(by, best, strict=True), start=1):
            # The last decoder may overwrite the block: no other needs it any more.
            block = cosine if number == len(best) else cosine.clone()
            found.update(rows, score.apply_(block, rows))


class _Best:
    """The best target rows of every source row and the two best source rows of every
    target row, collected block by block or found among candidates.
    """

    def __init__(
        self, score: Tensor, column: Tensor, rival_score: Tensor, rival_row: Tensor
    ) -> None:
        self.score, self.column = score, column
        self.rival_score, self.rival_row = rival_score, rival_row

    @classmethod
    def empty(cls, source: Tensor, target: Tensor, most: int) -> _Best:
        """To be collected block by block."""
        size = source.size(0), target.size(0)
        score = source.new_empty(size[0], most)
        rival_score = source.new_full((size[1], 2), -torch.inf)
        rival_row = torch.full_like(rival_score, _NONE, dtype=torch.long)
        column = torch.empty_like(score, dtype=torch.long)
        return cls(score, column, rival_score, rival_row)

    @classmethod
    def among(cls, candidates: Candidates, by: Scoring, most: int) -> _Best:
        """The best among candidates; ``-inf`` and -1 where there are fewer."""
        scores = by.of_candidates(candidates)
        score, place = candidates.by_source.best(scores, most)
        rival_score, rival = candidates.by_target.best(scores, 2)
        ends = candidates.column_at(place), candidates.row_at(rival)
        return cls(score, ends[0], rival_score, ends[1])

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
        """The two best target rows and their scores, ``[N, 2]``; if there is no second,
        -1 and the score of the first.
        """
        score, column = self.score, self.column
        if without is not None:
            # The excluded column goes last; the others keep their order.
            last = (column == without[:, None]).long()
            order = last.sort(dim=1, stable=True)[1]
            score, column = score.gather(1, order), column.gather(1, order)
        left = column.size(1) - (without is not None)
        if left < 2:
            none = torch.full_like(column[:, :1], _NONE)
            column = torch.cat([column[:, :1], none], dim=1)
            score = score[:, :1].expand(-1, 2)
        alone = column[:, 1:2] < 0
        return column[:, :2], torch.where(alone, score[:, :1], score[:, :2])

    def rival(self, target: Tensor, source: Tensor) -> Tensor:
        """The best score of a target row with any other source row, ``[N]``; the score
        of the pair itself if there is no other.
        """
        score, row = self.rival_score[target], self.rival_row[target]
        other = torch.where(row[:, 0] == source, score[:, 1], score[:, 0])
        return torch.where(other.isinf(), score[:, 0], other)
