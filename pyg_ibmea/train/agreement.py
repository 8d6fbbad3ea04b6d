"""What neighbourhoods say about pairs of entities, beside their embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.align import match_probabilities, neighborhood_agreement
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.train.evaluation import Graph, encode_entities
from pyg_ibmea.train.links import alignment_pair, links_of, unaligned_entities

_LEAST_PROBABILITY = 0.1


@torch.no_grad()
def neighborhood_bonus(
    model: IBMEA | Sequence[IBMEA],
    data: HeteroData,
    weight: float,
    known: Sequence[str] = ("train",),
    sinkhorn_temperature: float = 0.02,
    graph: Graph | None = None,
) -> Tensor | None:
    """How far the neighbourhoods of entities agree, by known pairs and by what the
    model takes for counterparts; see :func:`pyg_ibmea.align.neighborhood_agreement`.

    Args:
        model (IBMEA or sequence of IBMEA): The model, or several.
        data (HeteroData): The problem.
        weight (float): Factor of the agreement; with 0 there is no bonus.
        known (sequence of str, optional): Parts of the split whose pairs are taken for
            granted; all other entities are matched by the model.
            (default: :obj:`('train',)`)
        sinkhorn_temperature (float, optional): See :func:`pyg_ibmea.align.sinkhorn`.
            (default: :obj:`0.02`)
        graph (RelationalGraph or EdgeIndex, optional): See :meth:`IBMEA.forward`.

    Returns:
        torch.Tensor: By node ids, sparse ``[N, M]``, or ``None``.
    """
    if not weight:
        return None
    pair = alignment_pair(data)
    entities = unaligned_entities(data, known)
    links = torch.cat([links_of(data, part) for part in known], dim=1)
    index, probability = links, torch.ones(links.size(1), device=links.device)
    if all(side.numel() for side in entities):
        z = encode_entities(model, data, dict(zip(pair, entities, strict=True)), graph)
        options = (_LEAST_PROBABILITY, sinkhorn_temperature)
        found = match_probabilities(z[pair[0]], z[pair[1]], *options)
        sides = zip(entities, found.indices(), strict=True)
        index = torch.cat([index, torch.stack([e[row] for e, row in sides])], dim=1)
        probability = torch.cat([probability, found.values()])
    size = [int(data[kg].num_nodes) for kg in pair]
    matches = torch.sparse_coo_tensor(index, probability, size, check_invariants=False)
    source, target = (data[kg, "rel", kg] for kg in pair)
    return weight * neighborhood_agreement(
        matches,
        (source.edge_index, source.edge_type),
        (target.edge_index, target.edge_type),
    )
