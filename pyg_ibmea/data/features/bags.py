"""Bags of relations and of attributes: sparse features from the graphs themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyg_ibmea.data.knowledge_graph import KnowledgeGraph

_Ids = NDArray[np.int64]


class FeatureBags(NamedTuple):
    """One modality of several graphs, over the same columns.

    Attributes:
        x: For each graph a coalesced sparse COO matrix, float ``[N, F]``.
        mask: For each graph bool ``[N]``, False where the row has no entry.
        columns: The URI of each of the F columns, the most frequent first.
    """

    x: list[Tensor]
    mask: list[Tensor]
    columns: list[str]


class _Entries(NamedTuple):
    """Occurrences in one graph: node ``rows[i]`` has ``names[columns[i]]``."""

    rows: Tensor
    columns: Tensor
    names: list[str]
    num_nodes: int


def relation_bags(
    graphs: Sequence[KnowledgeGraph], num_features: int = 1000
) -> FeatureBags:
    r"""Counts how often each entity is head or tail of the most frequent relations.

    The relation bag of IBMEA (https://arxiv.org/abs/2407.19302), over the
    :obj:`num_features` relations with the most triples in all graphs. Columns are
    keyed by full URI, so that a relation that two graphs share is one column, and
    head and tail counts are summed. Equal frequencies are ordered by URI.

    Args:
        graphs (sequence of KnowledgeGraph): The graphs to be aligned.
        num_features (int, optional): Maximum number of columns; relations without
            triples get none. (default: :obj:`1000`)

    Returns:
        Matrices of counts, masks and column names.

    Raises:
        ValueError: If :obj:`num_features` is below 1.

    Example:
        >>> triples = torch.tensor([[0, 0, 1], [0, 0, 2]])
        >>> graph = KnowledgeGraph("en", ["a", "b", "c"], ["in", "unused"], triples)
        >>> bags = relation_bags([graph])
        >>> bags.columns, bags.x[0].to_dense().tolist()
        (['in'], [[2.0], [1.0], [1.0]])
    """
    entries = [
        _Entries(
            torch.cat([graph.triples[:, 0], graph.triples[:, 2]]),
            graph.triples[:, 1].repeat(2),
            graph.relations,
            graph.num_nodes,
        )
        for graph in graphs
    ]
    return _bags(entries, num_features, presence=False)


def attribute_bags(
    graphs: Sequence[KnowledgeGraph], num_features: int = 1000
) -> FeatureBags:
    r"""Marks which of the most frequent attributes each entity has.

    The attribute bag of IBMEA (https://arxiv.org/abs/2407.19302), over the
    :obj:`num_features` attributes that the most entities in all graphs have, as zeros
    and ones. Columns are keyed by full URI; equal frequencies are ordered by
    URI. A graph without attributes has an empty matrix of the same width.

    Args:
        graphs (sequence of KnowledgeGraph): The graphs to be aligned.
        num_features (int, optional): Maximum number of columns. (default: :obj:`1000`)

    Returns:
        Matrices of zeros and ones, masks and column names.

    Raises:
        ValueError: If :obj:`num_features` is below 1.

    Example:
        >>> graph = KnowledgeGraph(
        ...     "en", ["a", "b"], [], torch.empty(0, 3, dtype=torch.long),
        ...     attributes=torch.tensor([[0, 0], [1, 0]]),
        ...     attribute_names=["height", "born"],
        ... )
        >>> bags = attribute_bags([graph])
        >>> bags.columns, bags.x[0].to_dense().tolist(), bags.mask[0].tolist()
        (['born', 'height'], [[1.0, 1.0], [0.0, 0.0]], [True, False])
    """
    entries = []
    for graph in graphs:
        has = graph.attributes
        if has is None:
            has = torch.empty(2, 0, dtype=torch.long)
        entries.append(_Entries(has[0], has[1], graph.attribute_names, graph.num_nodes))
    return _bags(entries, num_features, presence=True)


def num_shared_columns(xs: Sequence[Tensor]) -> int:
    r"""Counts the columns in which two or more graphs have an entry.

    Where no column is shared, a bag cannot tell which entities are the same until the
    encoder has learned which columns mean the same.

    Args:
        xs (sequence of torch.Tensor): For each graph a sparse COO matrix over the same
            columns.

    Returns:
        The number of shared columns.

    Example:
        >>> xs = [torch.tensor([[1.0, 0, 2]]), torch.tensor([[0.0, 3, 1]])]
        >>> num_shared_columns([x.to_sparse() for x in xs])
        1
    """
    used = [np.unique(x.coalesce().indices()[1].cpu().numpy()) for x in xs]
    _, counts = np.unique(np.concatenate(used), return_counts=True)
    return int((counts > 1).sum())


def _bags(entries: list[_Entries], num_features: int, presence: bool) -> FeatureBags:
    """Turns occurrences into matrices over the most frequent names of all graphs."""
    if num_features < 1:
        raise ValueError(f"num_features must be at least 1, got {num_features}")
    index: dict[str, int] = {}
    common = [
        np.array([index.setdefault(n, len(index)) for n in entry.names], np.int64)
        for entry in entries
    ]
    names = list(index)
    counted = []
    frequency = np.zeros(len(names), dtype=np.int64)
    for entry, columns in zip(entries, common, strict=True):
        rows, ids = entry.rows.numpy(), columns[entry.columns.numpy()]
        cells, count = np.unique(rows * len(names) + ids, return_counts=True)
        if presence:
            count = np.ones_like(count)
        rows, ids = np.divmod(cells, max(1, len(names)))
        np.add.at(frequency, ids, count)
        counted.append((rows, ids, count))
    occurring = np.flatnonzero(frequency).tolist()
    kept = sorted(occurring, key=lambda i: (-frequency[i], names[i]))[:num_features]
    column = np.full(len(names), -1)
    column[kept] = np.arange(len(kept))
    xs = [
        _matrix(rows, column[ids], count, (entry.num_nodes, len(kept)))
        for entry, (rows, ids, count) in zip(entries, counted, strict=True)
    ]
    masks = [_rows_with_entries(x) for x in xs]
    return FeatureBags(xs, masks, [names[i] for i in kept])


def _matrix(rows: _Ids, columns: _Ids, count: _Ids, size: tuple[int, int]) -> Tensor:
    """Builds a coalesced matrix, without the entries whose column is -1."""
    keep = np.flatnonzero(columns >= 0)
    keep = keep[np.lexsort((columns[keep], rows[keep]))]
    return torch.sparse_coo_tensor(
        torch.from_numpy(np.stack([rows[keep], columns[keep]])),
        torch.from_numpy(count[keep].astype(np.float32)),
        size=size,
        check_invariants=True,
        is_coalesced=True,
    )


def _rows_with_entries(x: Tensor) -> Tensor:
    mask = torch.zeros(x.size(0), dtype=torch.bool)
    mask[x.indices()[0]] = True
    return mask
