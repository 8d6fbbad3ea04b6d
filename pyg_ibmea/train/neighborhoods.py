"""What neighbourhoods say about pairs of entities, beside their embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Sinkhorn, neighborhood_agreement, spread_agreement
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.problem import (
    Pair,
    alignment_pair,
    links_of,
    pair_problems,
    triples_of,
    unaligned_entities,
)
from pyg_ibmea.train.config import TrainConfig
from pyg_ibmea.train.evaluation import Graph, encode_entities


@torch.no_grad()
def neighborhood_bonus(
    model: IBMEA | Sequence[IBMEA],
    data: HeteroData,
    config: TrainConfig,
    known: Sequence[str] = ("train",),
    graph: Graph | None = None,
) -> Tensor | None:
    """How far the neighbourhoods of entities agree, by known pairs and by what the
    model takes for counterparts; see :func:`pyg_ibmea.align.spread_agreement`.

    It is for the end of a training. Among the proposals of pseudo-seeds it has no part:
    matches that vouch for each other and are learned from in the next epochs confirm
    their own mistakes, above all where edges of one graph seldom have their like in the
    other.

    Args:
        model (IBMEA or sequence of IBMEA): The model, or several.
        data (HeteroData): The problem.
        config (TrainConfig): The hyper-parameters: ``neighbor_agreement``, the factor
            (with 0 there is no bonus), ``neighbor_rounds`` and
            ``sinkhorn_temperature``.
        known (sequence of str, optional): Parts of the split whose pairs are taken for
            granted; all other entities are matched by the model.
            (default: :obj:`('train',)`)
        graph (RelationalGraph or EdgeIndex, optional): See :meth:`IBMEA.forward`.

    Returns:
        torch.Tensor: By node ids, sparse ``[N, M]``, or ``None``.
    """
    if not config.neighbor_agreement:
        return None
    pair = alignment_pair(data)
    entities = unaligned_entities(data, known)
    links = torch.cat([links_of(data, part) for part in known], dim=1)
    source, target = (triples_of(data, kg) for kg in pair)
    edges = (source.edge_index, source.edge_type), (target.edge_index, target.edge_type)
    size = (int(data[pair[0]].num_nodes), int(data[pair[1]].num_nodes))
    if not all(side.numel() for side in entities):
        sure = torch.ones(links.size(1), device=links.device)
        matches = torch.sparse_coo_tensor(links, sure, size, check_invariants=False)
        return config.neighbor_agreement * neighborhood_agreement(matches, *edges)
    z = encode_entities(model, data, dict(zip(pair, entities, strict=True)), graph)
    return spread_agreement(
        z[pair[0]],
        z[pair[1]],
        *edges,
        links,
        entities,
        size,
        weight=config.neighbor_agreement,
        rounds=config.neighbor_rounds,
        decoder=Sinkhorn(config.sinkhorn_temperature),
    )


def pair_bonuses(
    judged: Sequence[IBMEA],
    models: Sequence[IBMEA],
    data: HeteroData,
    config: TrainConfig,
    graph: Graph | None = None,
) -> dict[Pair, tuple[Tensor | None, Tensor | None]]:
    """The bonuses of every linked pair of graphs: for what the validation pairs judge,
    which knows the training pairs only (``None`` where there are no validation pairs),
    and for what is aligned in the end.

    Args:
        judged (sequence of IBMEA): Models that did not learn from the validation pairs.
        models (sequence of IBMEA): The models that are joined for the matches.
        data (HeteroData): The problem, of two graphs or more.
        config (TrainConfig): The hyper-parameters.
        graph (RelationalGraph or EdgeIndex, optional): See :meth:`IBMEA.forward`.
    """
    found = {}
    for pair, problem in pair_problems(data):
        before = None
        if links_of(problem, "val").size(1):
            before = neighborhood_bonus(judged, problem, config, ("train",), graph)
        after = neighborhood_bonus(models, problem, config, ("train", "val"), graph)
        found[pair] = before, after
    return found
