"""A part of an alignment problem as a problem of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.nn._sparse import feature_rows
from pyg_ibmea.problem import (
    PARTS,
    has_triples,
    linked_pairs,
    links_between,
    triples_of,
)


def part_problem(
    data: HeteroData, members: Mapping[str, Tensor], halo: int = 1
) -> tuple[HeteroData, dict[str, Tensor]]:
    """Some entities with what is around them, as an alignment problem of its own.

    It holds the members, the entities up to ``halo`` steps from them, all triples on
    the way (with one step, each triple of a member), features and masks of all these
    entities, and the links between members. Relations keep their joint numbers
    (see :func:`pyg_ibmea.problem.relation_numbers`), so that a model of the whole
    problem fits.

    Args:
        data (HeteroData): The problem; it is not modified.
        members (dict): Node ids by graph, in any order.
        halo (int, optional): Steps from a member up to which entities are taken in.
            (default: :obj:`1`)

    Returns:
        tuple: The problem, and by graph the node ids that its entities had, ascending,
        long ``[n]``.

    Raises:
        ValueError: If members of a graph are missing.

    Example:
        >>> from pyg_ibmea.datasets import SyntheticMMKG
        >>> data = SyntheticMMKG(num_entities=100)[0]
        >>> members = {kg: torch.arange(10) for kg in data.node_types}
        >>> part, ids = part_problem(data, members, halo=0)
        >>> part["source"].num_nodes, part["source"].x_image.shape
        (10, torch.Size([10, 128]))
    """
    if missing := [kg for kg in data.node_types if kg not in members]:
        raise ValueError(f"members of the graphs {missing} are missing; give empty ids")
    part = HeteroData()
    ids, place = {}, {}
    for kg in data.node_types:
        ids[kg], triples = _reached(data, kg, members[kg], halo)
        count = int(data[kg].num_nodes)
        place[kg] = ids[kg].new_full((count,), -1)
        place[kg][ids[kg]] = torch.arange(len(ids[kg]), device=ids[kg].device)
        _take_nodes(data, part, kg, ids[kg])
        edges = triples_of(data, kg)
        mine = triples_of(part, kg)
        edge_index = edges.edge_index.as_subclass(Tensor)
        mine.edge_index = place[kg][edge_index[:, triples]]
        mine.edge_type = edges.edge_type[triples]
    inside = {
        kg: torch.zeros_like(there, dtype=torch.bool).index_fill_(0, members[kg], True)
        for kg, there in place.items()
    }
    for a, b in linked_pairs(data):
        _take_links(data, part, (a, b), inside, place)
    _take_texts(data, part, ids)
    return part, ids


def _reached(
    data: HeteroData, kg: str, members: Tensor, halo: int
) -> tuple[Tensor, Tensor]:
    """The node ids of a part of a graph, and which triples are among them."""
    head, tail = triples_of(data, kg).edge_index.as_subclass(Tensor)
    inside = torch.zeros(data[kg].num_nodes, dtype=torch.bool, device=head.device)
    inside[members] = True
    kept = inside[head] & inside[tail]
    for _ in range(halo):
        kept = inside[head] | inside[tail]
        inside[head[kept]] = True
        inside[tail[kept]] = True
    return inside.nonzero().flatten(), kept.nonzero().flatten()


def _take_nodes(data: HeteroData, part: HeteroData, kg: str, ids: Tensor) -> None:
    """Copies what a graph says about each of some entities."""
    count = int(data[kg].num_nodes)
    for key, value in data[kg].to_dict().items():
        if isinstance(value, Tensor) and value.dim() and value.size(0) == count:
            part[kg][key] = feature_rows(value, ids.to(value.device))
        else:
            part[kg][key] = value
    part[kg].num_nodes = len(ids)


def _take_links(
    data: HeteroData,
    part: HeteroData,
    pair: tuple[str, str],
    inside: Mapping[str, Tensor],
    place: Mapping[str, Tensor],
) -> None:
    """Copies the links between members, and the members without a counterpart."""
    links, mine = links_between(data, pair), links_between(part, pair)
    source, target = links.edge_index.as_subclass(Tensor)
    kept = inside[pair[0]][source] & inside[pair[1]][target]
    mine.edge_index = torch.stack(
        [place[pair[0]][source[kept]], place[pair[1]][target[kept]]]
    )
    for mask in (f"{name}_mask" for name in PARTS):
        if mask in links:
            mine[mask] = links[mask][kept]
    if "dangling" in links:
        alone = inside[pair[0]][links.dangling]
        mine.dangling = place[pair[0]][links.dangling[alone]]
        mine.dangling_part = links.dangling_part[alone]
    if "different" in links:
        source, target = links.different
        kept = inside[pair[0]][source] & inside[pair[1]][target]
        sides = zip(pair, (source[kept], target[kept]), strict=True)
        mine.different = torch.stack([place[kg][ids] for kg, ids in sides])


def _take_texts(data: HeteroData, part: HeteroData, ids: Mapping[str, Tensor]) -> None:
    """Copies what belongs to no single graph, URIs of the entities among it; values
    of attributes speak for pairs of the whole problem and stay there.
    """
    texts: dict[str, Any] = dict(data.to_dict().get("_global_store", {}))
    texts.pop("literals", None)
    for key in ("uri", "labels"):
        found = texts.get(key, {})
        if found:
            texts[key] = {
                kg: [found[kg][i] for i in ids[kg].tolist()]
                for kg in ids
                if kg in found
            }
    named = dict(texts.get("relation_uri", {}))
    for kg in ids:
        if kg not in named and has_triples(data, kg):
            # As many as the whole graph uses, under names that no other graph has.
            used = int(triples_of(data, kg).edge_type.max()) + 1
            named[kg] = [(kg, relation) for relation in range(used)]
    texts["relation_uri"] = named
    for key, value in texts.items():
        part[key] = value
