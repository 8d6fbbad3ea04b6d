"""Metrics of a model on the validation or test pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Decoder, Search, join_views
from pyg_ibmea.align.candidates import EXACT_PAIRS
from pyg_ibmea.align.decoders import Similarity, as_decoder
from pyg_ibmea.align.forbidding import forbid_among
from pyg_ibmea.align.metrics import metrics_of
from pyg_ibmea.large import LARGE, ranges, room_for
from pyg_ibmea.nn._modes import evaluation_mode
from pyg_ibmea.nn.encoder._by_chunks import Division, divided
from pyg_ibmea.options import NUM_QUERIES
from pyg_ibmea.problem import (
    alignment_pair,
    different_of,
    entity_counts,
    links_of,
    unaligned_entities,
)
from pyg_ibmea.train import processes
from pyg_ibmea.train._memory import release_freed_memory
from pyg_ibmea.train._rows_exchange import broadcast, gather_rows
from pyg_ibmea.train._team import Team, team
from pyg_ibmea.train.encoding import (
    Encoding,
    asked_links,
    candidates_for,
)


@torch.no_grad()
def evaluate(
    model: Module | Sequence[Module],
    data: HeteroData,
    part: str,
    decoders: Sequence[Decoder | str] = ("csls",),
    candidates: str = "counterparts",
    graph: object | None = None,
    bonus: Tensor | None = None,
    similarity: Similarity | None = None,
    encoding: Encoding | None = None,
    num_queries: int = NUM_QUERIES,
) -> dict[str, Any]:
    """Ranks the true counterparts of the pairs of one part, in evaluation mode.

    Args:
        model (Module or sequence of Module): The model, or several whose similarities
            are averaged; their modes are restored afterwards.
        data (HeteroData): The problem.
        part (str): ``'val'`` or ``'test'``.
        decoders (sequence of Decoder or str, optional): See
            :func:`pyg_ibmea.align.ranking_metrics`. (default: :obj:`('csls',)`)
        candidates (str, optional): ``'counterparts'``: ranks among the counterparts
            of the part's pairs, as the literature reports them; ``'unaligned'``:
            among all entities outside the training pairs, which is harder and needs
            no knowledge of any pair outside the part.
            (default: :obj:`'counterparts'`)
        graph (object, optional): What the model's ``graph_of(data)`` returned.
            (default: :obj:`None`)
        bonus (torch.Tensor, optional): What is added to the cosines of some pairs, by
            node ids, sparse ``[N, M]``; see :func:`neighborhood_bonus`.
            (default: :obj:`None`)
        similarity (Similarity, optional): What :func:`unaligned_similarity` returned
            for this model, in place of encoding ``'unaligned'`` candidates again.
            (default: :obj:`None`)
        encoding (Encoding, optional): What the model makes of these entities or more,
            with the candidates that a decoder reads. (default: made here)
        num_queries (int, optional): Number of pairs that are ranked, at most, where
            there are more than 60,000 entities to choose among on both sides.
            (default: :obj:`5000`)

    Returns:
        dict: By the decoder's name, what :func:`pyg_ibmea.align.ranking_metrics`
        returns.

    Raises:
        ValueError: If the part has no pairs or shares an entity with a training pair,
            or an option is out of range.
    """
    pair = alignment_pair(data)
    links = links_of(data, part)
    if links.size(1) == 0:
        raise ValueError(f"the {' - '.join(pair)} links have no {part} pairs to rank")
    if candidates == "counterparts":
        entities = [side.unique() for side in links]
    elif candidates == "unaligned":
        entities = unaligned_entities(data, ("train",))
    else:
        raise ValueError(
            f"candidates must be 'counterparts' or 'unaligned', got {candidates!r}"
        )
    links = asked_links(links, entities, num_queries)
    sides = zip(entities, links, strict=True)
    rows = torch.stack([torch.searchsorted(ids, side) for ids, side in sides])
    for ids, row, side in zip(entities, rows, links, strict=True):
        if not torch.equal(ids[row.clamp(max=ids.numel() - 1)], side):
            raise ValueError(
                f"an entity of the {part} pairs is in a training pair too; split the "
                "links by connected component (pyg_ibmea.data.split_links does)"
            )
    if similarity is None or candidates != "unaligned":
        if encoding is None:
            z = encode_sides(model, data, entities, graph)
            found = candidates_for(*z)
        else:
            encoding = encoding.among(entities)
            z, found = encoding.z, encoding.candidates
        added = bonus_of(bonus, entities, different_of(data))
        similarity = Similarity.of(*z, added, candidates=found)
    return {
        decoder.name: metrics_of(similarity, decoder, pairs=rows)
        for decoder in map(as_decoder, decoders)
    }


@torch.no_grad()
def evaluate_queries(
    model: Module | Sequence[Module],
    data: HeteroData,
    part: str,
    decoder: Decoder | str = "csls",
    graph: object | None = None,
    num_queries: int = NUM_QUERIES,
    similarity: Similarity | None = None,
) -> dict[str, Any]:
    """What :func:`evaluate` gives among all unaligned entities of a large problem,
    without a search: some queries of each side are compared with all entities of the
    other, and the decoder sees these cosines alone. So CSLS knows of hubs as far as
    they are near to queries.

    Args:
        model (Module or sequence of Module): See :func:`evaluate`.
        data (HeteroData): The problem.
        part (str): ``'val'`` or ``'test'``.
        decoder (Decoder or str, optional): See :func:`evaluate`.
            (default: :obj:`'csls'`)
        graph (object, optional): See :func:`evaluate`. (default: :obj:`None`)
        num_queries (int, optional): Number of pairs that are asked about, at most;
            fewer where they and all entities would be more than 60,000 times 60,000
            pairs. (default: :obj:`5000`)
        similarity (Similarity, optional): What :func:`unaligned_similarity` returned
            for this model, for its embeddings. (default: :obj:`None`)

    Returns:
        dict: What :func:`pyg_ibmea.align.ranking_metrics` returns.
    """
    entities = unaligned_entities(data, ("train",))
    most = max(1, EXACT_PAIRS // max(len(side) for side in entities))
    links = asked_links(links_of(data, part), entities, min(num_queries, most))
    if similarity is None:
        z = encode_sides(model, data, entities, graph)
    else:
        z = similarity.source, similarity.target
    found, different = [], different_of(data)
    for side, other in ((0, 1), (1, 0)):
        ids, row = links[side].unique(return_inverse=True)
        asked = z[side][torch.searchsorted(entities[side], ids)]
        true = torch.searchsorted(entities[other], links[other].contiguous())
        pairs = torch.stack([row, true])
        added = forbid_among(different[[side, other]], (ids, entities[other]))
        similarity = Similarity.of(asked, z[other], added)
        found.append(metrics_of(similarity, decoder, pairs=pairs))
    names = [name for name, value in found[0].items() if not isinstance(value, dict)]
    forward, backward = ({name: one[name] for name in names} for one in found)
    mean = {name: (forward[name] + backward[name]) / 2 for name in names}
    return {**forward, "target_to_source": backward, "mean": mean}


def unaligned_similarity(
    model: Module | Sequence[Module],
    data: HeteroData,
    graph: object | None = None,
    search: Search | str = "auto",
    num_candidates: int = 0,
    bonus: Tensor | None = None,
) -> Similarity | None:
    """The cosines of the entities outside the training pairs, in evaluation mode, for
    all that compares them while the model stays as it is.

    Args:
        model (Module or sequence of Module): The model, or several.
        data (HeteroData): The problem.
        graph (object, optional): What the model's ``graph_of(data)`` returned.
            (default: :obj:`None`)
        search (Search or str, optional): How candidates are found; see
            :func:`~pyg_ibmea.align.find_candidates`. (default: :obj:`'auto'`)
        num_candidates (int, optional): Number of nearest entities of each; 0: by size.
            (default: :obj:`0`)
        bonus (torch.Tensor, optional): What is added to the cosines of some pairs, by
            node ids, sparse ``[N, M]``. (default: :obj:`None`)

    Returns:
        Similarity: In the order of :func:`~pyg_ibmea.problem.unaligned_entities`;
        ``None`` if a side has no such entity, and in processes that only help.
    """
    entities = unaligned_entities(data, ("train",))
    if not all(side.numel() for side in entities):
        return None
    sides = encode_sides(model, data, entities, graph)
    found = candidates_for(*sides, search, num_candidates)
    if processes.helps():
        return None
    added = bonus_of(bonus, entities, different_of(data))
    return Similarity.of(*sides, added, candidates=found)


def bonus_of(
    bonus: Tensor | None, entities: Sequence[Tensor], different: Tensor
) -> Tensor | None:
    """The bonus of some entities of both graphs, in their order, with pairs that are
    known to be different behind all others; ``None`` if there is nothing to add.

    Args:
        bonus (torch.Tensor): Sparse ``[N, M]`` by node ids, or ``None``.
        entities (sequence of torch.Tensor): Node ids of both graphs, ascending.
        different (torch.Tensor): See :func:`~pyg_ibmea.problem.different_of`.
    """
    if bonus is not None:
        rows, columns = entities
        bonus = bonus.index_select(0, rows).index_select(1, columns).coalesce()
    return forbid_among(different, entities, bonus)


def encode_sides(
    model: Module | Sequence[Module],
    data: HeteroData,
    entities: Sequence[Tensor],
    graph: object | None = None,
) -> tuple[Tensor, Tensor]:
    """What :func:`encode_entities` gives for a problem of one pair of graphs.

    Args:
        model (Module or sequence of Module): The model, or several.
        data (HeteroData): The problem of one pair of graphs.
        entities (sequence of torch.Tensor): Node ids of both graphs.
        graph (object, optional): What the model's ``graph_of(data)`` returned.
            (default: :obj:`None`)

    Returns:
        tuple: ``[n, C]`` and ``[m, C]``.
    """
    pair = alignment_pair(data)
    z = encode_entities(model, data, dict(zip(pair, entities, strict=True)), graph)
    return z[pair[0]], z[pair[1]]


@torch.no_grad()
def encode_entities(
    model: Module | Sequence[Module],
    data: HeteroData,
    entities: Mapping[str, Tensor],
    graph: object | None = None,
) -> dict[str, Tensor]:
    """The embeddings of some entities, without noise or dropout.

    Args:
        model (Module or sequence of Module): The model, or several: the cosine of their
            joined embeddings is the mean of their cosines.
        data (HeteroData): The problem.
        entities (dict): Node ids by graph.
        graph (object, optional): What the model's ``graph_of(data)`` returned.
            (default: :obj:`None`)

    Returns:
        dict: By graph, ``[n, C]``.
    """
    own = team()
    if own is not None and own.together:
        return _encode_jointly(model, data, entities, graph, own)
    views = []
    is_large = sum(entity_counts(data).values()) > LARGE
    for member in [model] if isinstance(model, Module) else model:
        # Encoding all entities needs much memory at once.
        release_freed_memory()
        by_chunks: Any = getattr(member, "encode", None)
        if is_large and by_chunks is not None:
            views.append(by_chunks(data, entities, graph))
            continue
        with evaluation_mode(member):
            views.append(member(data, entities, graph).z)
    release_freed_memory()
    if len(views) == 1:
        z: dict[str, Tensor] = views[0]
        return z
    join = _join_large if is_large else join_views
    return {kg: join([view.pop(kg) for view in views]) for kg in entities}


def _encode_jointly(
    model: Module | Sequence[Module],
    data: HeteroData,
    entities: Mapping[str, Tensor],
    graph: object | None,
    own: Team,
) -> dict[str, Tensor]:
    """The embeddings of all processes, each of which makes a share of them; those of a
    small problem are made by the first.
    """
    is_large = sum(entity_counts(data).values()) > LARGE
    shares = {
        kg: ids.tensor_split(own.count)[own.rank]
        if is_large
        else ids[: ids.numel() if own.rank == 0 else 0]
        for kg, ids in entities.items()
    }
    found = {kg: torch.empty(0, 0, device=ids.device) for kg, ids in entities.items()}
    # Of a large problem, even those without a share compute rows of inner layers.
    if is_large or own.rank == 0:
        with processes.alone(), ExitStack() as stack:
            if is_large:
                stack.enter_context(divided(_division_of(own)))
            found = encode_entities(model, data, shares, graph)
    return {kg: gather_rows(rows, own) for kg, rows in found.items()}


def _division_of(own: Team) -> Division:
    """How the processes divide the layers of graph encoders."""
    return Division(
        own.rank, own.count, lambda rows, source: broadcast(rows, source, own)
    )


def _join_large(views: Sequence[Tensor]) -> Tensor:
    """What :func:`~pyg_ibmea.align.join_views` does, some rows at a time."""
    size, widths = views[0].size(0), [view.size(1) for view in views]
    joined = room_for((size, sum(widths)), views[0].dtype, views[0].device)
    for rows in ranges(size):
        joined[rows] = join_views([view[rows] for view in views])
    return joined
