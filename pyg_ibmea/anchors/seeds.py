"""Matches without known pairs as the seed pairs of a training."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Alignment
from pyg_ibmea.anchors._entries import Pairs
from pyg_ibmea.anchors._facts import Values
from pyg_ibmea.anchors.seedless import (
    Seedless,
    check_found,
    match_without_seeds,
    pairs_of_graphs,
)
from pyg_ibmea.data.joint_links import split_jointly
from pyg_ibmea.problem import (
    PARTS,
    Pair,
    entity_counts,
    first_numbers,
    linked_pairs,
    links_between,
    uris_of,
)
from pyg_ibmea.tab_fields import field_of

# Matches of this probability become seed pairs; of the other where these are few.
_SURE, _LIKELY, _FEW = 0.9, 0.5, 50
# The share that is held out to judge, where there are enough.
_HELD_OUT, _ENOUGH = 0.1, 20


@dataclass(frozen=True)
class Seeds:
    """A problem with seed pairs that were found, not given.

    Attributes:
        data (HeteroData): The problem, with training and validation pairs. Known links
            are test pairs as far as neither entity is in a seed pair.
        given (HeteroData): The problem as it was given.
        found (tuple): What was found for each pair of graphs.
        kept (dict): By pair of graphs, which of its matches became seed pairs, bool
            ``[K]``.
        dropped (int): Matches that were left out since they would join two entities of
            one graph.
    """

    data: HeteroData
    given: HeteroData
    found: tuple[Seedless, ...]
    kept: Mapping[Pair, np.ndarray]
    dropped: int = 0

    def sentences(self) -> list[str]:
        """How many anchors of which kind there are, what became of them, and what was
        not used.
        """
        said = []
        for each in self.found:
            kept = int(self.kept[each.anchors.graphs].sum())
            said.append(f"{each.anchors.sentence()}; {kept:,} seed pairs follow")
            said += each.anchors.notes
        if self.dropped:
            said.append(
                f"{self.dropped:,} matches contradict those of other graphs and are no "
                "seed pairs"
            )
        return said

    def alignment(self, uris: Mapping[str, Sequence[str]]) -> Alignment:
        """The seed pairs as an alignment, of unknown decoder.

        Args:
            uris (dict): The URIs of each graph by node id.
        """
        return Alignment.join(
            each.alignment(uris, "")[self.kept[each.anchors.graphs]]
            for each in self.found
        )

    def all_matches(self) -> Alignment:
        """All matches that follow from anchors, the less probable ones, too."""
        uris = uris_of(self.given)
        return Alignment.join(each.alignment(uris) for each in self.found)

    def table(self) -> str:
        """The seed pairs as the text of ``anchors.tsv``: source and target URI,
        probability, reason and, of several pairs of graphs, their names.
        """
        several = len(self.found) > 1
        columns = ["source", "target", "probability", "reason"]
        columns += ["source_graph", "target_graph"] * several
        lines = ["\t".join(columns) + "\n"]
        known = uris_of(self.given)
        for each in self.found:
            graphs = each.anchors.graphs
            matches, reasons = each.matches, each.reasons(self.given)
            uris = [known[kg] for kg in graphs]
            for i in np.flatnonzero(self.kept[graphs]).tolist():
                row = [
                    uris[0][int(matches.row[i])],
                    uris[1][int(matches.column[i])],
                    f"{matches.value[i]:.6f}",
                    reasons[i],
                    *(graphs if several else ()),
                ]
                lines.append("\t".join(map(field_of, row)) + "\n")
        return "".join(lines)


def has_seeds(data: HeteroData) -> bool:
    """Whether a problem has training or validation pairs."""
    return any(
        bool(links_between(data, pair).get(f"{part}_mask", torch.zeros(1)).any())
        for pair in linked_pairs(data)
        for part in ("train", "val")
    )


def add_empty_links(data: HeteroData) -> HeteroData:
    """A copy in which graphs are linked pair by pair, with no known pairs, if none are
    linked.

    Args:
        data (HeteroData): The problem; it is not changed.
    """
    if not isinstance(data, HeteroData) or linked_pairs(data):
        return data
    linked = copy.copy(data)
    for pair in pairs_of_graphs(data):
        store = links_between(linked, pair)
        store.edge_index = torch.empty(2, 0, dtype=torch.long)
        for part in PARTS:
            store[f"{part}_mask"] = torch.empty(0, dtype=torch.bool)
    return linked


def seed_problem(data: HeteroData, values: Mapping[str, Values] | None = None) -> Seeds:
    """Finds seed pairs where none are known.

    Matches of a probability of 0.9 become seed pairs, or of 0.5 if those are fewer than
    50; of three graphs or more, no entity is joined with two of one graph. A tenth of
    them is held out for validation, if there are 20.

    Args:
        data (HeteroData): The problem; its links only judge. It is not changed.
        values (dict, optional): See :func:`find_anchors`. (default: none)

    Returns:
        Seeds: The problem with these pairs.

    Raises:
        ValueError: If nothing identifies any entity.

    Example:
        >>> from pyg_ibmea.datasets import SyntheticMMKG
        >>> from pyg_ibmea.problem import set_labels
        >>> data = SyntheticMMKG(num_entities=100)[0]
        >>> for kg in data.node_types:
        ...     data = set_labels(data, kg, [[f"name {i}"] for i in range(100)])
        >>> found = seed_problem(data)
        >>> found.data["source", "same_as", "target"].val_mask.sum().item()
        10
    """
    given = add_empty_links(data)
    found = tuple(match_without_seeds(given, p, values) for p in linked_pairs(given))
    check_found(found)
    sure = {each.anchors.graphs: each.matches.value >= _SURE for each in found}
    if sum(int(kept.sum()) for kept in sure.values()) < _FEW:
        sure = {each.anchors.graphs: each.matches.value >= _LIKELY for each in found}
    before = sum(int(kept.sum()) for kept in sure.values())
    if len(found) > 1:
        sure = _consistent(given, found, sure)
    count = sum(int(kept.sum()) for kept in sure.values())
    links = {
        each.anchors.graphs: _as_tensor(each.matches.take(sure[each.anchors.graphs]))
        for each in found
    }
    used = {pair: ids for pair, ids in links.items() if ids.size(1)}
    share = _HELD_OUT if count >= _ENOUGH else 0.0
    splits = split_jointly(used, 1.0, 0, share)
    seeded = copy.copy(given)
    for pair in linked_pairs(given):
        none = torch.empty(0, dtype=torch.bool)
        train, val, _ = splits.get(pair, (none, none, none))
        _write(seeded, pair, links[pair], train, val)
    return Seeds(seeded, given, found, sure, before - count)


def _write(
    data: HeteroData,
    pair: Pair,
    seeds: torch.Tensor,
    train: torch.Tensor,
    val: torch.Tensor,
) -> None:
    """Writes seed pairs before the known links, which stay test pairs where they are
    of other entities.
    """
    store = links_between(data, pair)
    known = store.edge_index[:, store.test_mask].cpu()
    free = ~(torch.isin(known[0], seeds[0]) | torch.isin(known[1], seeds[1]))
    known = known[:, free]
    device = store.edge_index.device
    none = torch.zeros(known.size(1), dtype=torch.bool)
    store.edge_index = torch.cat([seeds, known], dim=1).to(device)
    store.train_mask = torch.cat([train, none]).to(device)
    store.val_mask = torch.cat([val, none]).to(device)
    store.test_mask = torch.cat([torch.zeros_like(train), ~none]).to(device)


def _consistent(
    data: HeteroData, found: Sequence[Seedless], sure: Mapping[Pair, np.ndarray]
) -> dict[Pair, np.ndarray]:
    """Leaves out matches by which a cluster would hold two entities of one graph, the
    least probable first.
    """
    start = first_numbers(entity_counts(data))
    stated = [
        (-float(match[2]), number, int(at), start[a] + match[0], start[b] + match[1])
        for number, each in enumerate(found)
        for (a, b) in [each.anchors.graphs]
        for at in np.flatnonzero(sure[a, b]).tolist()
        for match in [_match(each.matches, at)]
    ]
    graph_of = np.repeat(
        np.arange(len(start)), [int(data[kg].num_nodes) for kg in data.node_types]
    ).tolist()
    cluster = list(range(len(graph_of)))
    members = [{graph} for graph in graph_of]

    def root(node: int) -> int:
        while cluster[node] != node:
            cluster[node] = cluster[cluster[node]]
            node = cluster[node]
        return node

    kept = {pair: np.zeros_like(chosen) for pair, chosen in sure.items()}
    for _, number, at, i, j in sorted(stated):
        i, j = root(i), root(j)
        if i != j:
            if members[i] & members[j]:
                continue
            cluster[j] = i
            members[i] |= members[j]
        kept[found[number].anchors.graphs][at] = True
    return kept


def _match(matches: Pairs, at: int) -> tuple[int, int, float]:
    return int(matches.row[at]), int(matches.column[at]), float(matches.value[at])


def _as_tensor(pairs: Pairs) -> torch.Tensor:
    """The pairs as node ids, long ``[2, K]``."""
    return torch.from_numpy(np.stack([pairs.row, pairs.column]))
