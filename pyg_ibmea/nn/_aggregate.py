"""Sums over neighbours with learned edge weights, in memory proportional to edges."""

from __future__ import annotations

import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from pyg_ibmea.nn._structure import Structure

with warnings.catch_warnings():
    # PyTorch announces once per process that its CSR layout is in beta, which would
    # otherwise come in the middle of a user's first training step.
    warnings.simplefilter("ignore")
    torch.eye(1).to_sparse_csr()


def weighted_aggregate(x: Tensor, weight: Tensor, structure: Structure) -> Tensor:
    r"""Computes :math:`y_{k,i} = \sum_{j \to i} \alpha_{k,ji} x_j` for several weights
    per edge.

    The forward pass is a sparse-dense product per weight; the backward pass is a
    product with the transpose (for ``x``) and a sampled dense-dense product (for
    ``weight``), so that nothing of size edges times channels is ever stored.

    Args:
        x (torch.Tensor): Features of the sending nodes, :math:`(N_s, C)`.
        weight (torch.Tensor): :math:`(K, E)`, edges in the receiver order of
            ``structure``.
        structure (Structure): The graph.

    Returns:
        torch.Tensor: :math:`(K, N_t, C)`.
    """
    # Sparse products on CPU have no half-precision kernels (PyTorch 2.13).
    dtype = x.dtype if x.dtype in (torch.float32, torch.float64) else torch.float32
    with torch.autocast(device_type=x.device.type, enabled=False):
        out: Tensor = _WeightedAggregate.apply(x.to(dtype), weight.to(dtype), structure)
    return out.to(x.dtype)


class _WeightedAggregate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, structure: Structure) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.structure = structure
        size = (structure.ptr.numel() - 1, x.size(0))
        out = x.new_empty(weight.size(0), size[0], x.size(1))
        for k, values in enumerate(weight):
            out[k] = _csr(structure.ptr, structure.source, values, size) @ x
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        structure: Structure = ctx.structure
        size = (grad.size(1), x.size(0))
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.zeros_like(x)
            for values, grad_k in zip(weight, grad, strict=True):
                values = values[structure.t_perm]
                transposed = _csr(
                    structure.t_ptr, structure.t_target, values, size[::-1]
                )
                grad_x += transposed @ grad_k
        if ctx.needs_input_grad[1]:
            # The result cannot hold more parallel edges than its matrix has entries.
            num_columns = max(size[1], -(-weight.size(1) // max(1, size[0])))
            columns = F.pad(x, (0, 0, 0, num_columns - size[1])).t()
            pattern = _csr(
                structure.ptr,
                structure.source,
                torch.zeros_like(weight[0]),
                (size[0], num_columns),
            )
            grad_weight = torch.stack(
                [
                    torch.sparse.sampled_addmm(
                        pattern, grad_k.contiguous(), columns, beta=0.0
                    ).values()
                    for grad_k in grad
                ]
            )
        return grad_x, grad_weight, None


def _csr(ptr: Tensor, index: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    # Parallel edges are legal here and simply add up; PyTorch's invariant check would
    # refuse them.
    return torch.sparse_csr_tensor(ptr, index, values, size, check_invariants=False)
