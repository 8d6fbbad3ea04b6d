"""How matches are made from embeddings, and what neighbourhoods add to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from pyg_ibmea.align import (
    CSLS,
    Sinkhorn,
    neighborhood_agreement,
    value_agreement,
)
from pyg_ibmea.align.backends import SEARCHES
from pyg_ibmea.align.candidates import search_for
from pyg_ibmea.align.spreading import spread_with_matches
from pyg_ibmea.options import check_ranges, option
from pyg_ibmea.problem import (
    alignment_pair,
    different_of,
    entity_counts,
    links_of,
    literals_of,
    pair_problems,
    triples_of,
    unaligned_entities,
)
from pyg_ibmea.train import processes
from pyg_ibmea.train.encoding import NUM_QUERIES, Encoding, candidates_for, takes_all
from pyg_ibmea.train.evaluation import encode_sides


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

    @property
    def csls(self) -> CSLS:
        """The CSLS decoder."""
        return CSLS(self.csls_k)

    @property
    def sinkhorn(self) -> Sinkhorn:
        """The Sinkhorn decoder for all matching before the end."""
        return Sinkhorn(self.sinkhorn_temperature)

    def final_sinkhorn(self, bonus: Tensor | None) -> Sinkhorn:
        """The Sinkhorn decoder for the end.

        Neighbourhood agreement widens the range of the similarities from [-1, 1] to
        [-1, 1 + its weight].

        Args:
            bonus (torch.Tensor): What :func:`neighborhood_bonus` returned, or
                ``None``.
        """
        spread = 1.0 if bonus is None else 1.0 + self.neighbor_agreement
        return replace(self.sinkhorn, temperature=self.sinkhorn_temperature * spread)


def value_bonus(
    data: HeteroData, options: DecodingOptions, known: Sequence[str] = ("train",)
) -> Tensor | None:
    """How far attribute values of entities speak for their being the same; see
    :func:`pyg_ibmea.align.value_agreement`. It does not depend on a model.

    Args:
        data (HeteroData): The problem of one pair of graphs.
        options (DecodingOptions): The options.
        known (sequence of str, optional): Parts of the split whose pairs tell which
            attributes correspond. (default: :obj:`('train',)`)

    Returns:
        torch.Tensor: In units of cosine, sparse ``[N, M]`` by node ids; ``None`` if a
        graph has no values, none of them correspond, or ``value_agreement`` is 0.
    """
    pair = alignment_pair(data)
    literals = [literals_of(data, kg) for kg in pair]
    if not options.value_agreement or not all(side.text for side in literals):
        return None
    counts = entity_counts(data)
    links = torch.cat([links_of(data, part) for part in known], dim=1)
    size = (counts[pair[0]], counts[pair[1]])
    found = value_agreement(literals[0], literals[1], links, size)
    return options.value_agreement * found if found.values().numel() else None


def check_search(data: HeteroData, options: DecodingOptions) -> None:
    """Checks that candidates can be found, before anything is computed.

    Args:
        data (HeteroData): The problem, of two graphs or more.
        options (DecodingOptions): The options.

    Raises:
        ImportError: If the search needs faiss, which is not installed.
    """
    for _, problem in pair_problems(data):
        source, target = unaligned_entities(problem, ("train",))
        search_for(options.search, (len(source), len(target)), source.device)


@torch.no_grad()
def encode_unaligned(
    model: nn.Module | Sequence[nn.Module],
    data: HeteroData,
    options: DecodingOptions,
    known: Sequence[str] = ("train",),
    graph: object | None = None,
) -> Encoding | None:
    """Encodes the entities outside known pairs and finds the pairs to choose among, for
    all that is asked about this state of the model.

    Args:
        model (Module or sequence of Module): The model, or several.
        data (HeteroData): The problem of one pair of graphs.
        options (DecodingOptions): The options.
        known (sequence of str, optional): Parts of the split whose pairs are known.
            (default: :obj:`('train',)`)
        graph (object, optional): What the model's ``graph_of(data)`` returned.
            (default: :obj:`None`)

    Returns:
        Encoding: The entities, their embeddings and candidates; ``None`` where all
        pairs are compared, or all entities of one of the graphs are in known pairs, and
        in processes that only help.
    """
    entities = unaligned_entities(data, known)
    size = entities[0].numel(), entities[1].numel()
    search, k = options.search, options.num_candidates
    if not min(size) or takes_all(size, search, k):
        return None
    sides = encode_sides(model, data, entities, graph)
    found = candidates_for(*sides, search, k)
    if processes.helps():
        return None
    return Encoding((entities[0], entities[1]), sides, found)


@torch.no_grad()
def neighborhood_bonus(
    model: nn.Module | Sequence[nn.Module],
    data: HeteroData,
    options: DecodingOptions,
    known: Sequence[str] = ("train",),
    graph: object | None = None,
    encoding: Encoding | None = None,
    values: Tensor | None = None,
) -> Tensor | None:
    """How far the neighbourhoods of entities agree, judged by known pairs and by what
    the model takes for counterparts; see :func:`pyg_ibmea.align.spread_agreement`.

    It is for the end of a training and has no part in proposing pseudo-seeds: matches
    that vouch for each other and are learned from in the next epochs confirm their own
    mistakes, above all where edges of one graph seldom have a counterpart in the other.

    Args:
        model (Module or sequence of Module): The model, or several.
        data (HeteroData): The problem of one pair of graphs.
        options (DecodingOptions): The options; with ``neighbor_agreement`` 0 there is
            no bonus.
        known (sequence of str, optional): Parts of the split whose pairs are taken for
            granted; all other entities are matched by the model.
            (default: :obj:`('train',)`)
        graph (object, optional): What the model's ``graph_of(data)`` returned.
            (default: :obj:`None`)
        encoding (Encoding, optional): What :func:`encode_unaligned` gave for the same
            known parts. (default: made here)
        values (torch.Tensor, optional): What :func:`value_bonus` gave for the same
            known parts; it is evidence for matches, and added. (default: :obj:`None`)

    Returns:
        torch.Tensor: Sparse ``[N, M]`` by node ids, or ``None``.
    """
    if not options.neighbor_agreement:
        return values
    given = (known, graph, encoding, values)
    return neighborhood_evidence(model, data, options, *given)[0]


@torch.no_grad()
def neighborhood_evidence(
    model: nn.Module | Sequence[nn.Module],
    data: HeteroData,
    options: DecodingOptions,
    known: Sequence[str] = ("train",),
    graph: object | None = None,
    encoding: Encoding | None = None,
    values: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """What :func:`neighborhood_bonus` gives where neighbourhoods count, and the
    probable matches that it follows from, sparse ``[N, M]`` by node ids.

    Args:
        model (Module or sequence of Module): As for :func:`neighborhood_bonus`.
        data (HeteroData): The same.
        options (DecodingOptions): The same.
        known (sequence of str, optional): The same. (default: :obj:`('train',)`)
        graph (object, optional): The same. (default: :obj:`None`)
        encoding (Encoding, optional): The same. (default: made here)
        values (torch.Tensor, optional): The same. (default: :obj:`None`)
    """
    pair = alignment_pair(data)
    entities = unaligned_entities(data, known)
    links = torch.cat([links_of(data, part) for part in known], dim=1)
    source, target = (triples_of(data, kg) for kg in pair)
    edges = (source.edge_index, source.edge_type), (target.edge_index, target.edge_type)
    counts = entity_counts(data)
    size = (counts[pair[0]], counts[pair[1]])
    if not all(side.numel() for side in entities):
        sure = torch.ones(links.size(1), device=links.device)
        matches = torch.sparse_coo_tensor(links, sure, size, check_invariants=False)
        agreement = neighborhood_agreement(matches, *edges)
        return options.neighbor_agreement * agreement, matches
    if encoding is None:
        z, found = encode_sides(model, data, entities, graph), None
    else:
        z, found = encoding.z, encoding.candidates
    return spread_with_matches(
        *z,
        *edges,
        links,
        entities,
        size,
        weight=options.neighbor_agreement,
        rounds=options.neighbor_rounds,
        decoder=options.sinkhorn,
        candidates=found,
        forbidden=different_of(data),
        evidence=values,
    )
