"""The best matches of each entity, several of each, and the evidence for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_ibmea.align._best import top_columns
from pyg_ibmea.align._evidence import _Best
from pyg_ibmea.align.decoders import (
    CSLS,
    Decoder,
    Scoring,
    Similarity,
    Sinkhorn,
    scores_of,
)

Allowed = Callable[[Tensor, Tensor], Tensor]
"""Says of source rows ``[n, 1]`` or ``[L]`` and target rows ``[m]`` or ``[L]`` which
pairs may be given, bool of the joint shape."""


class Ranked(NamedTuple):
    """The best target rows of source rows, and the evidence for them.

    Attributes:
        target (torch.Tensor): Target rows, the best first, long ``[N, k]``; -1 where
            there are fewer.
        score (torch.Tensor): Their scores, ``[N, k]``; ``-inf`` where there are fewer.
        best (torch.Tensor): The best target row of all, whether it is allowed or not,
            long ``[N]``; -1 for none.
    """

    target: Tensor
    score: Tensor
    best: Tensor


class RankedEvidence:
    """Ranks the matches of each source row, and gives the evidence for any of them.

    The features of a pair are those of :class:`Evidence`, where the margin of a pair
    that is not the best of its row is what the best is ahead, a negative number.

    Args:
        similarity (Similarity): The cosines, bonus included.
        scoring (Scoring): The scores by the decoder that ranks.
        csls (Decoder): The CSLS of the features.
        sinkhorn (Sinkhorn): The Sinkhorn scaling of the features.
    """

    def __init__(
        self,
        similarity: Similarity,
        scoring: Scoring,
        csls: CSLS,
        sinkhorn: Sinkhorn,
    ) -> None:
        self.similarity, self.scoring, self.sinkhorn = similarity, scoring, sinkhorn
        self.by = scores_of(similarity, csls), scores_of(similarity, sinkhorn)
        self._leads: _Best | None = None

    @torch.no_grad()
    def ranked(self, k: int, allowed: Allowed | None = None) -> Ranked:
        """The ``k`` best target rows of every source row.

        Args:
            k (int): How many, at most.
            allowed (callable, optional): Which pairs may be given. (default: all)
        """
        n, m = self.similarity.shape
        k = min(k, m)
        if self.similarity.candidates is not None:
            return self._ranked_candidates(k, allowed)
        source = self.similarity.source
        score = source.new_full((n, k), -torch.inf)
        target = torch.full((n, k), -1, device=source.device)
        leads = _Best.empty(source, self.similarity.target, min(2, m))
        columns = torch.arange(m, device=source.device)
        for rows, block in self.similarity.blocks():
            block = self.scoring.apply_(block, rows)
            leads.update(rows, block)
            if allowed is not None:
                own = torch.arange(rows.start, rows.stop, device=source.device)
                block.masked_fill_(~allowed(own[:, None], columns), -torch.inf)
            score[rows], target[rows] = top_columns(block, k)
        self._leads = leads
        target = torch.where(score == -torch.inf, -1, target)
        return Ranked(target, score, leads.column[:, 0])

    def _ranked_candidates(self, k: int, allowed: Allowed | None) -> Ranked:
        found = self.similarity.candidates
        assert found is not None
        self._leads = _Best.among(found, self.scoring, 2)
        scores = self.scoring.of_candidates(found)
        if allowed is not None:
            row, column = (side.long() for side in found.pairs)
            scores = torch.where(allowed(row, column), scores, -torch.inf)
        score, place = found.by_source.best(scores, k)
        place = torch.where(score == -torch.inf, -1, place)
        return Ranked(found.column_at(place), score, self._leads.column[:, 0])

    @torch.no_grad()
    def features(self, pairs: Tensor) -> Tensor:
        """The features of pairs of rows ``[2, L]``, double ``[L, 5]``; call
        :meth:`ranked` before.
        """
        assert self._leads is not None
        cosine = self.similarity.of_pairs(pairs)
        score = self.scoring.of_pairs(cosine, pairs)
        two, ahead = self._leads.two(None)
        best = two[pairs[0], 0]
        first = ahead[pairs[0]]
        # If there is no second, two() gives its score as that of the first.
        other = torch.where(best == pairs[1], first[:, 1], first[:, 0])
        rival = self._leads.rival(pairs[1], pairs[0])
        csls, sinkhorn = (by.of_pairs(cosine, pairs) for by in self.by)
        log_probability = sinkhorn / self.sinkhorn.temperature
        found = [cosine, csls, score - other, score - rival, log_probability]
        return torch.stack(found, 1).double()


def ranked_evidence(
    similarity: Similarity, by: Decoder, csls: CSLS, sinkhorn: Sinkhorn
) -> RankedEvidence:
    """Prepares :class:`RankedEvidence` by a decoder.

    Args:
        similarity (Similarity): The cosines, bonus included.
        by (Decoder): The decoder that ranks.
        csls (CSLS): That of the features.
        sinkhorn (Sinkhorn): That of the features.
    """
    return RankedEvidence(similarity, scores_of(similarity, by), csls, sinkhorn)
