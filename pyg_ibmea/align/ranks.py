"""Ranks of the true counterparts among all candidates, in both directions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pyg_ibmea.align._blocks import cosine_blocks, exact_products
from pyg_ibmea.align._bonus import Bonus
from pyg_ibmea.align._unit_chunks import UnitRows
from pyg_ibmea.align.candidates import Candidates
from pyg_ibmea.align.decoders import Decoder, Scoring, Similarity, scores_of

# Number of cosines in a score with offsets: CSLS is 2 cos - r_T - r_S.
_NUM_COSINES = 4
_QUERIES = 4096


class Ranks(NamedTuple):
    """The number of candidates that beat or tie the best true counterpart of every
    query.

    Attributes:
        query (torch.Tensor): Rows with a true counterpart, ascending, long ``[Q]``.
        greater (torch.Tensor): Number of candidates that score strictly better, long
            ``[Q]``.
        tied (torch.Tensor): Number of other candidates that score the same, long
            ``[Q]``.
    """

    query: Tensor
    greater: Tensor
    tied: Tensor


@torch.no_grad()
def ranks(
    z_source: Tensor,
    z_target: Tensor,
    decoder: Decoder | str = "csls",
    pairs: Tensor | None = None,
    block_size: int | None = None,
    bonus: Tensor | None = None,
    candidates: Candidates | None = None,
) -> tuple[Ranks, Ranks]:
    r"""Counts the candidates that beat or tie each true counterpart.

    Candidates are all rows of the other side. A query with several true counterparts is
    ranked by its best one; the others are not candidates. Scores within a few roundings
    of each other are tied. The similarity is computed in blocks for both directions
    together: once for ``'cosine'``, twice for the others; if there are few queries, the
    last time only for them.

    Args:
        z_source (torch.Tensor): Source embeddings ``[N, C]``.
        z_target (torch.Tensor): Target embeddings ``[M, C]``.
        decoder (Decoder or str, optional): See :func:`topk`. (default: :obj:`'csls'`)
        pairs (torch.Tensor, optional): True pairs as rows of ``z_source`` and
            ``z_target``, long ``[2, L]``; :obj:`None` pairs row i with row i.
            (default: :obj:`None`)
        block_size (int, optional): See :func:`topk`. (default: :obj:`None`)
        bonus (torch.Tensor, optional): See :func:`topk`. (default: :obj:`None`)
        candidates (Candidates, optional): See :func:`topk`; only what the decoder adds
            to the cosines is found among them. Every query is compared with all rows.
            (default: :obj:`None`)

    Returns:
        tuple: The counts of the source queries and of the target queries.

    Raises:
        ValueError: As for :func:`topk`, or if the pairs do not fit the rows.

    Example:
        >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
        >>> to_target, to_source = ranks(z, z, decoder="cosine")
        >>> to_target.greater, to_target.tied
        (tensor([0, 0, 0]), tensor([0, 1, 1]))
    """
    similarity = Similarity.of(z_source, z_target, bonus, block_size, candidates)
    return ranks_of(similarity, decoder, pairs)


@torch.no_grad()
def ranks_of(
    similarity: Similarity, decoder: Decoder | str, pairs: Tensor | None = None
) -> tuple[Ranks, Ranks]:
    """The counts of :func:`ranks`, of cosines that may serve others, too."""
    source, target, added = similarity.source, similarity.target, similarity.added
    block_size = similarity.block_size
    pairs = _check_pairs(pairs, source, target)
    score = scores_of(similarity, decoder)
    true_scores = score.of_pairs(similarity.of_pairs(pairs), pairs)
    found = similarity.candidates
    if found is not None and score.only_candidates:
        impossible = torch.finfo(true_scores.dtype).min
        true_scores = true_scores.masked_fill(~found.contains(pairs), impossible)
    unit_rows = similarity.unit_rows

    shifted = score.source is not None or score.target is not None
    num_cosines = _NUM_COSINES if shifted else max(1.0, abs(score.factor))
    tolerance = num_cosines * _cosine_tolerance(source.size(1), unit_rows[0].dtype)
    source_counts = _Counts(pairs[0], true_scores, source.size(0), tolerance)
    target_counts = _Counts(pairs[1], true_scores, target.size(0), tolerance)
    if found is not None and score.only_candidates:
        _count_candidates(found, score, pairs, (source_counts, target_counts))
        return source_counts.ranks(), target_counts.ranks()
    if found is not None:
        _count_chunks(*unit_rows, score, pairs, source_counts, added)
        unit_rows, score, pairs = unit_rows[::-1], score.swapped(), pairs.flip(0)
        added = None if added is None else added.t()
        _count_chunks(*unit_rows, score, pairs, target_counts, added)
        return source_counts.ranks(), target_counts.ranks()
    num_queries = [int(side.is_query.sum()) for side in (source_counts, target_counts)]
    if num_queries[0] / source.size(0) + num_queries[1] / target.size(0) < 1:
        # Few queries: their rows and columns are less than the whole matrix.
        _count_queries(source, target, score, pairs, source_counts, block_size, added)
        swapped, pairs = score.swapped(), pairs.flip(0)
        added = None if added is None else added.t()
        _count_queries(target, source, swapped, pairs, target_counts, block_size, added)
        return source_counts.ranks(), target_counts.ranks()
    flags_for = _Room()
    for rows, scores in similarity.blocks():
        score.apply_(scores, rows)
        local = _pairs_inside(pairs, rows)
        scores[local[0], local[1]] = -torch.inf  # True counterparts do not compete.
        flags = flags_for(scores)
        source_counts.add(scores, rows, 1, flags)
        target_counts.add(scores, slice(None), 0, flags)
    return source_counts.ranks(), target_counts.ranks()


class _Room:
    """A buffer for one number per score, shared by all blocks."""

    def __init__(self) -> None:
        self._buffer = torch.empty(0)

    def __call__(self, scores: Tensor) -> Tensor:
        if self._buffer.numel() < scores.numel():
            self._buffer = torch.empty(scores.numel(), device=scores.device)
        return self._buffer[: scores.numel()].view(scores.shape)


class _Counts:
    """The counts of one direction, accumulated block by block of scores."""

    def __init__(
        self, query: Tensor, true_scores: Tensor, num_rows: int, tolerance: float
    ) -> None:
        best = true_scores.new_full((num_rows,), -torch.inf)
        best.scatter_reduce_(0, query, true_scores, "amax")
        self.is_query = best > -torch.inf
        # Nothing beats or ties a row that is not a query.
        best[~self.is_query] = torch.inf
        self.lower, self.upper = best - tolerance, best + tolerance
        self.greater = torch.zeros_like(best, dtype=torch.long)
        self.at_least = torch.zeros_like(self.greater)

    def add(
        self, scores: Tensor, rows: slice | Tensor, dim: int, flags: Tensor
    ) -> None:
        """Counts in scores ``[B, M]``; ``flags`` is a float32 buffer of that shape."""
        lower, upper = self.lower[rows].unsqueeze(dim), self.upper[rows].unsqueeze(dim)
        # PyTorch sums floats ten times faster than booleans, and up to 2**24 exactly.
        self.greater[rows] += torch.gt(scores, upper, out=flags).sum(dim).long()
        self.at_least[rows] += torch.ge(scores, lower, out=flags).sum(dim).long()

    def ranks(self) -> Ranks:
        query = self.is_query.nonzero().view(-1)
        greater = self.greater[query]
        return Ranks(query, greater, self.at_least[query] - greater)


def _count_queries(
    side: Tensor,
    candidates: Tensor,
    score: Scoring,
    pairs: Tensor,
    counts: _Counts,
    block_size: int | None,
    bonus: Bonus | None,
) -> None:
    """Counts in one direction, for the rows of ``side`` that are queries."""
    query = counts.is_query.nonzero().view(-1)
    pairs = torch.stack([torch.searchsorted(query, pairs[0].contiguous()), pairs[1]])
    flags_for = _Room()
    added = None if bonus is None else bonus.select(query)
    for rows, scores in cosine_blocks(side[query], candidates, block_size, added):
        score.apply_(scores, query[rows])
        local = _pairs_inside(pairs, rows)
        scores[local[0], local[1]] = -torch.inf
        counts.add(scores, query[rows], 1, flags_for(scores))


def _count_candidates(
    candidates: Candidates,
    score: Scoring,
    pairs: Tensor,
    counts: tuple[_Counts, _Counts],
) -> None:
    """Counts in both directions where all pairs but the candidates are impossible: a
    true counterpart that is none ties with all the others that are none.
    """
    size, own = candidates.size, candidates.pairs.long()
    scores = score.of_candidates(candidates)
    # True counterparts do not compete.
    known = torch.isin(own[0] * size[1] + own[1], pairs[0] * size[1] + pairs[1])
    scores = scores.masked_fill(known, -torch.inf)
    distinct = pairs.unique(dim=1)
    for side, count in enumerate(counts):
        rows = own[side]
        count.greater.index_add_(0, rows, (scores > count.upper[rows]).long())
        count.at_least.index_add_(0, rows, (scores >= count.lower[rows]).long())
        lost = count.upper <= torch.finfo(scores.dtype).min / 2
        true = torch.bincount(distinct[side], minlength=size[side])
        count.at_least[lost] = size[1 - side] - true[lost]


def _count_chunks(
    side: UnitRows,
    others: UnitRows,
    score: Scoring,
    pairs: Tensor,
    counts: _Counts,
    bonus: Bonus | None,
) -> None:
    """Counts in one direction, for the rows of ``side`` that are queries, a chunk of
    the other rows at a time.
    """
    flags_for = _Room()
    for query in counts.is_query.nonzero().view(-1).split(_QUERIES):
        unit = side[query]
        # By column, so that those of a chunk lie together.
        added = None if bonus is None else bonus.select(query).t()
        mine = torch.isin(pairs[0], query)
        true = torch.searchsorted(query, pairs[0, mine]), pairs[1, mine]
        of_query = None if score.source is None else score.source[query]
        for columns, other in others.chunks():
            with exact_products(unit.device):
                scores = unit @ other.t()
            if added is not None:
                added.add_(scores.t(), columns)
            of_column = None if score.target is None else score.target[columns]
            chunk = Scoring(score.factor, of_query, of_column)
            chunk.apply_(scores, slice(None))
            here = (true[1] >= columns.start) & (true[1] < columns.stop)
            place = true[0][here], true[1][here] - columns.start
            scores[place] = -torch.inf  # True counterparts do not compete.
            counts.add(scores, query, 1, flags_for(scores))


def _cosine_tolerance(channels: int, dtype: torch.dtype) -> float:
    """Bounds how far apart the computed cosines of identical rows may be.

    A matrix product sums its C terms in a different order at the edge of a tile.
    Rounding errors of a sum grow like sqrt(C) if they are random (26 eps was observed
    at 4,096 channels) and like C if all channels are alike (C / 11 eps was observed).
    """
    return max(16.0, channels / 8) * torch.finfo(dtype).eps


def _pairs_inside(pairs: Tensor, rows: slice) -> Tensor:
    """The pairs of a block, in its coordinates, ``[2, ...]``."""
    local = pairs[:, (pairs[0] >= rows.start) & (pairs[0] < rows.stop)]
    return torch.stack([local[0] - rows.start, local[1]])


def _check_pairs(pairs: Tensor | None, source: Tensor, target: Tensor) -> Tensor:
    sizes = source.size(0), target.size(0)
    if pairs is None:
        if sizes[0] != sizes[1]:
            raise ValueError(
                f"without pairs, row i of both sides is a true pair, but there are "
                f"{sizes[0]} source and {sizes[1]} target rows; pass pairs [2, L]"
            )
        return torch.arange(sizes[0], device=source.device).repeat(2, 1)
    if pairs.dim() != 2 or pairs.size(0) != 2 or pairs.dtype != torch.long:
        raise ValueError(
            f"pairs must be long [2, L], got {pairs.dtype} {list(pairs.shape)}"
        )
    if pairs.size(1) == 0:
        raise ValueError("pairs is empty; pass at least one true pair")
    for side, row, size in zip(("source", "target"), pairs, sizes, strict=True):
        outside = ((row < 0) | (row >= size)).nonzero()
        if outside.numel() > 0:
            first = int(outside[0])
            raise ValueError(
                f"pairs[:, {first}] names {side} row {int(row[first])}, but z_{side} "
                f"has rows 0 to {size - 1}"
            )
    return pairs.to(source.device)
