"""Links between three or more graphs, where some links follow from others."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor

from pyg_ibmea.data.split import components, split_links
from pyg_ibmea.problem import Pair

Split = tuple[Tensor, Tensor, Tensor]


def close_links(links: Mapping[Pair, Tensor]) -> dict[Pair, Tensor]:
    """Adds the links that follow from others: if a is b and b is c, then a is c.

    Where links connect more than one entity of the same graph, nothing is added: one of
    them may be wrong.

    Args:
        links (dict): By pair of graph names, node ids, long ``[2, L]``.

    Returns:
        The given links, unchanged, followed by the added ones in ascending order. A
        pair of graphs that had no links is named in the order in which the graphs first
        occur.

    Example:
        >>> one = torch.tensor([[0], [0]])
        >>> close_links({("en", "nl"): one, ("nl", "fr"): one})[("en", "fr")].tolist()
        [[0], [0]]
    """
    start, sizes = _numbering(links)
    component = _components(links, start, sum(sizes.values()))
    graphs = list(sizes)
    nodes = torch.cat([torch.arange(size) for size in sizes.values()])
    graph = torch.repeat_interleave(torch.tensor(list(sizes.values())))
    # The entity of each component in each graph: -1 for none.
    count = int(component.max()) + 1 if len(component) else 0
    member = torch.full((count, len(graphs)), -1)
    number = torch.zeros((count, len(graphs)), dtype=torch.long)
    member[component, graph] = nodes
    number.index_put_((component, graph), torch.ones_like(nodes), accumulate=True)
    clean = member[(number <= 1).all(dim=1)]
    closed = dict(links)
    for a, b in combinations(range(len(graphs)), 2):
        both = clean[(clean[:, [a, b]] >= 0).all(dim=1)]
        pair = (graphs[a], graphs[b])
        if (pair[1], pair[0]) in links and pair not in links:
            pair, (a, b) = (pair[1], pair[0]), (b, a)
        found = both[:, [a, b]].t()
        given = links.get(pair, found[:, :0])
        size = sizes[pair[1]]
        new = ~torch.isin(found[0] * size + found[1], given[0] * size + given[1])
        found = found[:, new]
        found = found[:, (found[0] * size + found[1]).argsort()]
        if given.numel() or found.numel():
            closed[pair] = torch.cat([given, found.to(given.device)], dim=1)
    return closed


def split_jointly(
    links: Mapping[Pair, Tensor],
    ratio: float,
    split_seed: int = 0,
    val_ratio: float = 0.1,
) -> dict[Pair, Split]:
    """Splits the links of several pairs of graphs so that none reveals another.

    Links that are connected, over whatever graphs, are in the same part: no test pair
    follows from two training pairs.

    Args:
        links (dict): By pair of graph names, node ids, long ``[2, L]``.
        ratio (float): See :func:`~pyg_ibmea.data.split_links`.
        split_seed (int, optional): Seed of the split. (default: :obj:`0`)
        val_ratio (float, optional): See :func:`~pyg_ibmea.data.split_links`.
            (default: :obj:`0.1`)

    Returns:
        By pair of graph names, bool masks ``(train, val, test)``.

    Raises:
        ValueError: See :func:`~pyg_ibmea.data.split_links`.

    Example:
        >>> pairs = torch.arange(50).repeat(2, 1)
        >>> links = {("en", "nl"): pairs, ("nl", "fr"): pairs}
        >>> split = split_jointly(links, ratio=0.2, val_ratio=0.5)
        >>> [int(mask.sum()) for mask in split["nl", "fr"]]
        [5, 5, 40]
    """
    if len(links) == 1:
        ((pair, edge_index),) = links.items()
        return {pair: split_links(edge_index, ratio, split_seed, val_ratio)}
    start, sizes = _numbering(links)
    component = _components(links, start, sum(sizes.values()))
    used = torch.cat([edges[0].cpu() + start[a] for (a, _), edges in links.items()])
    groups, of_link = component[used].unique(return_inverse=True)
    # One link stands for each component; these are drawn.
    stand_in = torch.arange(len(groups)).repeat(2, 1)
    masks = split_links(stand_in, ratio, split_seed, val_ratio)
    counts = [edges.size(1) for edges in links.values()]
    split = {}
    for (pair, edges), rows in zip(links.items(), of_link.split(counts), strict=True):
        train, val, test = (mask[rows].to(edges.device) for mask in masks)
        split[pair] = train, val, test
    return split


def _numbering(links: Mapping[Pair, Tensor]) -> tuple[dict[str, int], dict[str, int]]:
    """Where the entities of each graph begin among all, and how many there are."""
    sizes: dict[str, int] = {}
    for pair, edge_index in links.items():
        for name, nodes in zip(pair, edge_index, strict=True):
            most = int(nodes.max()) + 1 if nodes.numel() else 0
            sizes[name] = max(sizes.get(name, 0), most)
    start, begin = {}, 0
    for name, size in sizes.items():
        start[name] = begin
        begin += size
    return start, sizes


def _components(
    links: Mapping[Pair, Tensor], start: Mapping[str, int], size: int
) -> Tensor:
    """The component of each entity, long ``[size]``."""
    ends = [
        torch.stack([edges[0].cpu() + start[a], edges[1].cpu() + start[b]])
        for (a, b), edges in links.items()
    ]
    source, target = torch.cat(ends, dim=1).numpy()
    return torch.from_numpy(components(source, target, size)).long()
