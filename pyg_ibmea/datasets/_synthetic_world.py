"""Random draws behind the synthetic problem, all vectorised in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


def stream(seed: int, *purpose: str) -> np.random.Generator:
    """Gives every purpose its own random numbers.

    An argument thus changes what it names and nothing else.
    """
    return np.random.default_rng([seed, *"/".join(purpose).encode()])


def skewed(size: int, exponent: float) -> NDArray[np.float64]:
    """Returns probabilities proportional to ``rank ** -exponent``, ``[size]``."""
    weights = np.arange(1, size + 1) ** -exponent
    return np.asarray(weights / weights.sum())


def draw(rng: np.random.Generator, weights: NDArray[np.float64], size: int) -> Ids:
    """Draws indices with replacement in proportion to weights, ``[size]``."""
    cumulative = weights.cumsum()
    place = rng.random(size) * cumulative[-1]
    # Rounding may make the largest place equal to the last sum.
    index = np.searchsorted(cumulative, place, side="right")
    index = np.minimum(index, len(weights) - 1)
    return np.asarray(index, dtype=np.int64)


def draw_triples(
    rng: np.random.Generator,
    popularity: NDArray[np.float64],
    num_relations: int,
    num_triples: int,
) -> Ids:
    """Draws distinct triples without loops by popularity of head and tail.

    This is the static model of scale-free graphs (Goh, Kahng and Kim 2001, arXiv
    cond-mat/0106565) with relations that follow Zipf's law.

    Args:
        rng (numpy.random.Generator): Random numbers.
        popularity (numpy.ndarray): Weights of the entities, ``[num_entities]``.
        num_relations (int): Relations to draw from.
        num_triples (int): Triples to return.

    Returns:
        Head, relation and tail in the columns, ``[num_triples, 3]``.
    """
    relation_weights = skewed(num_relations, exponent=1.0)
    triples = np.empty((0, 3), dtype=np.int64)
    while len(triples) < num_triples:
        lacking = num_triples - len(triples)
        head, tail = draw(rng, popularity, lacking), draw(rng, popularity, lacking)
        relation = draw(rng, relation_weights, lacking)
        drawn = np.stack([head, relation, tail], axis=1)[head != tail]
        triples = distinct(np.concatenate([triples, drawn]))
    return triples


def rewire(
    rng: np.random.Generator,
    triples: Ids,
    popularity: NDArray[np.float64],
    fraction: float,
) -> Ids:
    """Replaces the tail of a fraction of the triples, drawn by popularity.

    A rewired triple that repeats another is dropped.
    """
    chosen = rng.permutation(len(triples))[: round(fraction * len(triples))]
    triples = triples.copy()
    head, old_tail = triples[chosen, 0], triples[chosen, 2]
    tail = draw(rng, popularity, len(chosen))
    # Two tails are forbidden, so at most two steps lead to a legal one.
    for _ in range(2):
        forbidden = (tail == head) | (tail == old_tail)
        tail = np.where(forbidden, (tail + 1) % len(popularity), tail)
    triples[chosen, 2] = tail
    return distinct(triples)


def draw_attributes(
    rng: np.random.Generator, num_entities: int, num_attributes: int, mean: float
) -> Ids:
    """Draws one or more attributes per entity by Zipf's law.

    Returns:
        Entity and attribute in the columns, ``[entries, 2]``, no entry twice.
    """
    counts = 1 + rng.poisson(mean - 1, num_entities)
    entity = np.repeat(np.arange(num_entities), counts)
    attribute = draw(rng, skewed(num_attributes, exponent=1.0), len(entity))
    return distinct(np.stack([entity, attribute], axis=1))


def replace_columns(
    rng: np.random.Generator, entries: Ids, num_columns: int, fraction: float
) -> Ids:
    """Moves a fraction of the bag entries ``[entries, 2]`` to other columns."""
    chosen = rng.permutation(len(entries))[: round(fraction * len(entries))]
    entries = entries.copy()
    if num_columns > 1:
        step = draw(rng, skewed(num_columns - 1, exponent=1.0), len(chosen)) + 1
        entries[chosen, 1] = (entries[chosen, 1] + step) % num_columns
    return entries


def scramble(rng: np.random.Generator, entries: Ids, num_rows: int) -> Ids:
    """Makes bag entries independent of the rows.

    Columns keep their totals and bag sizes their distribution, but whose bag it is and
    what it contains become random.
    """
    rows = rng.permutation(num_rows)[entries[:, 0]]
    return np.stack([rows, rng.permutation(entries[:, 1])], axis=1)


def distinct(rows: NDArray[Any]) -> NDArray[Any]:
    """Keeps the first of equal rows, in order."""
    _, first = np.unique(rows, axis=0, return_index=True)
    return rows[np.sort(first)]
