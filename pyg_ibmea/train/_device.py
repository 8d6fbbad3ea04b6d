"""A problem on the device where it is trained."""

from __future__ import annotations

import copy

import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.problem import modalities_of

# Of the memory of a GPU, for features of this problem that were sparse.
_SHARE_FOR_FEATURES = 1 / 8


def moved(data: HeteroData, device: torch.device) -> HeteroData:
    """A copy of a problem that is on a device.

    On a GPU, rows of a sparse matrix cannot be taken without waiting for the number of
    their entries, for each graph and modality of a step. Modalities become dense there,
    the smallest first, as long as they take no more than an eighth of its memory.

    Args:
        data (HeteroData): The problem; it stays where it is.
        device (torch.device): The device.

    Example:
        >>> from pyg_ibmea.datasets import SyntheticMMKG
        >>> data = SyntheticMMKG(num_entities=100)[0]
        >>> moved(data, torch.device("cpu"))["source"].x_relation.layout
        torch.sparse_coo
    """
    data = copy.copy(data).to(device)
    if device.type != "cuda":
        return data
    memory = torch.cuda.get_device_properties(device).total_memory
    room = _SHARE_FOR_FEATURES * memory
    by_size = []
    for key in (f"x_{modality}" for modality in modalities_of(data)):
        found = {kg: data[kg][key] for kg in data.node_types if key in data[kg]}
        if any(x.layout != torch.strided for x in found.values()):
            size = sum(x.numel() * x.element_size() for x in found.values())
            by_size.append((size, key, found))
    for size, key, found in sorted(by_size, key=lambda entry: entry[:2]):
        room -= size
        if room >= 0:
            for kg, x in found.items():
                data[kg][key] = x.to_dense()
    return data
