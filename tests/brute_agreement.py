"""Neighbourhood agreement by its formula, one pair of edges after the other."""

from collections import Counter

import torch


def both_ways(edges):
    """All triples, and read from tail to head, by relations that are marked so."""
    (heads, tails), relations = (part.tolist() for part in edges)
    triples = list(zip(heads, relations, tails, strict=True))
    return triples + [(t, ("back", r), h) for h, r, t in triples]


def brute_relations(matches, source, target, threshold=0.5):
    """By looking at every pair of edges."""
    best = {}
    for j in range(matches.size(1)):
        column = matches[:, j]
        if column.max() >= threshold:
            # Of those that tie the last; the test has no ties.
            best[j] = int(column.argmax())
    counts = Counter()
    for h, r, t in both_ways(source):
        for x, q, y in both_ways(target):
            if best.get(x) == h and best.get(y) == t:
                counts[r, q] += 1
    ours, theirs = Counter(), Counter()
    for (r, q), count in counts.items():
        ours[r] += count
        theirs[q] += count
    return {
        (r, q): count / ((ours[r] + 1) * (theirs[q] + 1)) ** 0.5
        for (r, q), count in counts.items()
    }


def brute_agreement(matches, source, target, most_shared):
    """The formula, feature by feature."""
    relations = brute_relations(matches, source, target)
    features = []
    for edges, size in ((source, matches.size(0)), (target, matches.size(1))):
        said = set(both_ways(edges))
        of = [{(t, r) for h, r, t in said if h == i} for i in range(size)]
        shared = Counter(c for entity in of for c in entity)
        weight = {c: n**-0.5 if n <= most_shared else 0.0 for c, n in shared.items()}
        features.append((of, weight))
    (ours, w), (theirs, v) = features
    found = torch.zeros(matches.shape, dtype=torch.double)
    for i, left in enumerate(ours):
        for j, right in enumerate(theirs):
            length = sum(w[c] for c in left) * sum(v[c] for c in right)
            if length == 0:
                continue
            for n, r in left:
                for m, q in right:
                    alike = float(matches[n, m]) * relations.get((r, q), 0.0)
                    if alike > 1e-3:
                        found[i, j] += (w[n, r] * v[m, q]) ** 0.5 * alike
            found[i, j] /= length**0.5
    return found
