"""Alignment problems made from graphs in memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import torch
from torch import Tensor
from torch_geometric.data import HeteroData, InMemoryDataset

from pyg_ibmea.data import KnowledgeGraph, encode_names, to_hetero_data
from pyg_ibmea.data.features.encoders import NameEncoder
from pyg_ibmea.data.features.labels import labels_in
from pyg_ibmea.data.features.literals import names_of, numbers_of
from pyg_ibmea.data.gaps import describe_gaps
from pyg_ibmea.data.joint_links import close_links, split_jointly
from pyg_ibmea.data.split import all_test
from pyg_ibmea.datasets._dropped import Dropped
from pyg_ibmea.datasets._feature_files import check_given
from pyg_ibmea.large import LARGE, ranges
from pyg_ibmea.problem import (
    Pair,
    check_names,
    check_texts,
    linked_pairs,
    links_between,
    set_labels,
)


class KnowledgeGraphs(InMemoryDataset):
    """Two or more knowledge graphs in memory, as one HeteroData.

    Besides bags of relations and attributes and the features of the graphs, values of
    attributes become modalities where there are any: ``number`` (see
    :func:`~pyg_ibmea.data.features.literals.numbers_of`) and ``name`` (see
    :func:`~pyg_ibmea.data.encode_names`).

    Args:
        graphs (sequence of KnowledgeGraph): The graphs, with different names.
        links (dict, optional): By pair of graph names, the known pairs as node ids,
            long ``[2, L]``. With several pairs, links that follow from others are added
            (see :func:`~pyg_ibmea.data.close_links`) and none is separated from those
            it follows from (see :func:`~pyg_ibmea.data.split_jointly`). (default: none,
            for a training that finds its seed pairs; see
            :func:`pyg_ibmea.anchors.seed_problem`)
        dangling (dict, optional): By pair of graph names, node ids of entities of the
            first graph that are known to have no counterpart in the second, long
            ``[D]``. They are split as the links are; a model learns from them when to
            give no match. (default: :obj:`None`)
        names (dict, optional): By graph, names of entities ``{URI: name}``. (default:
            the values of the attributes in
            :obj:`~pyg_ibmea.data.features.literals.NAME_ATTRIBUTES`)
        modalities (sequence of str, optional): The modalities to use. (default: all
            that there are, except the bag of relations if there is only one relation,
            which would tell nothing)
        ratio (float, optional): Share of the links that are seed pairs; the others are
            test pairs. With 0, no pair is known to a training, and all judge it.
            (default: :obj:`1.0`)
        split_seed (int, optional): Seed of the split. (default: :obj:`0`)
        val_ratio (float, optional): Share of the seed pairs kept for validation.
            (default: :obj:`0.1`)
        num_features (int, optional): Maximum number of columns of a bag.
            (default: :obj:`1000`)
        name_encoder (callable, optional): Turns names into rows; see
            :obj:`~pyg_ibmea.data.NAME_ENCODERS`. (default: character n-grams)
        transform (callable, optional): Applied to the data on every access.
            (default: :obj:`None`)

    Raises:
        ValueError: If names repeat or cannot be used (see
            :func:`~pyg_ibmea.problem.check_names`), features are given in the place of
            a bag, links do not fit the graphs, a modality asked for
            is absent, or the split is impossible.

    Example:
        >>> graphs = [
        ...     KnowledgeGraph(name, list("abcd"), ["in"], torch.tensor([[0, 0, 1]]))
        ...     for name in ("en", "nl")
        ... ]
        >>> links = {("en", "nl"): torch.arange(4).repeat(2, 1)}
        >>> data = KnowledgeGraphs(graphs, links, ratio=0.5, val_ratio=0.5)[0]
        >>> data["en", "same_as", "nl"].test_mask.sum().item()
        2
    """

    # What reading files lost, row by row, and in sentences; see read_problem.
    dropped: tuple[Dropped, ...] = ()
    notes: tuple[str, ...] = ()

    def __init__(
        self,
        graphs: Sequence[KnowledgeGraph],
        links: Mapping[Pair, Tensor] | None = None,
        dangling: Mapping[Pair, Tensor] | None = None,
        names: Mapping[str, Mapping[str, str]] | None = None,
        modalities: Sequence[str] | None = None,
        ratio: float = 1.0,
        split_seed: int = 0,
        val_ratio: float = 0.1,
        num_features: int = 1000,
        name_encoder: NameEncoder = encode_names,
        transform: Callable[[HeteroData], HeteroData] | None = None,
    ) -> None:
        super().__init__(None, transform)
        check_names([graph.name for graph in graphs])
        for graph in graphs:
            check_given(graph.features)
        if not links:  # What identifies entities has to do.
            none = torch.empty(2, 0, dtype=torch.long)
            links = dict.fromkeys(combinations([g.name for g in graphs], 2), none)
        wanted = modalities
        self.graphs = [replace(g, features=dict(g.features)) for g in graphs]
        if modalities is None or "number" in modalities:
            _add_numbers(self.graphs)
        if modalities is None or "name" in modalities:
            _add_names(self.graphs, names, name_encoder)
        if len(links) > 1 and any(ids.numel() for ids in links.values()):
            links = close_links(links)
        if ratio == 0 or not any(ids.numel() for ids in links.values()):
            splits = {pair: all_test(ids) for pair, ids in links.items()}
        else:
            splits = split_jointly(links, ratio, split_seed, val_ratio)
        if modalities is None and len({r for g in graphs for r in g.relations}) < 2:
            modalities = [m for m in _there(self.graphs) if m != "relation"]
        options = (modalities, num_features, splits)
        self.data = to_hetero_data(self.graphs, links, *options, warn=False)
        if wanted is None or "name" in wanted:
            _add_labels(self._data, self.graphs, names or {})
        for pair, entities in (dangling or {}).items():
            add_dangling(self._data, pair, entities, ratio, split_seed, val_ratio)
        self.slices = None
        for gap in describe_gaps(self._data):
            warnings.warn(gap, stacklevel=2)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(g.name for g in self.graphs)})"


def add_dangling(
    data: HeteroData,
    pair: Pair,
    entities: Tensor,
    ratio: float,
    split_seed: int,
    val_ratio: float,
) -> None:
    """Writes entities without a counterpart, and their part of the split, onto the
    links of a pair.
    """
    if pair not in linked_pairs(data):
        raise ValueError(f"there are no links from '{pair[0]}' to '{pair[1]}'")
    store = links_between(data, pair)
    entities = entities.unique()
    both = entities[torch.isin(entities, store.edge_index[0])]
    if both.numel():
        raise ValueError(
            f"{both.numel()} entities of '{pair[0]}' are in a link but given as "
            f"without counterpart, such as {data.uri[pair[0]][int(both[0])]!r}"
        )
    size = entities.numel()
    order = torch.randperm(size, generator=torch.Generator().manual_seed(split_seed))
    seeds = round(ratio * size)
    val = round(val_ratio * seeds)
    part = torch.full((size,), 2)
    part[order[:seeds]] = 0
    part[order[:val]] = 1
    store.dangling, store.dangling_part = entities, part


def _add_labels(
    data: HeteroData,
    graphs: Sequence[KnowledgeGraph],
    names: Mapping[str, Mapping[str, str]],
) -> None:
    """Writes the labels of entities as text, where some graph has any."""
    found = {graph.name: labels_in(graph, names.get(graph.name)) for graph in graphs}
    for kg, labels in found.items():
        if any(labels):
            set_labels(data, kg, labels)


def _there(graphs: Sequence[KnowledgeGraph]) -> list[str]:
    """The modalities that some graph has."""
    there = [m for g in graphs for m in g.features]
    there += ["attribute"] * any(g.attributes is not None for g in graphs)
    return list(dict.fromkeys(there))


def _add_numbers(graphs: Sequence[KnowledgeGraph]) -> None:
    """Adds the modality ``number`` where some graph has numbers."""
    if any("number" in graph.features for graph in graphs):
        return
    found = numbers_of(graphs)
    if any(bool(mask.any()) for _, mask in found):
        for graph, features in zip(graphs, found, strict=True):
            graph.features["number"] = features


def _add_names(
    graphs: Sequence[KnowledgeGraph],
    names: Mapping[str, Mapping[str, str]] | None,
    encoder: NameEncoder,
) -> None:
    """Adds the modality ``name`` where some entity has a name."""
    if any("name" in graph.features for graph in graphs):
        return
    by_graph = [names_of(g) if names is None else names.get(g.name, {}) for g in graphs]
    texts = [
        by_graph[side].get(entity, "")
        for side, graph in enumerate(graphs)
        for entity in graph.entities
    ]
    if not any(texts):
        return
    check_texts("the names of entities", texts)
    x = torch.from_numpy(encoder(texts))
    mask = torch.cat([x[rows].any(dim=1) for rows in ranges(len(texts))])
    start = 0
    for graph in graphs:
        rows = slice(start, start + graph.num_nodes)
        # Many rows lie in a file.
        own = x[rows] if len(texts) > LARGE else x[rows].clone()
        graph.features["name"] = own, mask[rows].clone()
        start += graph.num_nodes
