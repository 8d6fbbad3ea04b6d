"""Tensors of several modalities as one, for devices where a launch costs more than its
work.

What is computed for each modality is written for a tensor ``[*, N, C]``: that of one
modality as it is, or a stack ``[M, N, C]``. Here alone is decided which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import Linear


def gains_from_stacks(x: Tensor) -> bool:
    """Whether modalities are better computed together next to such a tensor: in
    training on CUDA. Without gradients, all of them would be held in memory where one
    at a time does.
    """
    return x.is_cuda and torch.is_grad_enabled()


def stacks(tensors: Mapping[str, Tensor]) -> list[list[str]]:
    """The names of tensors in groups, each to be computed as one stack: where that
    gains anything, those of one shape and type together, otherwise each by itself.
    """
    groups: dict[object, list[str]] = {}
    for name, x in tensors.items():
        key = (x.shape, x.dtype) if gains_from_stacks(x) else name
        groups.setdefault(key, []).append(name)
    return list(groups.values())


def stack(parts: Sequence[Tensor]) -> Tensor:
    """Tensors of one shape as one, ``[M, ...]``; a single one as it is."""
    return parts[0] if len(parts) == 1 else torch.stack(list(parts))


def unstack(x: Tensor, number: int) -> list[Tensor]:
    """The tensors of a stack of so many, the reverse of :func:`stack`."""
    return [x] if number == 1 else list(x.unbind())


def cat_of_each(groups: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """The matrices of each group one below the other; those of a group of one as they
    are.

    Args:
        groups (list of list of torch.Tensor): Groups of as many matrices, of one width
            ``F_g`` in each.
    """
    several = len(groups) > 1 and len(groups[0]) > 1
    if not (several and gains_from_stacks(groups[0][0])):
        return [g[0] if len(g) == 1 else torch.cat(list(g)) for g in groups]
    flat = torch.cat([matrix.flatten() for group in groups for matrix in group])
    sizes = [sum(matrix.numel() for matrix in group) for group in groups]
    heights = [sum(matrix.size(0) for matrix in group) for group in groups]
    parts = zip(flat.split(sizes), heights, groups, strict=True)
    return [part.view(height, group[0].size(1)) for part, height, group in parts]


def linear_of_each(linears: Sequence[Linear], x: Tensor) -> Tensor:
    """The outputs of ``M`` linear layers of one shape.

    Args:
        linears (list of torch.nn.Linear): The layers.
        x (torch.Tensor): The stack of their inputs, ``[*, N, F]``.

    Returns:
        torch.Tensor: ``[*, N, C]``.
    """
    if len(linears) == 1:
        output: Tensor = linears[0](x)
        return output
    weight = torch.stack([linear.weight for linear in linears])
    bias = torch.stack([linear.bias for linear in linears])
    # In this order, the gradients of the weights come out as the weights lie.
    return torch.baddbmm(bias[..., None], weight, x.mT).mT
