"""Pairs that are known to be different, and must not be matched."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_FAR = 10.0
"""What a forbidden pair loses, beyond twice all that is added: cosines lie in [-1, 1],
and the offsets of CSLS and Sinkhorn scaling within their range."""


def forbid(pairs: Tensor, size: tuple[int, int], bonus: Tensor | None = None) -> Tensor:
    """The bonus that puts pairs behind all others, for the argument ``bonus`` of
    search, matching, decoders and metrics.

    It is finite, so that CSLS and Sinkhorn scaling stay defined. Where a row has no
    other partner left, or Sinkhorn scaling must give it one, a forbidden pair may still
    come out: :func:`is_among` finds it.

    Args:
        pairs (torch.Tensor): Source and target rows that are different, long
            ``[2, D]``; duplicates count once.
        size (tuple): Number of source and target rows, ``(N, M)``.
        bonus (torch.Tensor, optional): Another bonus, sparse ``[N, M]``, to be added.
            (default: :obj:`None`)

    Returns:
        torch.Tensor: Sparse ``[N, M]``.

    Raises:
        ValueError: If the pairs are not long ``[2, D]``, or name rows that do not
            exist.

    Example:
        >>> from pyg_ibmea.align import topk
        >>> z = torch.tensor([[1.0, 0.0], [0.8, 0.6]])
        >>> different = torch.tensor([[0], [0]])
        >>> topk(z, z, k=1, decoder="cosine", bonus=forbid(different, (2, 2)))[1]
        tensor([[1],
                [1]])
    """
    check_pairs("pairs", pairs, size)
    pairs = pairs.unique(dim=1)
    if bonus is None:
        value = torch.full((pairs.size(1),), -_FAR, device=pairs.device)
        return torch.sparse_coo_tensor(
            pairs, value, size, check_invariants=False
        ).coalesce()
    bonus = bonus.to_sparse_coo().coalesce()
    known = bonus.values()
    most = float(known.abs().max()) if known.numel() else 0.0
    value = known.new_full((pairs.size(1),), -_FAR - 2.0 * most)
    return torch.sparse_coo_tensor(
        torch.cat([bonus.indices(), pairs], dim=1),
        torch.cat([known, value]),
        size,
        check_invariants=False,
    ).coalesce()


def forbid_among(
    different: Tensor, entities: Sequence[Tensor], bonus: Tensor | None = None
) -> Tensor | None:
    """The same for some entities of both graphs, in their order.

    Args:
        different (torch.Tensor): Node ids of pairs that are different, long ``[2, D]``.
        entities (sequence of torch.Tensor): Node ids of both sides, ascending, long
            ``[n]`` and ``[m]``.
        bonus (torch.Tensor, optional): Another bonus of these entities, sparse
            ``[n, m]``. (default: :obj:`None`)

    Returns:
        torch.Tensor: Sparse ``[n, m]``; the bonus as it is if none of the pairs is
        among the entities.
    """
    rows, inside = [], None
    for ids, side in zip(entities, different, strict=True):
        if not ids.numel() or not side.numel():
            return bonus
        row = torch.searchsorted(ids, side.contiguous()).clamp(max=ids.numel() - 1)
        found = ids[row] == side
        inside = found if inside is None else inside & found
        rows.append(row)
    assert inside is not None
    if not bool(inside.any()):
        return bonus
    size = entities[0].numel(), entities[1].numel()
    return forbid(torch.stack(rows)[:, inside], size, bonus)


def is_among(pairs: Tensor, others: Tensor) -> Tensor:
    """Which of some pairs are among others.

    Args:
        pairs (torch.Tensor): Non-negative numbers, long ``[2, L]``.
        others (torch.Tensor): The same, ``[2, D]``.

    Returns:
        torch.Tensor: Bool ``[L]``.

    Example:
        >>> is_among(torch.tensor([[0, 1], [5, 6]]), torch.tensor([[1], [6]]))
        tensor([False,  True])
    """
    if not pairs.size(1) or not others.size(1):
        return torch.zeros(pairs.size(1), dtype=torch.bool, device=pairs.device)
    others = others.to(pairs.device)
    width = 1 + max(int(pairs[1].max()), int(others[1].max()))
    return torch.isin(pairs[0] * width + pairs[1], others[0] * width + others[1])


def check_pairs(name: str, pairs: Tensor, size: tuple[int, int]) -> None:
    """Checks pairs of rows.

    Args:
        name (str): What they are called in the message.
        pairs (torch.Tensor): The pairs.
        size (tuple): Number of source and target rows.

    Raises:
        ValueError: If they are not long ``[2, D]``, or name rows that do not exist.
    """
    if pairs.dtype != torch.long or pairs.dim() != 2 or pairs.size(0) != 2:
        raise ValueError(
            f"{name} must be long [2, D], got {pairs.dtype} {list(pairs.shape)}"
        )
    for what, side, count in zip(("source", "target"), pairs, size, strict=True):
        bad = side[(side < 0) | (side >= count)]
        if bad.numel():
            raise ValueError(
                f"{name} names {what} row {int(bad[0])}, but there are {count}"
            )
