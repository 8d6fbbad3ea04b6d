"""Neighbourhood agreement of entities, given the matches so far."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from torch import Tensor

Edges = tuple[Tensor, Tensor]
"""``edge_index`` (heads and tails, long ``[2, E]``) and ``edge_type`` (``[E]``)."""

_LEAST = 1e-3


def relation_agreement(
    matches: Tensor,
    source_edges: Edges,
    target_edges: Edges,
    threshold: float = 0.5,
) -> Tensor:
    r"""How similar the relations of two graphs are, judging by the entities that they
    join.

    With :math:`n(r, r')` the number of times that :math:`r` and :math:`r'` join the
    same pairs of counterparts, and :math:`n(r)`, :math:`n(r')` its row and column sums,

    .. math::
        R(r, r') = \frac{n(r, r')}{\sqrt{(n(r) + 1) (n(r') + 1)}}

    where the 1 damps rare coincidences. A relation read from tail to head counts as a
    separate relation.

    Args:
        matches (torch.Tensor): Probabilities that source and target entities are
            counterparts, sparse ``[N, M]``, known pairs included. Only the most
            probable counterpart of each target entity counts.
        source_edges (tuple): ``edge_index`` ``[2, E]`` and ``edge_type`` ``[E]`` of the
            source graph.
        target_edges (tuple): The same of the target graph.
        threshold (float, optional): Matches with a lower probability do not count.
            (default: :obj:`0.5`)

    Returns:
        torch.Tensor: Sparse ``[2 S, 2 T]`` in [0, 1] for :math:`S` and :math:`T`
        relations; the second half of the rows and columns is for relations read from
        tail to head.

    Raises:
        ValueError: If an edge names an entity that ``matches`` has no row or column
            for, or shapes do not fit.

    Example:
        >>> edges = torch.tensor([[0, 1], [1, 2]]), torch.tensor([0, 1])
        >>> relation_agreement(torch.eye(3).to_sparse(), edges, edges).to_dense()
        tensor([[0.5000, 0.0000, 0.0000, 0.0000],
                [0.0000, 0.5000, 0.0000, 0.0000],
                [0.0000, 0.0000, 0.5000, 0.0000],
                [0.0000, 0.0000, 0.0000, 0.5000]])
    """
    known, (source, target) = _checked(matches, source_edges, target_edges)
    return _to_torch(_relations(known, source, target, threshold), matches)


def neighborhood_agreement(
    matches: Tensor,
    source_edges: Edges,
    target_edges: Edges,
    most_shared: int = 100,
) -> Tensor:
    r"""How far the neighbourhoods of two entities agree, given probable counterparts.

    An entity is described by its neighbours and the relations that lead to them,
    :math:`c = (r, n)`. The fewer entities share :math:`c`, the higher its weight:
    :math:`w_c = 1 / \sqrt{\text{number of entities with } c}`. With the probability
    :math:`P` that neighbours are counterparts, and :math:`R` from
    :func:`relation_agreement`,

    .. math::
        S_{ij} = \frac{\sum_{c \in i} \sum_{c' \in j} \sqrt{w_c w_{c'}} \,
        P(n_c, n_{c'}) R(r_c, r_{c'})}{\sqrt{\sum_{c \in i} w_c \sum_{c' \in j} w_{c'}}}

    which is near 1 if both have the same neighbours by the same relations, and 0 if no
    neighbours match. Unlike the similarity of learned embeddings, it is exact: two
    entities without a common neighbour never look alike. The idea that probable
    counterparts support the match of their neighbours comes from `PARIS
    <https://arxiv.org/abs/1111.7164>`_.

    Args:
        matches (torch.Tensor): Probabilities that source and target entities are
            counterparts, sparse ``[N, M]``, known pairs included; e.g. the result of
            :func:`match_probabilities`.
        source_edges (tuple): ``edge_index`` ``[2, E]`` and ``edge_type`` ``[E]`` of the
            source graph.
        target_edges (tuple): The same of the target graph.
        most_shared (int, optional): A combination of neighbour and relation that more
            entities share is left out: it tells little and would make the result dense.
            (default: :obj:`100`)

    Returns:
        torch.Tensor: :math:`S`, sparse ``[N, M]``, non-negative.

    Raises:
        ValueError: As for :func:`relation_agreement`, or if ``most_shared`` is not
            positive.

    Example:
        >>> path = torch.tensor([[0, 1], [1, 2]]), torch.tensor([0, 1])
        >>> known = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 0]]).to_sparse()
        >>> neighborhood_agreement(known, path, path).to_dense().round(decimals=2)
        tensor([[0.5000, 0.0000, 0.0000],
                [0.0000, 0.2500, 0.0000],
                [0.0000, 0.0000, 0.0000]])
    """
    if most_shared < 1:
        raise ValueError(f"most_shared must be at least 1, got {most_shared}")
    known, (source, target) = _checked(matches, source_edges, target_edges)
    relations = _relations(known, source, target, 0.5)
    left, right = (_Features.of(side, most_shared) for side in (source, target))
    alike = _alike_features(known, relations, left, right)
    found = left.of_entity @ alike @ right.of_entity.T
    return _to_torch(found.tocoo(), matches)


class _Graph(NamedTuple):
    """The edges of a graph, each in both directions: the entity that it describes, the
    relation, and the neighbour at the other end.
    """

    entity: NDArray[np.int64]
    relation: NDArray[np.int64]
    neighbor: NDArray[np.int64]
    num_entities: int
    num_relations: int


class _Features(NamedTuple):
    """The distinct combinations of neighbour and relation, ordered by neighbour."""

    neighbor: NDArray[np.int64]
    relation: NDArray[np.int64]
    of_entity: csr_array

    @classmethod
    def of(cls, graph: _Graph, most_shared: int) -> _Features:
        key = graph.neighbor * graph.num_relations + graph.relation
        key, place = np.unique(key, return_inverse=True)
        # What an entity has twice counts once.
        said = np.unique(graph.entity * max(1, key.size) + place)
        entity, place = said // max(1, key.size), said % max(1, key.size)
        shared = np.bincount(place, minlength=key.size)
        weight = np.where(shared <= most_shared, shared.clip(min=1) ** -0.5, 0.0)
        size = graph.num_entities, key.size
        rows = csr_array((weight[place] ** 0.5, (entity, place)), shape=size)
        length = np.sqrt((rows**2).sum(axis=1))
        scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
        relation = key % max(1, graph.num_relations)
        neighbor = key // max(1, graph.num_relations)
        return cls(neighbor, relation, csr_array(rows.multiply(scale[:, None])))


def _relations(
    known: coo_array, source: _Graph, target: _Graph, threshold: float
) -> coo_array:
    """See :func:`relation_agreement`."""
    order = known.data.argsort(kind="stable")
    order = order[known.data[order] >= threshold]
    counterpart = np.full(target.num_entities, -1)
    counterpart[known.col[order]] = known.row[order]  # The most probable comes last.
    entity, neighbor = counterpart[target.entity], counterpart[target.neighbor]
    both = (entity >= 0) & (neighbor >= 0)
    theirs = entity[both] * source.num_entities + neighbor[both]
    relation = target.relation[both]
    order = theirs.argsort(kind="stable")
    theirs, relation = theirs[order], relation[order]
    ours = source.entity * source.num_entities + source.neighbor
    edge, place = _ranges(*(theirs.searchsorted(ours, s) for s in ("left", "right")))
    size = source.num_relations, target.num_relations
    pairs = source.relation[edge], relation[place]
    counts = csr_array((np.ones(len(edge)), pairs), shape=size).tocoo()
    sums = [np.asarray(counts.sum(axis=axis)) + 1 for axis in (1, 0)]
    value = counts.data / np.sqrt(sums[0][counts.row] * sums[1][counts.col])
    return coo_array((value, (counts.row, counts.col)), shape=size)


def _alike_features(
    known: coo_array, relations: coo_array, left: _Features, right: _Features
) -> csr_array:
    """How similar two features are: the agreement of neighbours times that of
    relations.
    """
    match, ours = _ranges(
        *(left.neighbor.searchsorted(known.row, side) for side in ("left", "right"))
    )
    theirs = known.col[match]
    pair, other = _ranges(
        *(right.neighbor.searchsorted(theirs, side) for side in ("left", "right"))
    )
    one, probability = ours[pair], known.data[match[pair]]
    value = probability * _entries(relations, left.relation[one], right.relation[other])
    kept = value > _LEAST
    size = left.neighbor.size, right.neighbor.size
    return csr_array((value[kept], (one[kept], other[kept])), shape=size)


def _entries(
    matrix: coo_array, row: NDArray[np.int64], column: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Entries of a sparse matrix at given rows and columns."""
    width = max(1, matrix.shape[1])
    keys = matrix.row.astype(np.int64) * width + matrix.col
    order, wanted = keys.argsort(), row * width + column
    keys = np.append(keys[order], -1)  # A missing key is past the end or differs.
    place = keys[:-1].searchsorted(wanted)
    values = np.append(matrix.data[order], 0.0)
    return np.where(keys[place] == wanted, values[place], 0.0)


def _ranges(
    start: NDArray[np.int64], stop: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numbers in many ranges: for each, the index of its range, and the number."""
    count = stop - start
    number = np.repeat(np.arange(len(start)), count)
    inside = np.arange(len(number)) - np.repeat(np.cumsum(count) - count, count)
    return number, start[number] + inside


def _checked(
    matches: Tensor, source_edges: Edges, target_edges: Edges
) -> tuple[coo_array, tuple[_Graph, _Graph]]:
    if matches.layout == torch.strided or matches.dim() != 2:
        raise ValueError(
            f"matches must be a sparse matrix [N, M], got {matches.layout} "
            f"{list(matches.shape)}"
        )
    sides = zip(("source", "target"), (source_edges, target_edges), strict=True)
    graphs = [
        _graph(side, edges, size)
        for (side, edges), size in zip(sides, matches.shape, strict=True)
    ]
    found = matches.to_sparse_coo().coalesce().cpu()
    row, column = found.indices().numpy()
    values = found.values().double().numpy()
    known = coo_array((values, (row, column)), shape=tuple(matches.shape))
    return known, (graphs[0], graphs[1])


def _graph(side: str, edges: Edges, size: int) -> _Graph:
    edge_index, edge_type = (part.cpu().long() for part in edges)
    if edge_index.dim() != 2 or len(edge_index) != 2:
        raise ValueError(
            f"the edge_index of the {side} graph must be [2, E], got "
            f"{list(edge_index.shape)}"
        )
    if edge_type.shape != edge_index.shape[1:]:
        raise ValueError(
            f"the {side} graph has {edge_index.size(1)} edges and edge_type "
            f"{list(edge_type.shape)}; give each edge one type"
        )
    outside = (edge_index < 0) | (edge_index >= size)
    if bool(outside.any()):
        raise ValueError(
            f"an edge of the {side} graph names entity {int(edge_index[outside][0])}, "
            f"but matches has {size} {side} entities"
        )
    if bool((edge_type < 0).any()):
        raise ValueError(f"edge_type of the {side} graph must be non-negative")
    head, tail = edge_index.numpy()
    relation = edge_type.numpy()
    num_relations = int(relation.max(initial=-1)) + 1
    return _Graph(
        np.concatenate([head, tail]),
        np.concatenate([relation, relation + num_relations]),
        np.concatenate([tail, head]),
        size,
        2 * num_relations,
    )


def _to_torch(found: coo_array, like: Tensor) -> Tensor:
    """Converts to a tensor on the device and of the floating-point type of ``like``."""
    dtype = like.dtype if like.is_floating_point() else torch.float32
    index = torch.from_numpy(np.stack([found.row, found.col]).astype(np.int64))
    values = torch.from_numpy(found.data).to(dtype)
    matrix = torch.sparse_coo_tensor(index, values, found.shape, check_invariants=False)
    return matrix.coalesce().to(like.device)
