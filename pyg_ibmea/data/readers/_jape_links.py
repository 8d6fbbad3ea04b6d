"""Links between the two sides of a folder in JAPE's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pyg_ibmea.data.knowledge_graph import KnowledgeGraph
from pyg_ibmea.data.readers._lines import Ids, read_id_rows

#: Either file holds the links; the first one found is read.
LINK_FILES = ("ill_ent_ids", "ref_ent_ids")
#: Published training links, optional.
SEED_FILE = "sup_ent_ids"


def read_links(
    folder: Path, source: KnowledgeGraph, target: KnowledgeGraph
) -> tuple[Tensor, Tensor | None]:
    """Reads the links, including the published training links, each once."""
    name = next(name for name in LINK_FILES if (folder / name).is_file())
    links = _read_link_file(folder / name, source, target)
    seeds: list[tuple[int, int]] | None = None
    if (folder / SEED_FILE).is_file():
        seeds = _read_link_file(folder / SEED_FILE, source, target)
    unique = list(dict.fromkeys(links + (seeds or [])))
    edge_index = torch.tensor(unique, dtype=torch.long).t().contiguous()
    if seeds is None:
        return edge_index, None
    published = set(seeds)
    return edge_index, torch.tensor([link in published for link in unique])


def _read_link_file(
    path: Path, source: KnowledgeGraph, target: KnowledgeGraph
) -> list[tuple[int, int]]:
    rows = read_id_rows(path, ("entity of side 1", "entity of side 2"))
    ids = [_entity_ids(source), _entity_ids(target)]
    local: list[list[int]] = []
    for column, known in enumerate(ids):
        nodes, bad_row = to_local(rows[:, column], known)
        if bad_row is not None:
            entity = rows[bad_row, column]
            hint = (
                f"it is an entity of side {2 - column}: side 1 comes first"
                if entity in ids[1 - column]
                else "add it there or remove the link"
            )
            raise ValueError(
                f"{path}, line {bad_row + 1}: entity {entity} is not in "
                f"ent_ids_{column + 1}; {hint}"
            )
        local.append(nodes.tolist())
    return list(zip(*local, strict=True))


def to_local(ids: Ids, known: Ids) -> tuple[Ids, int | None]:
    """Maps published ids to positions in ``known``, and finds the first unknown row."""
    order = np.argsort(known)
    place = np.searchsorted(known, ids, sorter=order).clip(max=known.size - 1)
    local = order[place]
    unknown = np.flatnonzero(known[local] != ids)
    return local, int(unknown[0]) if unknown.size else None


def check_sides_apart(
    folder: Path, source: KnowledgeGraph, target: KnowledgeGraph
) -> None:
    """Raises ValueError if an id is used on both sides."""
    ids = _entity_ids(target)
    both = np.flatnonzero(np.isin(ids, _entity_ids(source)))
    if both.size:
        raise ValueError(
            f"{folder / 'ent_ids_2'}, line {both[0] + 1}: entity id {ids[both[0]]} is "
            "also in ent_ids_1; ids must be unique over both sides"
        )


def _entity_ids(graph: KnowledgeGraph) -> Ids:
    if graph.entity_ids is None:
        raise ValueError(f"graph '{graph.name}' has no published entity ids")
    ids: Ids = graph.entity_ids.numpy()
    return ids
