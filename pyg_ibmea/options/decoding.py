"""How matches are made from embeddings, as options."""

from __future__ import annotations

from dataclasses import dataclass

from pyg_ibmea.options._fields import check_ranges, option

CARDINALITIES = ("one-to-one", "one-to-many", "many-to-one", "many-to-many")
"""How many sources one target may have, and how many targets one source."""

EXACT = 0.9
"""From this confidence on, a match is exported as ``exactMatch`` by default."""

SEARCHES = ("exact", "hnsw", "ivf")
"""Names of the search backends that need no further input."""

NUM_QUERIES = 5000
"""Pairs that are ranked in an evaluation of a large problem, at most."""


@dataclass(frozen=True)
class DecodingOptions:
    """How matches are made from embeddings.

    Raises:
        ValueError: If an option is out of range.
    """

    neighbor_agreement: float = option(
        0.5,
        "weight of neighbourhood agreement: what matched neighbours add to the "
        "similarity of two entities at the end; 0: embeddings only",
        at_least=0,
    )
    neighbor_rounds: int = option(
        3,
        "rounds of neighbourhood agreement, each with the matches of the last",
        at_least=1,
    )
    value_agreement: float = option(
        0.3,
        "weight of the agreement of attribute values, in units of cosine: what they "
        "add to the similarity of two entities in proposals of pseudo-seeds and at the "
        "end, where the data have values; 0: values are not compared",
        at_least=0,
    )
    csls_k: int = option(3, "number of nearest neighbours in CSLS", at_least=1)
    sinkhorn_temperature: float = option(
        0.02,
        "temperature of Sinkhorn scaling; at the end, it is multiplied by "
        "1 + neighbor_agreement, as neighbourhood agreement widens the range of the "
        "similarities",
        above=0,
    )
    search: str = option(
        "auto",
        "how the pairs to choose among are found: exact (all pairs are compared), ivf "
        "(approximate: within cells) or hnsw (the same along a graph, by faiss); auto: "
        "ivf for more than 60,000 unaligned entities on both sides on a CPU, else "
        "exact",
        choices=("auto", *SEARCHES),
    )
    num_candidates: int = option(
        0,
        "number of nearest entities that each entity may be matched with; 0: all up to "
        "60,000 unaligned entities on both sides, 100 beyond, fewer for millions",
        at_least=0,
    )
    eval_queries: int = option(
        NUM_QUERIES,
        "pairs that are ranked in an evaluation, at most, for more than 60,000 "
        "unaligned entities on both sides",
        at_least=1,
    )

    def __post_init__(self) -> None:
        check_ranges(self)
