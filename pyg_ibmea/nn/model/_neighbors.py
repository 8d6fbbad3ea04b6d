"""The features of an entity's neighbours, by modality."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.nn._sparse import row_lengths
from pyg_ibmea.problem import triples_of

PREFIX = "neighbor_"

NeighborFeatures = dict[str, dict[str, tuple[Tensor, Tensor]]]
"""By modality and graph: features ``[N, C]`` and mask ``[N]``."""


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
        dict: By modality, its name with ``neighbor_`` before it, and by graph: features
        ``[N, C]``, sparse or dense as in the data, and their mask bool ``[N]``.
    """
    if not modalities:
        return {}
    found: NeighborFeatures = {PREFIX + modality: {} for modality in modalities}
    for kg in data.node_types:
        near = _mean_of_neighbors(triples_of(data, kg).edge_index, data[kg].num_nodes)
        for modality in modalities:
            x, mask = data[kg][f"x_{modality}"], data[kg][f"mask_{modality}"]
            x = x if x.layout == torch.strided else x.to_sparse_coo()
            x = x.to(dtype)
            x = x.log1p() if modality in counts else x
            weight = mask.to(x.dtype) / row_lengths(x)
            nearby = near.to(x.dtype)
            features = torch.sparse.mm(nearby, x * weight[:, None])
            present = torch.mv(nearby, mask.to(x.dtype)) > 0
            found[PREFIX + modality][kg] = (features, present)
    return found


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
