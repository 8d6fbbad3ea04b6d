"""Matching: probable pairs, mutual nearest neighbours, and the best assignment."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from torch import Tensor

from pyg_ibmea.align._best import top_columns
from pyg_ibmea.align._blocks import cosine_blocks
from pyg_ibmea.align._nearest import Nearest
from pyg_ibmea.align.candidates import Candidates
from pyg_ibmea.align.decoders import (
    Decoder,
    Scoring,
    Similarity,
    Sinkhorn,
    score_blocks,
    scores_of,
)
from pyg_ibmea.align.forbidding import check_pairs, is_among

_Triples = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
# Entries of the matrix of bounds in memory at a time (16 MiB in float32).
_BOUNDS = 2**22


@torch.no_grad()
def match_probabilities(
    z_source: Tensor,
    z_target: Tensor,
    least: float = 0.1,
    decoder: Sinkhorn | None = None,
    block_size: int | None = None,
    bonus: Tensor | None = None,
    candidates: Candidates | None = None,
) -> Tensor:
    r"""Finds the pairs that are probably counterparts, by Sinkhorn scaling.

    Args:
        z_source (torch.Tensor): Source embeddings ``[N, C]``.
        z_target (torch.Tensor): Target embeddings ``[M, C]``.
        least (float, optional): Lowest probability of a pair that is kept; each row of
            the smaller side has at most ``1 / least`` pairs. (default: :obj:`0.1`)
        decoder (Sinkhorn, optional): The scaling. (default: :obj:`Sinkhorn()`)
        block_size (int, optional): See :func:`topk`. (default: :obj:`None`)
        bonus (torch.Tensor, optional): See :func:`topk`. (default: :obj:`None`)
        candidates (Candidates, optional): See :func:`topk`. (default: :obj:`None`)

    Returns:
        torch.Tensor: Probabilities, sparse ``[N, M]``.

    Raises:
        ValueError: As for :func:`topk`.

    Example:
        >>> match_probabilities(torch.eye(2), torch.eye(2)).to_dense()
        tensor([[1., 0.],
                [0., 1.]])
    """
    if not 0 < least <= 1:
        raise ValueError(f"least must be in (0, 1], got {least}")
    decoder = Sinkhorn() if decoder is None else decoder
    similarity = Similarity.of(z_source, z_target, bonus, block_size, candidates)
    least_score = decoder.temperature * math.log(least)
    if similarity.candidates is not None:
        return _probable(similarity.candidates, decoder, similarity, least_score)
    index, score = [], []
    for rows, block in score_blocks(similarity, decoder):
        row, column = (block >= least_score).nonzero(as_tuple=True)
        index.append(torch.stack([row + rows.start, column]))
        score.append(block[row, column])
    matrix = torch.sparse_coo_tensor(
        torch.cat(index, dim=1),
        decoder.probability(torch.cat(score)),
        similarity.shape,
        check_invariants=False,
    )
    return matrix.coalesce()


@torch.no_grad()
def mutual_nearest(
    z_source: Tensor,
    z_target: Tensor,
    decoder: Decoder | str = "csls",
    block_size: int | None = None,
    bonus: Tensor | None = None,
    candidates: Candidates | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Finds the pairs that are each other's best candidates.

    No row is in two pairs; a row whose best candidate prefers another is in none. At
    equal scores, the lower row is preferred.

    Args:
        z_source (torch.Tensor): Source embeddings ``[N, C]``.
        z_target (torch.Tensor): Target embeddings ``[M, C]``.
        decoder (Decoder or str, optional): See :func:`topk`. (default: :obj:`'csls'`)
        block_size (int, optional): See :func:`topk`. (default: :obj:`None`)
        bonus (torch.Tensor, optional): See :func:`topk`. (default: :obj:`None`)
        candidates (Candidates, optional): See :func:`topk`. (default: :obj:`None`)

    Returns:
        tuple: Pairs of source and target rows, long ``[2, L]``, ascending by source
        row, and their scores ``[L]``.

    Raises:
        ValueError: As for :func:`topk`.

    Example:
        >>> z_source = torch.tensor([[1.0, 0.0], [0.9, 0.1]])
        >>> z_target = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> mutual_nearest(z_source, z_target, decoder="cosine")[0]
        tensor([[0],
                [0]])
    """
    similarity = Similarity.of(z_source, z_target, bonus, block_size, candidates)
    return mutual_pairs(similarity, decoder)


@torch.no_grad()
def mutual_pairs(
    similarity: Similarity, decoder: Decoder | str, least: float = -math.inf
) -> tuple[Tensor, Tensor]:
    """The pairs of :func:`mutual_nearest` with a score of at least ``least``.

    If the decoder has found the nearest rows, hardly more than those are scored: see
    :func:`_open_rows`.
    """
    score = scores_of(similarity, decoder)
    if similarity.candidates is not None:
        return _mutual(similarity.candidates, score, least)
    (num_rows, num_columns), like = similarity.shape, similarity.source
    best = _Best(num_rows, num_columns, like)
    rows = torch.arange(num_rows, device=like.device)
    known = similarity.known_nearest()
    if known is not None and score.factor > 0:
        rows = _open_rows(known, score, least)
        best.begin(known, score, rows)
    if len(rows):
        for part, block in similarity.of_rows(rows).blocks():
            best.update(rows[part], score.apply_(block, rows[part]))
    return best.mutual(least)


class _Best:
    """The best column of each row and the best row of each column."""

    def __init__(self, num_rows: int, num_columns: int, like: Tensor) -> None:
        self.score = like.new_full((num_rows,), -torch.inf)
        self.choice = torch.zeros(num_rows, dtype=torch.long, device=like.device)
        self.column_score = like.new_full((num_columns,), -torch.inf)
        self.chosen_by = self.choice.new_zeros(num_columns)

    def begin(self, known: Nearest, score: Scoring, but: Tensor) -> None:
        """Starts with the candidates, except those of some source rows."""
        kept = torch.ones_like(self.choice, dtype=torch.bool)
        kept[but] = False
        kept = kept[known.pairs[0]]
        row, column = pairs = known.pairs[:, kept]
        value = score.of_pairs(known.cosine[kept], pairs)
        _first_best(value, row, column, self.score, self.choice)
        _first_best(value, column, row, self.column_score, self.chosen_by)

    def update(self, rows: Tensor, block: Tensor) -> None:
        """Adds the scores ``[B, M]`` of rows, ascending, that are not in yet."""
        value, column = top_columns(block, k=1)
        self.score[rows], self.choice[rows] = value[:, 0], column[:, 0]
        value = block.amax(dim=0)
        before, chosen_by = self.column_score, self.chosen_by
        # Later blocks are better for few columns.
        is_better = (value > before) | ((value == before) & (rows[0] < chosen_by))
        better = is_better.nonzero().view(-1)
        value = value[better]
        # The first of the rows that tie.
        row = rows[(block[:, better] == value).to(torch.uint8).argmax(dim=0)]
        tied = value == before[better]
        row = torch.where(tied, torch.minimum(row, chosen_by[better]), row)
        before[better], chosen_by[better] = value, row

    def mutual(self, least: float) -> tuple[Tensor, Tensor]:
        """The pairs that are each other's best, and their scores."""
        row = torch.arange(len(self.choice), device=self.choice.device)
        mutual = (self.chosen_by[self.choice] == row) & (self.score >= least)
        return torch.stack([row[mutual], self.choice[mutual]]), self.score[mutual]


def _first_best(
    value: Tensor, of: Tensor, other: Tensor, best: Tensor, first: Tensor
) -> None:
    """Fills in the best value of each row, and the first row that has it."""
    best.scatter_reduce_(0, of, value, "amax")
    reached = value == best[of]
    of, other = of[reached], other[reached]
    first.scatter_reduce_(0, of, other, "amin", include_self=False)


def _open_rows(known: Nearest, score: Scoring, least: float) -> Tensor:
    """The source rows of which a pair that is no candidate could matter to
    :func:`mutual_pairs`.

    The cosine of such a pair is at most the least of its row's and of its column's
    nearest. It matters only if its score may reach ``least``, and the best candidate of
    its row or of its column.
    """
    sides = known.source_nearest[:, -1], known.target_nearest[:, -1]
    value = score.of_pairs(known.cosine, known.pairs)
    bests = [side.new_full(side.shape, -torch.inf) for side in sides]
    for best, of in zip(bests, known.pairs, strict=True):
        best.scatter_reduce_(0, of, value, "amax")
    highest = score.factor * sides[0]
    for offset in (score.source, None if score.target is None else score.target.max()):
        highest = highest if offset is None else highest + offset
    every = (highest >= least).nonzero().view(-1)
    found = []
    for rows in every.split(max(1, _BOUNDS // len(sides[1]))):
        bound = torch.minimum(sides[0][rows, None], sides[1])
        bound = score.apply_(bound, rows)
        needed = torch.minimum(bests[0][rows, None], bests[1]).clamp_(min=least)
        found.append(rows[(bound >= needed).any(dim=1)])
    return torch.cat(found)


@torch.no_grad()
def assignment(
    z_source: Tensor,
    z_target: Tensor,
    decoder: Decoder | str = "csls",
    num_candidates: int | None = 50,
    threshold: float | None = None,
    block_size: int | None = None,
    bonus: Tensor | None = None,
    candidates: Candidates | None = None,
    forbidden: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Finds the one-to-one alignment with the largest sum of scores.

    It assumes that counterparts are one to one and, without a ``threshold``, that every
    row of the smaller side has one: the sum is over as many pairs as the candidates
    allow. With a threshold, no pair scores below it, and the maximised sum is that of
    the scores minus the threshold: leaving a row unmatched is worth as much as a pair
    at the threshold, so one strong pair may be better than two weak ones. The problem
    is solved exactly on the candidates, by SciPy's sparse Jonker-Volgenant algorithm.

    Args:
        z_source (torch.Tensor): Source embeddings ``[N, C]``.
        z_target (torch.Tensor): Target embeddings ``[M, C]``.
        decoder (Decoder or str, optional): See :func:`topk`. (default: :obj:`'csls'`)
        num_candidates (int, optional): Number of candidates of every row of each side,
            its best by score; :obj:`None` for all pairs, which holds the full matrix.
            (default: :obj:`50`)
        threshold (float, optional): Lowest score of a pair, and the value of leaving a
            row unmatched; :obj:`None` for no threshold. (default: :obj:`None`)
        block_size (int, optional): See :func:`topk`. (default: :obj:`None`)
        bonus (torch.Tensor, optional): See :func:`topk`. (default: :obj:`None`)
        candidates (Candidates, optional): See :func:`topk`. (default: :obj:`None`)
        forbidden (torch.Tensor, optional): Pairs of rows that are known to be
            different, long ``[2, D]``; none of them is in the alignment. The decoder
            scores all pairs as if there were none; to tell it, too, give
            :func:`forbid` as ``bonus``. (default: :obj:`None`)

    Returns:
        tuple: Pairs of source and target rows, long ``[2, L]``, ascending by source
        row, and their scores ``[L]``.

    Raises:
        ValueError: As for :func:`topk`, or if ``forbidden`` does not fit.

    Example:
        >>> z_source = torch.tensor([[1.0, 0.0], [0.9, 0.1]])
        >>> z_target = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
        >>> assignment(z_source, z_target, decoder="cosine")[0]
        tensor([[0, 1],
                [0, 1]])
    """
    similarity = Similarity.of(z_source, z_target, bonus, block_size, candidates)
    source, target, added = similarity.source, similarity.target, similarity.added
    if num_candidates is not None and num_candidates < 1:
        raise ValueError(f"num_candidates must be at least 1, got {num_candidates}")
    if threshold is not None and math.isnan(threshold):
        raise ValueError("threshold must be a number or None, got nan")
    if forbidden is not None:
        check_pairs("forbidden", forbidden, similarity.shape)
    score = scores_of(similarity, decoder)
    k = num_candidates
    if similarity.candidates is not None:
        found = _best_triples(similarity.candidates, score, k)
        return _assigned(*_allowed(found, forbidden), similarity, threshold)
    triples = []
    for side, other, offsets, extra in (
        (source, target, score, added),
        (target, source, score.swapped(), None if added is None else added.t()),
    ):
        k_side = other.size(0) if k is None else min(k, other.size(0))
        for rows, cosine in cosine_blocks(side, other, block_size, extra):
            value, column = top_columns(offsets.apply_(cosine, rows), k_side)
            row = torch.arange(rows.start, rows.stop, device=column.device)
            pair = (row[:, None].expand_as(column), column)
            pair = pair if side is source else pair[::-1]
            triple = torch.stack([part.double() for part in (*pair, value)])
            triples.append(triple.flatten(1).cpu())
        if k is None:
            break
    row, column, value = torch.cat(triples, dim=1).numpy()
    every = _allowed((row, column, value), forbidden)
    return _assigned(*every, similarity, threshold)


def _allowed(triples: _Triples, forbidden: Tensor | None) -> _Triples:
    """The triples of row, column and score that are of no forbidden pair."""
    if forbidden is None:
        return triples
    pairs = torch.from_numpy(np.stack(triples[:2]).astype(np.int64))
    kept = ~is_among(pairs, forbidden.cpu()).numpy()
    row, column, value = (part[kept] for part in triples)
    return row, column, value


def _probable(
    candidates: Candidates, decoder: Sinkhorn, similarity: Similarity, least: float
) -> Tensor:
    """The probabilities of the candidates that score at least ``least``."""
    score = scores_of(similarity, decoder).of_candidates(candidates)
    kept = score >= least
    matrix = torch.sparse_coo_tensor(
        torch.stack([rows[kept] for rows in candidates.pairs]).long(),
        decoder.probability(score[kept]),
        similarity.shape,
        check_invariants=False,
    )
    return matrix.coalesce()


def _mutual(
    candidates: Candidates, scoring: Scoring, least: float
) -> tuple[Tensor, Tensor]:
    """The candidates that are the best of both their rows."""
    score = scoring.of_candidates(candidates)
    best = candidates.by_target.best(score)[1].view(-1)
    value, place = (found.view(-1) for found in candidates.by_source.best(score))
    column = candidates.column_at(place)
    mutual = (place >= 0) & (best[column] == place) & (value >= least)
    row = mutual.nonzero().view(-1)
    return torch.stack([row, column[mutual]]), value[mutual]


def _best_triples(candidates: Candidates, scoring: Scoring, k: int | None) -> _Triples:
    """Rows, columns and scores of the ``k`` best candidates of each row of both sides,
    or of all of them.
    """
    score = scoring.of_candidates(candidates)
    place = torch.arange(len(candidates), device=score.device)
    if k is not None:
        sides = (candidates.by_source, candidates.by_target)
        place = torch.cat([side.best(score, k)[1].view(-1) for side in sides])
        place = place[place >= 0].unique()
    row, column = (rows.index_select(0, place) for rows in candidates.pairs)
    values = [part.double().cpu().numpy() for part in (row, column, score[place])]
    return values[0], values[1], values[2]


def _assigned(
    row: NDArray[Any],
    column: NDArray[Any],
    value: NDArray[Any],
    similarity: Similarity,
    threshold: float | None,
) -> tuple[Tensor, Tensor]:
    """The best matching of pairs with known scores, as :func:`assignment` gives it."""
    source, size = similarity.source, similarity.shape
    chosen = _best_matching(row.astype(int), column.astype(int), value, size, threshold)
    pairs = torch.from_numpy(np.stack([row[chosen], column[chosen]]).astype(np.int64))
    dtype = torch.promote_types(source.dtype, torch.float32)
    scores = torch.from_numpy(value[chosen]).to(dtype)
    return pairs.to(source.device), scores.to(source.device)


def _best_matching(
    row: np.ndarray,
    column: np.ndarray,
    value: np.ndarray,
    size: tuple[int, int],
    threshold: float | None,
) -> np.ndarray:
    """The positions of the candidates in the best matching, ascending by row."""
    kept = np.ones(len(value), bool) if threshold is None else value >= threshold
    # Both sides may have named the same pair.
    key, first = np.unique((row * size[1] + column)[kept], return_index=True)
    first = kept.nonzero()[0][first]
    if len(first) == 0:
        return first
    highest, lowest = value[first].max(), value[first].min()
    # SciPy needs positive costs and a partner for every row, so each gets an extra
    # column that costs as much as a pair at the threshold, or more than all pairs.
    alone = (
        (highest - lowest + 1) * (min(size) + 1)
        if threshold is None
        else highest - threshold + 1
    )
    rows = np.concatenate([key // size[1], np.arange(size[0])])
    columns = np.concatenate([key % size[1], size[1] + np.arange(size[0])])
    costs = np.concatenate([highest - value[first] + 1, np.full(size[0], alone)])
    matrix = csr_array((costs, (rows, columns)), shape=(size[0], sum(size)))
    matched_row, matched_column = min_weight_full_bipartite_matching(matrix)
    real = matched_column < size[1]
    chosen = matched_row[real] * size[1] + matched_column[real]
    return first[np.searchsorted(key, np.sort(chosen))]
