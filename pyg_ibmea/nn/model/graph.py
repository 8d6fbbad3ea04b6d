"""What the model reads off the structure of an alignment problem."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.nn.model._neighbors import NeighborFeatures
from pyg_ibmea.problem import entity_counts, triples_of


class ModelGraph(NamedTuple):
    """What :meth:`IBMEA.graph_of` builds once, for every forward to use.

    Attributes:
        structure (Any): What ``build_graph`` of the model's graph encoder returned;
            ``None`` for a model without the graph modality.
        linked (torch.Tensor): Bool ``[N]``, graph after graph: the entities that have a
            neighbour other than themselves. The others lack the graph modality.
        neighbors (dict): By modality (``'neighbor_image'`` and so on) and graph, the
            mean features of the neighbours; empty for a model that does not use them.
    """

    structure: Any
    linked: Tensor
    neighbors: NeighborFeatures


def linked_entities(data: HeteroData) -> Tensor:
    """Which entities have a neighbour other than themselves.

    Args:
        data (HeteroData): The problem.

    Returns:
        torch.Tensor: Bool ``[N]``, graph after graph.
    """
    return torch.cat([_linked(data, kg, n) for kg, n in entity_counts(data).items()])


def _linked(data: HeteroData, kg: str, count: int) -> Tensor:
    head, tail = triples_of(data, kg).edge_index.as_subclass(Tensor)
    apart = head != tail
    linked = torch.zeros(count, dtype=torch.bool, device=head.device)
    linked[head[apart]] = True
    linked[tail[apart]] = True
    return linked
