"""Cases of neighbourhood agreement, on two graphs that share most of their edges."""

from collections import Counter, defaultdict
from collections.abc import Callable

import torch
from torch import Tensor

from pyg_ibmea.align import (
    Sinkhorn,
    match_probabilities,
    neighborhood_agreement,
    spread_agreement,
)

Step = Callable[[], object]
Edges = tuple[Tensor, Tensor]


def _problem(size) -> tuple[Tensor, Edges, Edges]:
    """About the shape of DBP15K: four edges an entity, few relations that are common
    and many that are rare; entity i is entity i of the other graph, with a rival.
    """
    count, generator = size.entities, torch.Generator().manual_seed(0)
    # Squares and cubes of uniform numbers: few hubs, few common relations.
    draw = torch.rand(3, 4 * count, generator=generator)
    ends, relation = (draw[:2] ** 2 * count).long(), (draw[2] ** 3 * 1500).long()
    triples = torch.cat([ends, relation[None]]).unique(dim=1)
    graphs = []
    for _ in range(2):
        kept = triples[:, torch.rand(triples.size(1), generator=generator) < 0.8]
        graphs.append((kept[:2], kept[2]))
    ids = torch.arange(count)
    pairs = torch.cat([ids.repeat(2, 1), torch.stack([ids, (ids + 1) % count])], dim=1)
    probability = torch.tensor([0.8, 0.15]).repeat_interleave(count)
    matches = torch.sparse_coo_tensor(
        pairs, probability, (count, count), check_invariants=False
    )
    return matches.coalesce(), *graphs


def agreement_ours(size) -> Step:
    matches, source, target = _problem(size)
    return lambda: neighborhood_agreement(matches, source, target)


def rounds_ours(size) -> Step:
    sides, known, entities, graphs, count = _vectors(size)
    args = (*sides, *graphs, known, (entities, entities), (count, count))
    return lambda: spread_agreement(*args)


def rounds_by_sweeps(size) -> Step:
    """The same with all pairs compared again in every round; of few entities, with the
    probabilities of all pairs in place of a hundred candidates each.
    """
    sides, known, entities, graphs, count = _vectors(size)
    sure = torch.ones(known.size(1))

    def step():
        bonus = inside = None
        for _ in range(3):
            found = match_probabilities(*sides, 0.1, Sinkhorn(0.02), bonus=inside)
            pairs = torch.cat([known, entities[found.indices()]], dim=1)
            values = torch.cat([sure, found.values()])
            matches = torch.sparse_coo_tensor(
                pairs, values, (count, count), check_invariants=False
            )
            bonus = 0.5 * neighborhood_agreement(matches, *graphs)
            inside = bonus.index_select(0, entities).index_select(1, entities)
        return bonus

    return step


def _vectors(size):
    """Noisy vectors of all entities but a quarter, whose counterparts are known."""
    _, *graphs = _problem(size)
    generator = torch.Generator().manual_seed(1)
    first = size.entities // 4
    z = torch.randn(2, size.entities - first, size.channels, generator=generator)
    z[1] += z[0]
    known = torch.arange(first).repeat(2, 1)
    return z.unbind(), known, torch.arange(first, size.entities), graphs, size.entities


def agreement_loops(size) -> Step:
    """The same sums by dictionaries, from each match to the pairs it supports."""
    matches, source, target = _problem(size)
    found = dict(zip(zip(*matches.indices().tolist(), strict=True),
                     matches.values().tolist(), strict=True))  # fmt: skip
    return lambda: _by_dictionaries(found, _triples(source), _triples(target))


def _triples(edges: Edges) -> set[tuple[int, int, int]]:
    """Entity, relation and neighbour, in both directions."""
    (head, tail), relation = edges[0].tolist(), edges[1].tolist()
    width = max(relation) + 1
    found = set(zip(head, relation, tail, strict=True))
    return found | {(t, r + width, h) for h, r, t in found}


def _by_dictionaries(matches, source, target) -> dict[tuple[int, int], float]:
    best: dict[int, int] = {}
    for (i, j), value in matches.items():
        if value >= 0.5 and value > matches.get((best.get(j, -1), j), 0.0):
            best[j] = i
    joined = defaultdict(list)
    for i, relation, n in target:
        if i in best and n in best:
            joined[best[i], best[n]].append(relation)
    count = Counter((r, q) for i, r, n in source for q in joined.get((i, n), ()))
    ours, theirs = Counter(), Counter()
    for (r, q), times in count.items():
        ours[r] += times
        theirs[q] += times
    sides = [_features(side) for side in (source, target)]
    (who, weight, length), (whom, their_weight, their_length) = sides
    sums = defaultdict(float)
    for (n, m), probability in matches.items():
        for r in who.get(n, ()):
            for q in whom.get(m, ()):
                same = count[r, q] / ((ours[r] + 1) * (theirs[q] + 1)) ** 0.5
                if probability * same <= 1e-3:
                    continue
                both = (weight[n, r] * their_weight[m, q]) ** 0.5
                for i in who[n][r]:
                    for j in whom[m][q]:
                        sums[i, j] += probability * same * both
    return {
        (i, j): value / (length[i] * their_length[j]) ** 0.5
        for (i, j), value in sums.items()
        if length[i] * their_length[j] > 0
    }


def _features(triples):
    """Who has which relation to a neighbour, its weight, and the sum by entity."""
    who = defaultdict(lambda: defaultdict(list))
    for i, r, n in triples:
        who[n][r].append(i)
    weight, length = {}, defaultdict(float)
    for n, relations in who.items():
        for r, entities in relations.items():
            few = len(entities) <= 100
            weight[n, r] = len(entities) ** -0.5 if few else 0.0
            for i in entities:
                length[i] += weight[n, r]
    return who, weight, length
