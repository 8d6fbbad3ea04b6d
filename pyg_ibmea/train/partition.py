"""Cuts the graphs of an alignment problem into parts that are trained on in turn."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.nn.encoder.entity_embedding import seed_rows
from pyg_ibmea.problem import (
    Pair,
    entity_counts,
    first_numbers,
    has_triples,
    triples_of,
)

# METIS counts with 32 bits where it is installed from wheels.
_LARGEST = 2**31 - 1


def partition(
    data: HeteroData,
    num_parts: int,
    pairs: Mapping[Pair, Tensor] | None = None,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Parts of nearly equal size with few triples between them, by METIS ("A Fast and
    High Quality Multilevel Scheme for Partitioning Irregular Graphs",
    `doi:10.1137/S1064827595287997 <https://doi.org/10.1137/S1064827595287997>`_).

    The graphs are cut as one, in which the entities that are joined by seed pairs are a
    single node: they are always in the same part. Validation and test pairs are not
    looked at. Entities without triples fill up the smaller parts.

    Args:
        data (HeteroData): The problem.
        num_parts (int): Number of parts.
        pairs (dict, optional): Further pairs that are to stay together, such as
            pseudo-seeds: node ids long ``[2, L]`` by pair of graphs. (default: none)
        seed (int, optional): Seed of METIS. (default: :obj:`0`)

    Returns:
        dict: By graph, the number of each entity's part, long ``[N]``.

    Raises:
        ImportError: If there are several parts and pymetis is not installed.
        ValueError: If there are fewer entities than parts, or no parts at all.

    Example:
        >>> from pyg_ibmea.datasets import SyntheticMMKG
        >>> data = SyntheticMMKG(num_entities=100)[0]
        >>> part = partition(data, num_parts=1)
        >>> part["source"].shape, int(part["source"].max())
        (torch.Size([100]), 0)
    """
    counts = entity_counts(data)
    size = sum(counts.values())
    if not 1 <= num_parts <= max(1, size):
        raise ValueError(
            f"{size} entities can be cut into 1 to {size} parts, got {num_parts}"
        )
    of_entity = np.zeros(size, dtype=np.int64)
    if num_parts > 1:
        node = _nodes(data, pairs or {})
        of_entity = _parts_of(_merged_graph(data, node), node, num_parts, seed)[node]
    parts = torch.from_numpy(of_entity).split(list(counts.values()))
    return dict(zip(counts, parts, strict=True))


def _nodes(data: HeteroData, pairs: Mapping[Pair, Tensor]) -> NDArray[np.int64]:
    """The node of each entity, graph after graph."""
    node = seed_rows(data).numpy()
    first = first_numbers(entity_counts(data))
    ends = [np.empty((2, 0), dtype=np.int64)]
    for (a, b), ids in pairs.items():
        source, target = ids.cpu().numpy()
        ends.append(np.stack([node[source + first[a]], node[target + first[b]]]))
    source, target = np.concatenate(ends, axis=1)
    count = int(node.max()) + 1
    joined = coo_array((np.ones(len(source)), (source, target)), shape=(count, count))
    found: NDArray[np.int64] = connected_components(joined, directed=False)[1][node]
    return found


def _merged_graph(data: HeteroData, node: NDArray[np.int64]) -> csr_array:
    """The symmetric ``[n, n]`` matrix of how many triples join two nodes."""
    first, size = first_numbers(entity_counts(data)), int(node.max()) + 1
    graph = csr_array((size, size), dtype=np.int32)
    for kg in data.node_types:
        if not has_triples(data, kg):
            continue
        ends = triples_of(data, kg).edge_index.as_subclass(Tensor).cpu().numpy()
        head, tail = node[ends + first[kg]].astype(np.int32)
        head, tail = head[head != tail], tail[head != tail]
        one = np.ones(len(head), dtype=np.int32)
        graph = graph + coo_array((one, (head, tail)), shape=(size, size)).tocsr()
    graph = (graph + graph.T).tocsr()
    graph.sort_indices()
    return graph


def _parts_of(
    graph: csr_array, node: NDArray[np.int64], num_parts: int, seed: int
) -> NDArray[np.int64]:
    """The part of each node."""
    weight = np.bincount(node, minlength=graph.shape[0])
    linked = np.diff(graph.indptr) > 0
    part = np.zeros(len(weight), dtype=np.int64)
    load: NDArray[Any] = np.zeros(num_parts)
    if linked.sum() >= num_parts:
        part[linked] = _metis(graph[linked][:, linked], weight[linked], num_parts, seed)
        load = np.bincount(part[linked], weights=weight[linked], minlength=num_parts)
        alone = np.flatnonzero(~linked)
    else:
        alone = np.arange(len(weight))
    # Neighbours in a file are often alike: no part gets all of one kind.
    alone = np.random.default_rng(seed).permutation(alone)
    part[alone] = _filled_up(load, weight[alone])
    return part


def _metis(
    graph: csr_array, weight: NDArray[Any], num_parts: int, seed: int
) -> NDArray[np.int64]:
    """METIS on a graph in which every node has a neighbour."""
    pymetis = need_pymetis()
    if graph.nnz > _LARGEST:
        raise ValueError(
            f"METIS takes {_LARGEST} ends of edges at most, the graphs have "
            f"{graph.nnz}; drop triples that say little"
        )
    with warnings.catch_warnings():
        # Which form of the arguments it likes best has changed between its versions.
        warnings.simplefilter("ignore", DeprecationWarning)
        _, found = pymetis.part_graph(
            num_parts,
            xadj=graph.indptr.astype(np.int32),
            adjncy=graph.indices.astype(np.int32),
            vweights=weight.astype(np.int32),
            eweights=graph.data.astype(np.int32),
            options=pymetis.Options(seed=seed),
        )
    return np.asarray(found, dtype=np.int64)


def _filled_up(load: NDArray[Any], weight: NDArray[Any]) -> NDArray[np.int64]:
    """The parts of further nodes so that all end up with nearly the same load."""
    level = _level(load, weight.sum())
    room = np.cumsum(np.clip(level - load, 0, None))
    middle = np.cumsum(weight) - weight / 2
    found: NDArray[np.int64] = np.searchsorted(room, middle)
    return found.clip(max=len(load) - 1)


def _level(load: NDArray[Any], total: float) -> float:
    """How high all parts below a level are when ``total`` was spread over them."""
    rising = np.sort(load)
    number = np.arange(1, len(load) + 1)
    levels = (total + np.cumsum(rising)) / number
    # The last at which the highest of the parts that are filled up is below it.
    return float(levels[np.flatnonzero(levels >= rising)[-1]])


def need_pymetis() -> Any:
    """The module that cuts graphs.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        import pymetis
    except ImportError as error:
        raise ImportError(
            'training in parts needs pymetis: pip install "pyg_ibmea[scale]", or train '
            "on the whole graph with --parts 1 (parts=1)"
        ) from error
    return pymetis
