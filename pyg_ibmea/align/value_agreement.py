"""Agreement of the attribute values of entities, with what corresponds learned."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyg_ibmea.align._value_closeness import Close, close_pairs
from pyg_ibmea.align._value_columns import Column, Floats, Ids, value_columns
from pyg_ibmea.align._value_excess import excess_correspondences
from pyg_ibmea.align._value_learning import ValueCorrespondence, correspondences
from pyg_ibmea.problem import Literals

# Values of the other graph that are as close, at most, and pairs of entities in all.
_MOST_SHARED = 300
_MOST_PAIRS = 2**25
# With fewer known pairs, values that agree tell what corresponds.
_FEW = 100
# Less than this many nats are not worth a pair.
_LEAST = 0.5


def value_agreement(
    source: Literals,
    target: Literals,
    known: Tensor,
    size: tuple[int, int],
    learned: Sequence[ValueCorrespondence] | None = None,
) -> Tensor:
    r"""How far the attribute values of two entities speak for their being the same.

    Known pairs tell which attributes of the two graphs correspond, in which units, and
    how often the values of counterparts are the same, nearly the same, or far apart
    (see :func:`value_correspondences`). With the share :math:`m_l` of counterparts
    whose values are at a level :math:`l` of closeness, and the share :math:`u_l` of all
    entities whose values are as close to this one's, values at level :math:`l` are the
    evidence :math:`\log m_l / u_l` (`Fellegi and Sunter
    <https://doi.org/10.1080/01621459.1969.10501049>`_): much for a day of birth, little
    for a number that many entities share. The evidence of different attributes adds up,
    each attribute counting once. It is divided by the evidence that singles out one
    entity of all:

    .. math::
        S_{ij} = \min\Big(1, \frac{\sum \log m_l / u_l}{\log \max(N, M)}\Big)

    Args:
        source (Literals): The values of the source graph.
        target (Literals): The values of the target graph.
        known (torch.Tensor): Node ids of known pairs, long ``[2, L]``. Without enough
            of them, attributes correspond whose values agree more often than by chance.
        size (tuple): Number of nodes of both graphs, ``(N, M)``.
        learned (sequence of ValueCorrespondence, optional): What
            :func:`value_correspondences` returned for them. (default: found here)

    Returns:
        torch.Tensor: :math:`S`, sparse ``[N, M]`` in (0, 1], on the device of
        ``known``; empty where no attributes correspond.

    Raises:
        ValueError: If known pairs are not long ``[2, L]``.

    Example:
        >>> rows = torch.arange(8)
        >>> days = [f"19{i}{i}-0{i + 1}-11" for i in range(8)]
        >>> sides = [
        ...     Literals(rows, 0 * rows, days, [name])
        ...     for name in ("birthDate", "born")
        ... ]
        >>> found = value_agreement(*sides, rows[:6].repeat(2, 1), (8, 8))
        >>> found.indices().tolist()[0] == found.indices().tolist()[1] == rows.tolist()
        True
    """
    if learned is None:
        learned = value_correspondences(source, target, known)
    pair, evidence = _evidence(learned, size)
    index = torch.from_numpy(np.stack([pair // size[1], pair % size[1]]))
    share = evidence / math.log(max(2, *size))
    value = torch.from_numpy(np.minimum(share, 1.0)).float()
    found = torch.sparse_coo_tensor(
        index, value, size, check_invariants=False, is_coalesced=True
    )
    return found.to(known.device)


def value_correspondences(
    source: Literals, target: Literals, known: Tensor
) -> list[ValueCorrespondence]:
    """The pairs of attributes of two graphs whose values agree more often in known
    pairs than by chance, the most telling first.

    Units are learned, too: numbers may differ by a factor and dates by a month.

    Args:
        source (Literals): The values of the source graph.
        target (Literals): The values of the target graph.
        known (torch.Tensor): Node ids of known pairs, long ``[2, L]``.

    Returns:
        list: Two attributes each, and how their values agree.
    """
    if known.dim() != 2 or known.size(0) != 2 or known.dtype != torch.long:
        raise ValueError(
            f"known must be pairs, long [2, L], got {known.dtype} {list(known.shape)}"
        )
    columns = value_columns(source), value_columns(target)
    ids = known.cpu().numpy()
    found = correspondences(*columns, (ids[0], ids[1]))
    if known.size(1) < _FEW:
        found = _from_few(*columns, (ids[0], ids[1]), found)
    return sorted(found, key=lambda one: -one.gain)


def _from_few(
    sources: Sequence[Column],
    targets: Sequence[Column],
    known: tuple[Ids, Ids],
    found: list[ValueCorrespondence],
) -> list[ValueCorrespondence]:
    """What few known pairs tell, and the values themselves: entities that they single
    out count as known pairs, which tell about other attributes.
    """
    seen = {(one.source.name, one.target.name) for one in found}
    found = found + [
        one
        for one in excess_correspondences(sources, targets)
        if (one.source.name, one.target.name) not in seen
    ]
    size = tuple(
        1 + max((int(c.entity[-1]) for c in columns), default=0)
        for columns in (sources, targets)
    )
    pair, evidence = _evidence(found, (size[0], size[1]))
    sure = evidence >= math.log(max(2, *size))
    row, column = pair // size[1], pair % size[1]
    best = sure & is_only_best(row, evidence) & is_only_best(column, evidence)
    best &= ~(np.isin(row, known[0]) | np.isin(column, known[1]))
    more = [
        np.concatenate([k, m[best]]) for k, m in zip(known, (row, column), strict=True)
    ]
    again = correspondences(sources, targets, (more[0], more[1]))
    return again if len(again) >= len(found) / 2 else found


def is_only_best(ids: Ids, evidence: Floats) -> NDArray[np.bool_]:
    """Which pairs are the only best of an entity."""
    if not len(ids):
        return np.zeros(0, dtype=bool)
    most = np.full(int(ids.max()) + 1, -np.inf)
    np.maximum.at(most, ids, evidence)
    best = evidence == most[ids]
    count = np.bincount(ids[best], minlength=len(most))
    alone: NDArray[np.bool_] = best & (count[ids] == 1)
    return alone


def _evidence(
    learned: Sequence[ValueCorrespondence], size: tuple[int, int]
) -> tuple[Ids, Floats]:
    """The pairs of entities that values speak for, as one ascending number each, and
    how much they do, in nats.
    """
    pairs, evidences, names = [], [], []
    number: dict[tuple[int, str], int] = {}
    unused = count()
    each = each_evidence(learned, size)
    for one, (pair, found) in zip(learned, each, strict=True):
        pairs.append(pair)
        evidences.append(found)
        own = [
            number.setdefault((side, column.name), next(unused))
            for side, column in enumerate((one.source, one.target))
        ]
        names.append(np.repeat(np.array([own]), len(found), axis=0))
    if not pairs:
        return np.empty(0, dtype=np.int64), np.empty(0)
    every, evidence = np.concatenate(pairs), np.concatenate(evidences)
    attributes = np.concatenate(names)
    pair, place = np.unique(every, return_inverse=True)
    # What two attributes of one graph say together of one of the other counts once.
    sums = [
        _sums_of_best(place, attributes[:, side], evidence, len(pair))
        for side in (0, 1)
    ]
    return pair, np.minimum(*sums)


def each_evidence(
    learned: Sequence[ValueCorrespondence], size: tuple[int, int]
) -> Iterator[tuple[Ids, Floats]]:
    """For each two attributes that correspond, the pairs of entities that their values
    speak for, as one number each, and how much they do, in nats.
    """
    for one in learned:
        budget = _MOST_PAIRS // len(learned) // len(one.source.entity)
        close = close_pairs(one.source, one.target, max(1, min(_MOST_SHARED, budget)))
        found = _evidence_of(one, close)
        kept = found > _LEAST
        yield close.source[kept] * size[1] + close.target[kept], found[kept]


def _evidence_of(one: ValueCorrespondence, close: Close) -> Floats:
    """What the closeness of the values of each pair says, in nats."""
    size = len(one.agreeing)
    shares = []
    for ids, other in ((close.source, one.target), (close.target, one.source)):
        _, place, shared = np.unique(
            ids * size + close.level, return_inverse=True, return_counts=True
        )
        shares.append(shared[place] / other.num_entities)
    likelier: Floats = np.log(one.agreeing[close.level] / np.maximum(*shares))
    return likelier


def _sums_of_best(place: Ids, attribute: Ids, evidence: Floats, size: int) -> Floats:
    """The sum over the attributes of a graph of the most that each says of a pair."""
    order = np.lexsort((-evidence, attribute, place))
    place, attribute, evidence = place[order], attribute[order], evidence[order]
    first = np.ones(len(place), dtype=bool)
    first[1:] = (np.diff(place) != 0) | (np.diff(attribute) != 0)
    found = np.bincount(place[first], weights=evidence[first], minlength=size)
    return found.astype(np.float64)
