"""From knowledge graphs and links to the HeteroData of an alignment problem."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.data.features.bags import FeatureBags, attribute_bags, relation_bags
from pyg_ibmea.data.gaps import describe_gaps
from pyg_ibmea.data.knowledge_graph import KnowledgeGraph
from pyg_ibmea.problem import (
    PARTS,
    Literals,
    linked_pairs,
    links_between,
    triples_of,
)

_BAGS: dict[str, Callable[[Sequence[KnowledgeGraph], int], FeatureBags]] = {
    "relation": relation_bags,
    "attribute": attribute_bags,
}

Split = tuple[Tensor, Tensor, Tensor]


def to_hetero_data(
    graphs: Sequence[KnowledgeGraph],
    links: Mapping[tuple[str, str], Tensor],
    modalities: Sequence[str] | None = None,
    num_features: int = 1000,
    splits: Mapping[tuple[str, str], Split] | None = None,
    warn: bool = True,
) -> HeteroData:
    r"""Assembles the alignment problem of two or more knowledge graphs.

    - ``data[kg]``: ``num_nodes``; for each modality ``x_<modality>`` float ``[N, F]``,
      dense or coalesced sparse COO, and ``mask_<modality>`` bool ``[N]``
    - ``data[kg, 'rel', kg]``: ``edge_index`` long ``[2, E]`` head to tail,
      ``edge_type`` long ``[E]``
    - ``data[a, 'same_as', b]``: ``edge_index`` long ``[2, L]`` and, with ``splits``,
      ``train_mask``, ``val_mask``, ``test_mask`` bool ``[L]``
    - ``data.uri``, ``data.relation_uri``: ``{kg: [str, ...]}`` by node id, by edge type
    - ``data.column_uri``: ``{modality: [str, ...]}``, what each column of a bag counts
    - ``data.labels``, written by what reads names: see
      :func:`~pyg_ibmea.problem.labels_of`
    - ``data.literals``: ``{kg: ...}``, the attribute values of the graphs that have
      any (see :func:`~pyg_ibmea.problem.literals_of`), unless ``modalities`` leave out
      both ``attribute`` and ``number``

    A graph without triples and a modality that one graph lacks or that shares no column
    are legal, but cause a warning (see :func:`~pyg_ibmea.data.gaps.describe_gaps`).

    Args:
        graphs (sequence of KnowledgeGraph): The graphs, with different names.
        links (dict): By pair of graph names, the true pairs as node ids, long
            :obj:`[2, L]`.
        modalities (sequence of str, optional): The modalities to use: ``relation`` and
            ``attribute`` are bags made from the graphs, any other is taken from their
            features. (default: all that there are)
        num_features (int, optional): Maximum number of columns of a bag.
            (default: :obj:`1000`)
        splits (dict, optional): By pair of graph names, the masks of training,
            validation and test. (default: :obj:`None`)
        warn (bool, optional): Whether to warn of what
            :func:`~pyg_ibmea.data.gaps.describe_gaps` finds. (default: :obj:`True`)

    Returns:
        The data.

    Raises:
        ValueError: If a modality asked for is absent from every graph, names repeat,
            links do not fit the graphs, or feature widths differ between graphs.

    Example:
        >>> triples = torch.tensor([[0, 0, 1]])
        >>> en = KnowledgeGraph("en", ["Paris", "France"], ["in"], triples)
        >>> nl = KnowledgeGraph("nl", ["Parijs", "Frankrijk"], ["in"], triples)
        >>> data = to_hetero_data([en, nl], {("en", "nl"): torch.tensor([[0], [0]])})
        >>> data["en"].x_relation.to_dense().tolist(), data.uri["nl"]
        ([[1.0], [1.0]], ['Parijs', 'Frankrijk'])
    """
    names = [graph.name for graph in graphs]
    if len(graphs) < 2 or len(set(names)) != len(names):
        raise ValueError(
            f"graphs must be two or more with different names, got {names}"
        )
    data = HeteroData()
    for graph in graphs:
        data[graph.name].num_nodes = graph.num_nodes
    columns: dict[str, list[str]] = {}
    for modality in _resolve(graphs, modalities):
        xs, masks, named = _modality(graphs, modality, num_features)
        columns |= {modality: named} if named else {}
        for graph, x, mask in zip(graphs, xs, masks, strict=True):
            data[graph.name][f"x_{modality}"] = x
            data[graph.name][f"mask_{modality}"] = mask
    for graph in graphs:
        store = triples_of(data, graph.name)
        store.edge_index = graph.triples[:, [0, 2]].t().contiguous()
        store.edge_type = graph.triples[:, 1].contiguous()
    for pair, edge_index in links.items():
        _check_links(data, pair, edge_index)
        links_between(data, pair).edge_index = edge_index.contiguous()
    for pair, split in (splits or {}).items():
        set_split(data, pair, split)
    data.uri = {graph.name: list(graph.entities) for graph in graphs}
    data.relation_uri = {graph.name: list(graph.relations) for graph in graphs}
    data.column_uri = columns
    if modalities is None or {"attribute", "number"} & set(modalities):
        literals = {g.name: _literals(g) for g in graphs if any(g.values or ())}
        if literals:
            data.literals = literals
    for gap in describe_gaps(data) if warn else ():
        warnings.warn(gap, stacklevel=2)
    return data


def _literals(graph: KnowledgeGraph) -> dict[str, Tensor | list[str]]:
    """The values of a graph that are known."""
    assert graph.attributes is not None
    assert graph.values is not None
    entity, attribute = graph.attributes
    text = graph.values
    if not all(text):
        there = torch.tensor([bool(value) for value in text])
        entity, attribute = entity[there], attribute[there]
        text = [value for value in text if value]
    columns = (entity.clone(), attribute.clone(), text, list(graph.attribute_names))
    return Literals(*columns)._asdict()


def set_split(
    data: HeteroData, pair: tuple[str, str], masks: Sequence[Tensor]
) -> HeteroData:
    """Writes training, validation and test masks onto the links of a pair, in place.

    Args:
        data (HeteroData): The alignment problem.
        pair (tuple): The names of the two graphs.
        masks (sequence of torch.Tensor): Bool masks ``[L]`` for training, validation
            and test.

    Returns:
        The same data.

    Raises:
        ValueError: If there are no such links or a mask does not fit them.

    Example:
        >>> data = HeteroData()
        >>> data["en", "same_as", "nl"].edge_index = torch.tensor([[0, 1], [1, 0]])
        >>> yes_no = torch.tensor([True, False])
        >>> data = set_split(data, ("en", "nl"), (yes_no, yes_no & False, ~yes_no))
        >>> data["en", "same_as", "nl"].test_mask.tolist()
        [False, True]
    """
    if pair not in linked_pairs(data):
        raise ValueError(f"there are no links from '{pair[0]}' to '{pair[1]}'")
    store = links_between(data, pair)
    for part, mask in zip(PARTS, masks, strict=True):
        if mask.dtype != torch.bool or mask.shape != store.edge_index.shape[1:]:
            raise ValueError(
                f"the {part} mask must be bool [{store.edge_index.size(1)}], got "
                f"{mask.dtype} {list(mask.shape)}"
            )
        store[f"{part}_mask"] = mask
    return data


def _resolve(
    graphs: Sequence[KnowledgeGraph], modalities: Sequence[str] | None
) -> list[str]:
    """Lists the modalities to build, after checking those that were asked for."""
    there = [
        name
        for name, present in (
            ("relation", any(graph.num_triples > 0 for graph in graphs)),
            ("attribute", any(graph.attributes is not None for graph in graphs)),
        )
        if present
    ]
    there += [m for graph in graphs for m in graph.features]
    there = list(dict.fromkeys(there))
    if modalities is None:
        return there
    for modality in modalities:
        if modality not in there:
            raise ValueError(
                f"modality '{modality}' is absent from every graph; there are "
                f"{', '.join(map(repr, there)) or 'none'}"
            )
    return list(dict.fromkeys(modalities))


def _modality(
    graphs: Sequence[KnowledgeGraph], modality: str, num_features: int
) -> tuple[list[Tensor], list[Tensor], list[str]]:
    """Builds one modality of every graph, zeros where a graph lacks it; also what the
    columns of a bag count.
    """
    given = [graph.features.get(modality) for graph in graphs]
    example = next((features[0] for features in given if features), None)
    if example is None:
        bags = _BAGS[modality](graphs, num_features)
        return bags.x, bags.mask, bags.columns
    xs, masks = [], []
    for graph, features in zip(graphs, given, strict=True):
        if features is None:
            size = (graph.num_nodes, example.size(1))
            zeros = torch.zeros(size, dtype=example.dtype)
            mask = torch.zeros(graph.num_nodes, dtype=torch.bool)
            features = (zeros.to_sparse() if example.is_sparse else zeros, mask)
        x, mask = features
        if x.size(1) != example.size(1) or x.is_sparse != example.is_sparse:
            raise ValueError(
                f"modality '{modality}' must have the same width and layout in every "
                f"graph, got {list(x.shape)} {x.layout} in '{graph.name}' and "
                f"{list(example.shape)} {example.layout} elsewhere"
            )
        xs.append(x.coalesce() if x.is_sparse else x)
        masks.append(mask)
    return xs, masks, []


def _check_links(data: HeteroData, pair: tuple[str, str], edge_index: Tensor) -> None:
    if edge_index.dim() != 2 or edge_index.size(0) != 2:
        raise ValueError(
            f"the links of {pair} must be long [2, L], got {list(edge_index.shape)}"
        )
    for name, nodes in zip(pair, edge_index, strict=True):
        if name not in data.node_types:
            raise ValueError(
                f"the links of {pair} name a graph '{name}'; there are "
                f"{data.node_types}"
            )
        num_nodes = data[name].num_nodes
        if nodes.numel() and not 0 <= int(nodes.min()) <= int(nodes.max()) < num_nodes:
            raise ValueError(
                f"the links of {pair} name a node of '{name}' outside "
                f"0..{num_nodes - 1}"
            )
