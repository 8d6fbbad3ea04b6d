"""Neighbourhood agreement of probable matches, refined over several rounds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from pyg_ibmea.align._blocks import check_sides
from pyg_ibmea.align._bonus import Bonus
from pyg_ibmea.align.agreement import Edges, neighborhood_agreement
from pyg_ibmea.align.backends import ExactSearch
from pyg_ibmea.align.candidates import Candidates, compares_all, find_candidates
from pyg_ibmea.align.decoders import Sinkhorn
from pyg_ibmea.align.forbidding import is_among
from pyg_ibmea.align.sinkhorn import candidate_probabilities

_LEAST_PROBABILITY = 0.1


@torch.no_grad()
def spread_agreement(
    z_source: Tensor,
    z_target: Tensor,
    source_edges: Edges,
    target_edges: Edges,
    known: Tensor,
    entities: Sequence[Tensor],
    size: tuple[int, int],
    weight: float = 0.5,
    rounds: int = 3,
    decoder: Sinkhorn | None = None,
    num_candidates: int = 100,
    block_size: int | None = None,
    candidates: Candidates | None = None,
    forbidden: Tensor | None = None,
    evidence: Tensor | None = None,
) -> Tensor:
    r"""Computes the neighbourhood agreement of pairs of entities, to be used in
    addition to their embeddings.

    In each round, :func:`sinkhorn` finds probable counterparts from the embeddings and,
    after the first round, from neighbourhood agreement. The pairs with a probability of
    at least 0.1 and the known pairs then give the next :func:`neighborhood_agreement`.
    The embeddings of all pairs are compared only before the first round: a pair that is
    neither among the nearest nor has neighbours that agree does not become a match.

    Args:
        z_source (torch.Tensor): Embeddings of the source entities to be matched,
            ``[n, C]``.
        z_target (torch.Tensor): The same of the target entities, ``[m, C]``.
        source_edges (tuple): ``edge_index`` ``[2, E]`` and ``edge_type`` ``[E]`` of the
            source graph, by node ids.
        target_edges (tuple): The same of the target graph.
        known (torch.Tensor): Node ids of known pairs, long ``[2, L]``.
        entities (sequence of torch.Tensor): Node ids of the rows of both sides, without
            duplicates or entities of known pairs.
        size (tuple): Number of nodes of both graphs, ``(N, M)``.
        weight (float, optional): Factor of the agreement, in units of cosine.
            (default: :obj:`0.5`)
        rounds (int, optional): Number of rounds. (default: :obj:`3`)
        decoder (Sinkhorn, optional): The scaling. (default: :obj:`Sinkhorn()`)
        num_candidates (int, optional): Number of nearest entities by embeddings that
            are candidates of each entity, in addition to those whose neighbours agree.
            (default: :obj:`100`)
        block_size (int, optional): See :func:`topk`. (default: :obj:`None`)
        candidates (Candidates, optional): What :func:`find_candidates` gave for these
            embeddings, in place of ``num_candidates``. (default: :obj:`None`)
        forbidden (torch.Tensor, optional): Node ids of pairs that are known to be
            different, long ``[2, D]``; they never count as counterparts.
            (default: :obj:`None`)
        evidence (torch.Tensor, optional): What else speaks for pairs, in units of
            cosine, by node ids, sparse ``[N, M]``, such as a weighted
            :func:`value_agreement`. It is added in every round, and to the result.
            (default: :obj:`None`)

    Returns:
        torch.Tensor: The weighted agreement by node ids, sparse ``[N, M]``, to be used
        as the ``bonus`` of search, matching and metrics.

    Raises:
        ValueError: As for :func:`topk`, or if ids, shapes or devices do not fit.

    Example:
        >>> z = torch.eye(3)
        >>> path = torch.tensor([[0, 1], [1, 2]]), torch.tensor([0, 1])
        >>> known, rest = torch.tensor([[0], [0]]), torch.tensor([1, 2])
        >>> bonus = spread_agreement(
        ...     z[1:], z[1:], path, path, known, (rest, rest), (3, 3), weight=1.0)
        >>> bonus.to_dense()
        tensor([[0.5000, 0.0000, 0.0000],
                [0.0000, 0.5000, 0.0000],
                [0.0000, 0.0000, 0.5000]])
    """
    return spread_with_matches(
        *(z_source, z_target, source_edges, target_edges, known, entities, size),
        *(weight, rounds, decoder, num_candidates, block_size, candidates, forbidden),
        evidence,
    )[0]


@torch.no_grad()
def spread_with_matches(
    z_source: Tensor,
    z_target: Tensor,
    source_edges: Edges,
    target_edges: Edges,
    known: Tensor,
    entities: Sequence[Tensor],
    size: tuple[int, int],
    weight: float = 0.5,
    rounds: int = 3,
    decoder: Sinkhorn | None = None,
    num_candidates: int = 100,
    block_size: int | None = None,
    candidates: Candidates | None = None,
    forbidden: Tensor | None = None,
    evidence: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """What :func:`spread_agreement` gives, and the probable matches of the last round
    that it was computed from, sparse ``[N, M]``: by them the agreement of two entities
    can be taken apart.

    Args:
        z_source (torch.Tensor): As for :func:`spread_agreement`, as are all others.
        z_target (torch.Tensor): The same.
        source_edges (tuple): The same.
        target_edges (tuple): The same.
        known (torch.Tensor): The same.
        entities (sequence of torch.Tensor): The same.
        size (tuple): The same.
        weight (float, optional): The same.
        rounds (int, optional): The same.
        decoder (Sinkhorn, optional): The same.
        num_candidates (int, optional): The same.
        block_size (int, optional): The same.
        candidates (Candidates, optional): The same.
        forbidden (torch.Tensor, optional): The same.
        evidence (torch.Tensor, optional): The same.
    """
    decoder = Sinkhorn() if decoder is None else decoder
    for name, number in (("rounds", rounds), ("num_candidates", num_candidates)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    if not 0 <= weight < math.inf:
        raise ValueError(f"weight must be non-negative and finite, got {weight}")
    dtype = check_sides(z_source, z_target)
    known = _checked_ids(known, entities, (z_source, z_target), size)
    if candidates is None:
        exact = compares_all((len(z_source), len(z_target)))
        search = ExactSearch(block_size) if exact else "auto"
        candidates = find_candidates(z_source, z_target, num_candidates, search)
    sure = torch.ones(known.size(1), dtype=dtype, device=known.device)
    bonus = evidence
    for _ in range(rounds):
        alike = candidates
        if bonus is not None:
            added = bonus.index_select(0, entities[0]).index_select(1, entities[1])
            told = Bonus.of(added, z_source, z_target)
            assert told is not None
            pairs = torch.stack([told.row, told.column])
            # A pair that loses its agreement stays among the candidates.
            candidates = candidates.including(pairs, z_source, z_target)
            alike = candidates.with_bonus(told, z_source, z_target)
        found = candidate_probabilities(
            alike, decoder.temperature, decoder.num_iters, decoder.tolerance
        )
        kept = found >= _LEAST_PROBABILITY
        if forbidden is not None and forbidden.size(1):
            every = zip(entities, alike.pairs, strict=True)
            kept &= ~is_among(torch.stack([of[row] for of, row in every]), forbidden)
        chosen = (side[kept].long() for side in alike.pairs)
        sides = zip(entities, chosen, strict=True)
        ids = torch.stack([of[row] for of, row in sides])
        matches = torch.sparse_coo_tensor(
            torch.cat([known, ids], dim=1),
            torch.cat([sure, found[kept].to(sure.dtype)]),
            size,
            check_invariants=False,
        )
        bonus = weight * neighborhood_agreement(matches, source_edges, target_edges)
        if evidence is not None:
            bonus = (bonus + evidence.to(bonus.dtype)).coalesce()
    assert bonus is not None
    return bonus, matches


def _checked_ids(
    known: Tensor,
    entities: Sequence[Tensor],
    sides: Sequence[Tensor],
    size: tuple[int, int],
) -> Tensor:
    """The known pairs without duplicates; raises ValueError if an id is invalid."""
    if known.dim() != 2 or known.size(0) != 2:
        raise ValueError(f"known must be pairs [2, L], got {list(known.shape)}")
    if len(entities) != 2:
        raise ValueError(
            f"entities must hold the ids of two sides, got {len(entities)}"
        )
    for i, (ids, side) in enumerate(zip(entities, sides, strict=True)):
        if list(ids.shape) != [side.size(0)]:
            raise ValueError(
                f"entities[{i}] has the shape {list(ids.shape)} for {side.size(0)} "
                "rows of embeddings"
            )
        for name, nodes in ((f"entities[{i}]", ids), (f"known[{i}]", known[i])):
            if nodes.dtype != torch.long or nodes.device != side.device:
                raise ValueError(
                    f"{name} must be long and on {side.device}, got {nodes.dtype} on "
                    f"{nodes.device}"
                )
            if (
                nodes.numel()
                and not 0 <= int(nodes.min()) <= int(nodes.max()) < size[i]
            ):
                raise ValueError(f"{name} must be node ids below {size[i]}")
        if ids.unique().numel() < ids.numel() or torch.isin(ids, known[i]).any():
            raise ValueError(
                f"entities[{i}] names an entity twice, or an entity of a known pair"
            )
    distinct: Tensor = known.unique(dim=1)
    return distinct
