"""Neighbourhood agreement of entities, given the matches so far."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pyg_ibmea.align._sparse_product import Entries, product

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
    return _like(_relations(known, source, target, threshold), matches)


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
    found = product(product(left.of_entity, alike), right.of_entity.t())
    return _like(found, matches)


class _Graph(NamedTuple):
    """The edges of a graph, each in both directions: the entity that it describes, the
    relation, and the neighbour at the other end.
    """

    entity: Tensor
    relation: Tensor
    neighbor: Tensor
    num_entities: int
    num_relations: int


class _Features(NamedTuple):
    """The distinct combinations of neighbour and relation, ordered by neighbour."""

    neighbor: Tensor
    relation: Tensor
    of_entity: Entries

    @classmethod
    def of(cls, graph: _Graph, most_shared: int) -> _Features:
        key = graph.neighbor * graph.num_relations + graph.relation
        key, place = torch.unique(key, return_inverse=True)
        count = max(1, key.numel())
        # What an entity has twice counts once.
        said = torch.unique(graph.entity * count + place)
        entity, place = said // count, said % count
        shared = torch.bincount(place, minlength=key.numel())
        rare = shared.clamp(min=1).double() ** -0.5
        weight = torch.where(shared <= most_shared, rare, 0.0)
        value = weight[place] ** 0.5
        length = value.new_zeros(graph.num_entities)
        length = length.index_add_(0, entity, value**2).sqrt_()
        scale = torch.where(length > 0, 1.0 / length, 0.0)
        size = graph.num_entities, key.numel()
        relation = key % max(1, graph.num_relations)
        neighbor = key // max(1, graph.num_relations)
        rows = Entries(entity, place, value * scale[entity], size)
        return cls(neighbor, relation, rows)


def _relations(
    known: Entries, source: _Graph, target: _Graph, threshold: float
) -> Entries:
    """See :func:`relation_agreement`."""
    order = known.value.argsort(stable=True)
    order = order[known.value[order] >= threshold]
    counterpart = _last_of_each(known.column[order], known.row[order], target)
    entity, neighbor = counterpart[target.entity], counterpart[target.neighbor]
    both = (entity >= 0) & (neighbor >= 0)
    theirs = entity[both] * source.num_entities + neighbor[both]
    theirs, order = theirs.sort(stable=True)
    relation = target.relation[both][order]
    ours = source.entity * source.num_entities + source.neighbor
    edge, place = _ranges(theirs, ours)
    width = max(1, target.num_relations)
    key = source.relation[edge] * width + relation[place]
    key, count = torch.unique(key, return_counts=True)
    row, column, count = key // width, key % width, count.double()
    size = source.num_relations, target.num_relations
    sums = [
        count.new_ones(number).index_add_(0, index, count)
        for number, index in zip(size, (row, column), strict=True)
    ]
    value = count / (sums[0][row] * sums[1][column]).sqrt()
    return Entries(row, column, value, size)


def _last_of_each(index: Tensor, value: Tensor, graph: _Graph) -> Tensor:
    """For each entity of a graph, the last of the values at it, -1 for none."""
    place = torch.arange(index.numel(), device=index.device)
    last = place.new_full((graph.num_entities,), -1)
    last.scatter_reduce_(0, index, place, "amax")
    # One more, for those that have none.
    padded = torch.cat([value, value.new_full((1,), -1)])
    return padded[last]


def _alike_features(
    known: Entries, relations: Entries, left: _Features, right: _Features
) -> Entries:
    """How similar two features are: the agreement of neighbours times that of
    relations.
    """
    match, ours = _ranges(left.neighbor, known.row)
    pair, other = _ranges(right.neighbor, known.column[match])
    one, probability = ours[pair], known.value[match[pair]]
    value = probability * _entries(relations, left.relation[one], right.relation[other])
    kept = value > _LEAST
    size = left.neighbor.numel(), right.neighbor.numel()
    return Entries(one[kept], other[kept], value[kept], size)


def _entries(matrix: Entries, row: Tensor, column: Tensor) -> Tensor:
    """Entries of a sparse matrix in order at given rows and columns."""
    width = max(1, matrix.size[1])
    keys, wanted = matrix.row * width + matrix.column, row * width + column
    place = torch.searchsorted(keys, wanted)
    # One more, which no key is, for those that are past the end.
    keys = torch.cat([keys, keys.new_full((1,), -1)])
    values = torch.cat([matrix.value, matrix.value.new_zeros(1)])
    return torch.where(keys[place] == wanted, values[place], 0.0)


def _ranges(ordered: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Where values stand among ordered numbers, each as often as it is there: the index
    of the value, and the place.
    """
    start = torch.searchsorted(ordered, values)
    count = torch.searchsorted(ordered, values, right=True) - start
    index = torch.arange(len(values), device=values.device).repeat_interleave(count)
    inside = torch.arange(len(index), device=values.device)
    inside -= (count.cumsum(0) - count)[index]
    return index, start[index] + inside


def _checked(
    matches: Tensor, source_edges: Edges, target_edges: Edges
) -> tuple[Entries, tuple[_Graph, _Graph]]:
    if matches.layout == torch.strided or matches.dim() != 2:
        raise ValueError(
            f"matches must be a sparse matrix [N, M], got {matches.layout} "
            f"{list(matches.shape)}"
        )
    sides = zip(("source", "target"), (source_edges, target_edges), strict=True)
    graphs = [
        _graph(side, edges, size, matches.device)
        for (side, edges), size in zip(sides, matches.shape, strict=True)
    ]
    found = matches.to_sparse_coo().coalesce()
    size = found.size(0), found.size(1)
    row, column = found.indices()
    known = Entries(row, column, found.values().double(), size)
    return known, (graphs[0], graphs[1])


def _graph(side: str, edges: Edges, size: int, device: torch.device) -> _Graph:
    edge_index, edge_type = (part.as_subclass(Tensor) for part in edges)
    edge_index, edge_type = (p.to(device).long() for p in (edge_index, edge_type))
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
    head, tail = edge_index
    num_relations = int(edge_type.max()) + 1 if edge_type.numel() else 0
    return _Graph(
        torch.cat([head, tail]),
        torch.cat([edge_type, edge_type + num_relations]),
        torch.cat([tail, head]),
        size,
        2 * num_relations,
    )


def _like(found: Entries, like: Tensor) -> Tensor:
    """A tensor of the floating-point type of ``like``."""
    dtype = like.dtype if like.is_floating_point() else torch.float32
    return found.to_torch(dtype).coalesce()
