"""InfoNCE of several modalities at once, for devices where a launch costs more than its
work.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from pyg_ibmea.nn._sparse import unit_rows
from pyg_ibmea.nn._stacks import stacks
from pyg_ibmea.nn.loss._contrastive import GPU_BLOCK_ELEMENTS, has_bounded_sums


def info_nce_stacks(sides: Mapping[str, Tensor], temperature: float) -> list[list[str]]:
    """Which modalities :func:`stacked_info_nce` is to take together, of those that are
    computed as one stack: at a temperature whose sums need no maximum, as many as have
    all their similarities in memory at a time.

    Args:
        sides (dict): Latents ``[B, C]`` of one side by modality.
        temperature (float): Temperature of the loss.
    """
    found = []
    for group in stacks(sides):
        latents = sides[group[0]]
        wide = torch.promote_types(latents.dtype, torch.float32)
        most = GPU_BLOCK_ELEMENTS // max(1, latents.size(0) ** 2)
        if latents.size(0) and has_bounded_sums(temperature, wide):
            found.append(group[:most])
    return [group for group in found if len(group) > 1]


def stacked_info_nce(sides: Tensor, present: Tensor, temperature: float) -> Tensor:
    r"""The symmetric InfoNCE of each of ``M`` modalities, over the pairs that have it.

    Args:
        sides (torch.Tensor): ``[2, M, B, C]``, not yet of unit length; row i of both
            sides is the same entity.
        present (torch.Tensor): Bool ``[M, B]``, which pairs have the modality.
        temperature (float): The temperature.

    Returns:
        torch.Tensor: ``[M]``, at least float32; zero for a modality that no pair has.
    """
    dtype = torch.promote_types(sides.dtype, torch.float32)
    with torch.autocast(sides.device.type, enabled=False):
        a, b = unit_rows(sides.to(dtype)).unbind()
        top = 1 / temperature
        positive = (a * b).sum(dim=2) / temperature
        score = (torch.bmm(a, b.mT) - 1) * top
        each = present.to(dtype)
        entries = score.exp() * (each[:, :, None] * each[:, None, :])
        # Where nothing is summed up, the logarithm is to be 0.
        absent = 1 - each
        logs = (entries.sum(dim=2) + absent).log() + (entries.sum(dim=1) + absent).log()
        terms = torch.add(logs, top - positive, alpha=2) * each
        loss: Tensor = terms.sum(dim=1) / (2 * each.sum(dim=1)).clamp(min=2.0)
        return loss
