"""The features of an entity's neighbours, by modality."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.large import LARGE
from pyg_ibmea.nn._sparse import feature_rows, row_lengths
from pyg_ibmea.problem import entity_counts, triples_of

PREFIX = "neighbor_"


class Nearby(Protocol):
    """The features of the neighbours of a graph's entities, in one modality.

    Attributes:
        mask (torch.Tensor): The entities with a neighbour that has it, bool ``[N]``.
    """

    @property
    def mask(self) -> Tensor: ...

    def rows(self, index: Tensor) -> Tensor:
        """Those of some entities, long ``[n]``, as ``[n, C]``."""


NeighborFeatures = dict[str, dict[str, Nearby]]
"""By modality and graph."""


class ComputedNearby(NamedTuple):
    """Features of neighbours that were computed once.

    Attributes:
        features (torch.Tensor): ``[N, C]``.
        mask (torch.Tensor): Bool ``[N]``.
    """

    features: Tensor
    mask: Tensor

    def rows(self, index: Tensor) -> Tensor:
        """See :class:`Nearby`."""
        return feature_rows(self.features, index)


@dataclass(frozen=True)
class NearbyWhenAsked:
    """Features of neighbours that are computed when they are asked for: those of all
    entities would take as many times the memory of the features as an entity has
    neighbours.

    Args:
        near (torch.Tensor): Sparse ``[N, N]``; the product with it is the mean over the
            neighbours.
        x (torch.Tensor): Features ``[N, C]``.
        present (torch.Tensor): The entities that have features, bool ``[N]``.
        mask (torch.Tensor): Those with a neighbour that has them, bool ``[N]``.
        is_count (bool): Whether features are counts.
        dtype (torch.dtype): What to compute in.
    """

    near: Tensor
    x: Tensor
    present: Tensor
    mask: Tensor
    is_count: bool
    dtype: torch.dtype

    @torch.no_grad()
    def rows(self, index: Tensor) -> Tensor:
        """See :class:`Nearby`."""
        near = feature_rows(self.near, index).coalesce()
        row, column = near.indices()
        used, column = column.unique(return_inverse=True)
        near = torch.sparse_coo_tensor(
            torch.stack([row, column]),
            near.values(),
            (index.numel(), used.numel()),
            is_coalesced=True,
            check_invariants=False,
        )
        x = feature_rows(self.x, used)
        how = (self.is_count, self.dtype)
        return _mean_features(near, x, self.present[used], *how)


@torch.no_grad()
def neighbor_features(
    data: HeteroData,
    modalities: Collection[str],
    counts: Collection[str] = (),
    dtype: torch.dtype = torch.float32,
) -> NeighborFeatures:
    r"""The mean over an entity's neighbours of their features at unit length.

    A neighbour counts once, whatever the number and the direction of the triples that
    join the two; an entity is not its own neighbour. Where no neighbour has the
    modality, the row is zero and the mask is :obj:`False`.

    Args:
        data (HeteroData): The problem.
        modalities (collection of str): The modalities.
        counts (collection of str, optional): The modalities whose features are counts,
            which enter as :math:`\log(1 + n)`. (default: :obj:`()`)
        dtype (torch.dtype, optional): What to compute in, whatever the features are
            stored in. (default: :obj:`torch.float32`)

    Returns:
        dict: By modality, its name with ``neighbor_`` before it, and by graph:
        features, sparse or dense as in the data, and their mask; of a large problem,
        computed when they are asked for.
    """
    if not modalities:
        return {}
    found: NeighborFeatures = {PREFIX + modality: {} for modality in modalities}
    when_asked = sum(entity_counts(data).values()) > LARGE
    for kg in data.node_types:
        near = _mean_of_neighbors(triples_of(data, kg).edge_index, data[kg].num_nodes)
        for modality in modalities:
            x, mask = data[kg][f"x_{modality}"], data[kg][f"mask_{modality}"]
            how = (modality in counts, dtype)
            present = torch.mv(near.to(dtype), mask.to(dtype)) > 0
            nearby: Nearby
            if when_asked:
                nearby = NearbyWhenAsked(near, x, mask, present, *how)
            else:
                nearby = ComputedNearby(_mean_features(near, x, mask, *how), present)
            found[PREFIX + modality][kg] = nearby
    return found


def _mean_features(
    near: Tensor, x: Tensor, mask: Tensor, is_count: bool, dtype: torch.dtype
) -> Tensor:
    """The mean over the neighbours of features at unit length."""
    x = x if x.layout == torch.strided else x.to_sparse_coo()
    x = x.to(dtype)
    x = x.log1p() if is_count else x
    weight = mask.to(x.dtype) / row_lengths(x)
    features: Tensor = torch.sparse.mm(near.to(x.dtype), x * weight[:, None])
    return features


def _mean_of_neighbors(edge_index: Tensor, num_nodes: int) -> Tensor:
    """The sparse ``[N, N]`` matrix whose product is the mean over the neighbours."""
    head, tail = edge_index.as_subclass(Tensor)
    head, tail = head[head != tail], tail[head != tail]
    key = torch.cat([head * num_nodes + tail, tail * num_nodes + head]).unique()
    row, column = key // num_nodes, key % num_nodes
    degree = torch.bincount(row, minlength=num_nodes)
    near = torch.stack([row, column])
    return torch.sparse_coo_tensor(
        near,
        1.0 / degree[row],
        (num_nodes, num_nodes),
        is_coalesced=True,
        check_invariants=False,
    )
