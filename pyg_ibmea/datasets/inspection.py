"""Inspects an alignment problem before anything is trained."""

from __future__ import annotations

from typing import Any

import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.data.gaps import describe_gaps
from pyg_ibmea.datasets._value_forms import mixed_forms
from pyg_ibmea.problem import PARTS, linked_pairs, links_between, triples_of


def inspect_problem(data: HeteroData) -> dict[str, Any]:
    """Counts what is in an alignment problem and says what may go wrong with it.

    Args:
        data (HeteroData): The problem.

    Returns:
        ``graphs``: for each graph the number of ``entities``, ``triples`` and
        ``relations``, the ``degree`` (quantiles, from 0 to 100 % in steps of 10),
        ``degrees`` (entities by their number of triples: 0, 1, 2 to 3, 4 to 7, …), the
        ``isolated`` entities and the ``coverage`` of each modality (share of the
        entities that have it); ``links``: for each pair their number, by part of the
        split; ``shared_relations``: number of relations that all graphs have;
        ``problems``: sentences.

    Example:
        >>> from pyg_ibmea.datasets import SyntheticMMKG
        >>> found = inspect_problem(SyntheticMMKG(num_entities=100)[0])
        >>> sorted(found)
        ['graphs', 'links', 'problems', 'shared_relations']
    """
    graphs = {name: _graph(data, name) for name in data.node_types}
    links = {
        f"{a} - {b}": {
            part: int(links_between(data, (a, b))[f"{part}_mask"].sum())
            for part in PARTS
        }
        for a, b in linked_pairs(data)
    }
    uris = getattr(data, "relation_uri", None) or {}
    names = [set(uris.get(name, ())) for name in data.node_types]
    problems = exchanged_columns(data) + describe_gaps(data) + mixed_forms(data)
    for name, graph in graphs.items():
        if graph["isolated"] > 0.2 * graph["entities"]:
            problems.append(
                f"Graph '{name}': {graph['isolated']} of {graph['entities']} entities "
                "are in no triple; only other modalities can align them."
            )
        for modality, share in graph["coverage"].items():
            if 0 < share < 0.2:
                problems.append(
                    f"Graph '{name}': only {share:.0%} of the entities have modality "
                    f"'{modality}'."
                )
    sizes = [graph["entities"] for graph in graphs.values()]
    for pair, parts in links.items():
        seeds = parts["train"] + parts["val"]
        if seeds < 100:
            problems.append(
                f"{pair}: {seeds} seed pairs are few; expect wide swings, and give "
                "names or images if there are any."
            )
        if parts["val"] < 30:
            problems.append(
                f"{pair}: {parts['val']} validation pairs can hardly choose an epoch "
                "or calibrate confidence; raise the share of validation pairs."
            )
    for a, b in linked_pairs(data):
        store = links_between(data, (a, b))
        for side, name in enumerate((a, b)):
            known = store.edge_index[side, store.train_mask | store.val_mask].unique()
            if known.numel() == data[name].num_nodes:
                problems.append(
                    f"{a} - {b}: all entities of '{name}' are in seed pairs; nothing "
                    "is left to align."
                )
    if max(sizes) > 2 * min(sizes):
        problems.append(
            f"The graphs differ greatly in size ({', '.join(map(str, sizes))}): many "
            "entities have no counterpart. Decide by confidence, not by rank."
        )
    return {
        "graphs": graphs,
        "links": links,
        "shared_relations": len(set.intersection(*names)),
        "problems": problems,
    }


def exchanged_columns(data: HeteroData) -> list[str]:
    """Says which graphs look as if two columns of their triples were exchanged.

    Such a graph has more relations than entities; or at least half as many, most of
    which are entities, too: what was meant as a head is often a tail as well.

    Args:
        data (HeteroData): The problem.
    """
    said = []
    for name in data.node_types:
        used = triples_of(data, name).edge_type.unique().tolist()
        relations, entities = len(used), int(data[name].num_nodes)
        if relations > entities:
            what = f"more relations ({relations}) than entities ({entities})"
        elif 2 * relations < entities:
            continue
        else:
            both = _also_entities(data, name, used)
            if 2 * both <= relations:
                continue
            what = f"{relations} relations, of which {both} are among its {entities} "
            what += "entities"
        said.append(
            f"Graph '{name}' has {what}: are the columns of its triples exchanged?"
        )
    return said


def _also_entities(data: HeteroData, name: str, relations: list[int]) -> int:
    """How many of some relations of a graph have the name of an entity of it."""
    entities, names = (
        (getattr(data, key, None) or {}).get(name, ())
        for key in ("uri", "relation_uri")
    )
    known = set(entities)
    return sum(i < len(names) and names[i] in known for i in relations)


def _graph(data: HeteroData, name: str) -> dict[str, Any]:
    triples = triples_of(data, name)
    edge_index = triples.edge_index
    size = int(data[name].num_nodes)
    degree = torch.bincount(edge_index.flatten(), minlength=size)
    quantiles = degree.double().quantile(torch.linspace(0, 1, 11).double())
    masks = {key: mask for key, mask in data[name].items() if key.startswith("mask_")}
    return {
        "entities": size,
        "triples": edge_index.size(1),
        "relations": int(triples.edge_type.unique().numel()),
        "degree": [round(float(q), 1) for q in quantiles],
        "degrees": _by_powers(degree),
        "isolated": int((degree == 0).sum()),
        "coverage": {
            key.removeprefix("mask_"): round(float(mask.double().mean()), 4)
            for key, mask in masks.items()
        },
    }


def _by_powers(degree: torch.Tensor) -> dict[str, int]:
    """Counts the entities with 0, 1, 2 to 3, 4 to 7, ... triples."""
    bins = torch.bincount(torch.frexp(degree.double())[1], minlength=1).tolist()
    names = ["0", "1", *(f"{2**k}-{2 ** (k + 1) - 1}" for k in range(1, len(bins)))]
    return dict(zip(names, bins, strict=False))
