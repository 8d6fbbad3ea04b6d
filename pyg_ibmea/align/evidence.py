"""What speaks for the best match of an entity, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_ibmea.align._best import top_columns
from pyg_ibmea.align._blocks import cosine_blocks, pair_cosines, unit_sides
from pyg_ibmea.align._bonus import Bonus
from pyg_ibmea.align._decoders import Decoder, scoring

FEATURES = ("cosine", "csls", "margin", "reverse_margin", "log_probability")
"""What :class:`Evidence` holds of each match."""

_IN_FEATURES: tuple[Decoder, ...] = ("csls", "sinkhorn")
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
    bonus: Tensor | None = None,
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
        bonus: What is added to the cosines of some pairs before anything else, sparse
            :obj:`[N, M]`, such as :func:`neighborhood_agreement` gives.
            (default: :obj:`None`)

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
    options = (csls_k, sinkhorn_temperature, without, block_size, bonus)
    return evidence_by_decoder(z_source, z_target, [decoder], *options)[decoder][1]


@torch.no_grad()
def evidence_by_decoder(
    z_source: Tensor,
    z_target: Tensor,
    decoders: Sequence[Decoder],
    csls_k: int = 3,
    sinkhorn_temperature: float = 0.02,
    without: Tensor | None = None,
    block_size: int | None = None,
    bonus: Tensor | None = None,
) -> dict[Decoder, tuple[Evidence, Evidence]]:
    """What :func:`match_evidence` gives by each of several decoders, with all target
    rows and without the forbidden ones, from the same sweeps over all pairs.

    Args:
        z_source: Source embeddings :obj:`[N, C]`.
        z_target: Target embeddings :obj:`[M, C]`.
        decoders: What best matches are chosen by.
        csls_k: As for :func:`match_evidence`, like the rest. (default: :obj:`3`)
        sinkhorn_temperature: (default: :obj:`0.02`)
        without: (default: :obj:`None`)
        block_size: (default: :obj:`None`)
        bonus: (default: :obj:`None`)

    Returns:
        By decoder, the evidence with all target rows and that ``without`` some (the
        same if none are forbidden).

    Raises:
        ValueError: As :func:`match_evidence`.

    Example:
        >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> found = evidence_by_decoder(z, z, ["csls"], without=torch.tensor([0, 1]))
        >>> [evidence.target.tolist() for evidence in found["csls"]]
        [[0, 1], [1, 0]]
    """
    source, target = unit_sides(z_source, z_target)
    most = min(target.size(0), 2 if without is None else 3)
    if without is not None and target.size(0) < 2:
        raise ValueError("without a target row there must be another one to match")
    options = (csls_k, sinkhorn_temperature, block_size, bonus)
    added = Bonus.of(bonus, source, target)
    # Each needs sweeps over all pairs: none is prepared twice.
    by = {
        name: scoring(source, target, name, *options)
        for name in dict.fromkeys((*decoders, *_IN_FEATURES))
    }
    best = {decoder: _Best(source, target, most) for decoder in decoders}
    for rows, cosine in cosine_blocks(source, target, block_size, added):
        for number, (decoder, found) in enumerate(best.items(), start=1):
            # The last may write over what no other needs any more.
            block = cosine if number == len(best) else cosine.clone()
            found.update(rows, by[decoder].apply_(block, rows))

    def evidence(decoder: Decoder, without: Tensor | None) -> Evidence:
        column, score = best[decoder].two(without)
        first, rows = column[:, 0], torch.arange(len(column), device=column.device)
        pairs, margin = torch.stack([rows, first]), score[:, 0] - score[:, 1]
        cosine = pair_cosines(source, target, pairs, added)
        features = [
            cosine,
            by["csls"].of_pairs(cosine, pairs),
            margin,
            score[:, 0] - best[decoder].rival(first, rows),
            by["sinkhorn"].of_pairs(cosine, pairs) / sinkhorn_temperature,
        ]
        stacked = torch.stack(features, 1).double()
        return Evidence(first, column[:, 1], score[:, 0], margin, stacked)

    every = {decoder: evidence(decoder, None) for decoder in best}
    if without is None:
        return {decoder: (found, found) for decoder, found in every.items()}
    return {d: (found, evidence(d, without)) for d, found in every.items()}


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
