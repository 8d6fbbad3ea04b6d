"""Rows of all processes in distributed training."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable


def gather_rows(z: Tensor) -> Tensor:
    """The rows of all processes, stacked in the order of their ranks.

    Gradients flow back to the process that a row came from, summed over all processes:
    where each forms the same loss of all rows and ``DistributedDataParallel`` averages
    the gradients of the weights, they are those of one process with all rows.

    Args:
        z (torch.Tensor): ``[B, C]``; ``B`` may differ between processes.

    Returns:
        torch.Tensor: ``[sum of B, C]``; ``z`` itself outside a process group.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return z
    return _GatherRows.apply(z)  # type: ignore[no-any-return]


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        size = torch.tensor([z.size(0)], device=z.device)
        sizes = [torch.empty_like(size) for _ in range(dist.get_world_size())]
        dist.all_gather(sizes, size)
        counts = [int(count) for count in sizes]
        # Processes exchange blocks of one shape only.
        padded = z.new_zeros(max(counts), z.size(1))
        padded[: z.size(0)] = z
        blocks = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(blocks, padded)
        start = sum(counts[: dist.get_rank()])
        ctx.rows = slice(start, start + z.size(0))
        return torch.cat([b[:n] for b, n in zip(blocks, counts, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        grad = grad.contiguous().clone()
        dist.all_reduce(grad)
        return grad[ctx.rows]
