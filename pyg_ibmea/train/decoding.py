"""How matches are made from embeddings, and what neighbourhoods add to them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from pyg_ibmea.align import (
    CSLS,
    Sinkhorn,
    neighborhood_agreement,
    value_agreement,
)
from pyg_ibmea.align.candidates import search_for
from pyg_ibmea.align.spreading import spread_with_matches
from pyg_ibmea.options import DecodingOptions
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
from pyg_ibmea.train.encoding import Encoding, candidates_for, takes_all
from pyg_ibmea.train.evaluation import encode_sides


def csls_of(options: DecodingOptions) -> CSLS:
    """The CSLS decoder of the options."""
    return CSLS(options.csls_k)


def sinkhorn_of(options: DecodingOptions) -> Sinkhorn:
    """The Sinkhorn decoder of the options, for all matching before the end."""
    return Sinkhorn(options.sinkhorn_temperature)


def final_sinkhorn_of(options: DecodingOptions, bonus: Tensor | None) -> Sinkhorn:
    """The Sinkhorn decoder for the end.

    Neighbourhood agreement widens the range of the similarities from [-1, 1] to
    [-1, 1 + its weight].

    Args:
        options (DecodingOptions): The options.
        bonus (torch.Tensor): What :func:`neighborhood_bonus` returned, or ``None``.
    """
    spread = 1.0 if bonus is None else 1.0 + options.neighbor_agreement
    return Sinkhorn(options.sinkhorn_temperature * spread)


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
        decoder=sinkhorn_of(options),
        candidates=found,
        forbidden=different_of(data),
        evidence=values,
    )
