"""Two tiny graphs with random triples and matches, and their facts as Python sets."""

from collections import Counter

import numpy as np
import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.anchors._entries import Pairs, one_to_one
from pyg_ibmea.anchors._facts import Facts
from pyg_ibmea.anchors._inclusion import ANY, SAME_URI, WEIGHT
from pyg_ibmea.problem import links_between, triples_of


def tiny_problem(seed, size=(7, 8), relations=(2, 3), triples=14):
    """A problem without links, with the relation ``'r0'`` in both graphs."""
    rng = np.random.default_rng(seed)
    data = HeteroData()
    for kg, count, kinds in zip("ab", size, relations, strict=True):
        data[kg].num_nodes = count
        store = triples_of(data, kg)
        store.edge_index = torch.from_numpy(rng.integers(0, count, (2, triples)))
        store.edge_type = torch.from_numpy(rng.integers(0, kinds, triples))
        store.edge_type[0] = kinds - 1
    data.uri = {kg: [f"{kg}{i}" for i in range(data[kg].num_nodes)] for kg in "ab"}
    data.relation_uri = {"a": ["r0", "r1"], "b": ["s0", "r0", "s2"]}
    links = links_between(data, ("a", "b"))
    links.edge_index = torch.empty(2, 0, dtype=torch.long)
    for part in ("train", "val", "test"):
        links[f"{part}_mask"] = torch.empty(0, dtype=torch.bool)
    return data


def facts(data):
    return Facts.of(data, "a"), Facts.of(data, "b")


def said(facts):
    """The facts as a set of (entity, relation, neighbour)."""
    columns = facts.entity, facts.relation, facts.neighbor
    return set(zip(*(column.tolist() for column in columns), strict=True))


def tiny_matches(seed, size=(7, 8)):
    """One-to-one matches of most entities."""
    rng = np.random.default_rng(seed)
    row, column = rng.integers(0, size[0], 20), rng.integers(0, size[1], 20)
    pairs = Pairs.best_of(row, column, rng.uniform(0.3, 0.9, 20), size)
    return pairs.take(one_to_one(pairs))


def identifying(own):
    """How far each combination of relation and neighbour identifies, by hand."""
    shared = Counter((r, n) for _, r, n in said(own))
    entities = Counter(r for _, r, _ in said(own))
    pairs = Counter(r for r, _ in shared)
    return {
        (r, n): (pairs[r] / entities[r] / count) ** 0.5
        for (r, n), count in shared.items()
    }


def inclusion_by_hand(matches, ours, theirs, same):
    """The definition, fact by fact."""
    to = {i: (j, v) for i, j, v in zip(*map(np.ndarray.tolist, matches), strict=True)}
    table = np.zeros((ours.num_relations, theirs.num_relations))
    for r in range(ours.num_relations):
        known = [
            (to[x][0], to[y][0], to[x][1] * to[y][1])
            for x, kind, y in said(ours)
            if kind == r and x in to and y in to
        ]
        for s in range(theirs.num_relations):
            both = sum(p for x, y, p in known if (x, s, y) in said(theirs))
            expected = SAME_URI if same[r] == s else ANY
            total = sum(p for _, _, p in known)
            table[r, s] = (both + WEIGHT * expected) / (total + WEIGHT)
    return table


#: The relation of the second graph that has the URI of each of the first.
SAME = np.array([1, -1, 4, -1])
