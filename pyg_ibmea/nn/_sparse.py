"""Products with sparse matrices whose values change at each call, and rows."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

# As in torch.nn.functional.normalize.
_NO_LENGTH = 1e-12

with warnings.catch_warnings():
    # PyTorch announces once per process that its CSR layout is in beta, which would
    # otherwise appear in the middle of a user's first training step.
    warnings.simplefilter("ignore")
    torch.eye(1).to_sparse_csr()


def csr(ptr: Tensor, index: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    """A sparse matrix in which entries may repeat; they add up in products.

    Args:
        ptr (torch.Tensor): Long ``[size[0] + 1]``.
        index (torch.Tensor): Long ``[E]``.
        values (torch.Tensor): ``[E]``.
        size (tuple): Rows and columns.
    """
    # PyTorch's invariant check would refuse parallel edges.
    return torch.sparse_csr_tensor(
        ptr, index, values.contiguous(), size, check_invariants=False
    )


def sampled_products(
    ptr: Tensor, index: Tensor, rows: Tensor, columns: Tensor
) -> Tensor:
    r"""The inner products :math:`\langle r_i, c_j \rangle` at the entries ``(i, j)``
    of a sparse pattern.

    Args:
        ptr (torch.Tensor): Long ``[R + 1]``.
        index (torch.Tensor): Long ``[E]``, below ``J``.
        rows (torch.Tensor): ``[R, C]``.
        columns (torch.Tensor): ``[J, C]``.

    Returns:
        torch.Tensor: ``[E]``.
    """
    # The result cannot hold more parallel edges than its matrix has entries.
    num_rows, num_columns = rows.size(0), columns.size(0)
    wanted = max(num_columns, -(-index.numel() // max(1, num_rows)))
    columns = F.pad(columns, (0, 0, 0, wanted - num_columns))
    pattern = csr(ptr, index, rows.new_zeros(index.numel()), (num_rows, wanted))
    product = torch.sparse.sampled_addmm(
        pattern, rows.contiguous(), columns.t(), beta=0.0
    )
    values: Tensor = product.values()
    return values


def rows_of(x: Tensor, index: Tensor | None) -> Tensor:
    """Rows of a matrix; one may be taken many times.

    The gradient is summed up in a fixed order: that of ``x[index]`` depends, on several
    threads of a CPU, on which comes first.

    Args:
        x (torch.Tensor): ``[N, ...]``.
        index (torch.Tensor, optional): Long ``[n]``. (default: all rows)
    """
    return x if index is None else x.index_select(0, index)


def feature_rows(x: Tensor, index: Tensor) -> Tensor:
    """Rows of a dense or sparse matrix of features.

    Those of ``sparse_coo`` features are coalesced: where their entries stand is known,
    and no later operation has to sort them.

    Args:
        x (torch.Tensor): ``[N, F]``.
        index (torch.Tensor): Long ``[n]``.
    """
    if x.layout != torch.sparse_coo or x.is_cuda or x.requires_grad:
        return x.index_select(0, index)
    x = x.coalesce()
    row, column = x.indices()
    begin = torch.searchsorted(row, torch.arange(x.size(0) + 1, device=row.device))
    length = begin.diff()[index]
    new_row = torch.arange(index.numel(), device=row.device).repeat_interleave(length)
    before = length.cumsum(0) - length
    place = torch.arange(len(new_row), device=row.device)
    place += (begin[index] - before)[new_row]
    return torch.sparse_coo_tensor(
        torch.stack([new_row, column[place]]),
        x.values()[place],
        (index.numel(), x.size(1)),
        is_coalesced=True,
        check_invariants=False,
    )


def joined_feature_rows(matrices: Sequence[Tensor], index: Sequence[Tensor]) -> Tensor:
    """:func:`feature_rows` of several matrices, one below the other.

    Args:
        matrices (list of torch.Tensor): ``[N_i, F]`` each.
        index (list of torch.Tensor): Long ``[n_i]`` each.
    """
    pairs = list(zip(matrices, index, strict=True))
    first, width = matrices[0], matrices[0].size(1)
    plain = all(
        x.layout == torch.strided
        and (x.dtype, x.size(1)) == (first.dtype, width)
        and not x.requires_grad
        for x in matrices
    )
    if len(pairs) == 1 or not plain:
        return stacked([feature_rows(x, rows) for x, rows in pairs])
    sizes = [rows.numel() for rows in index]
    found = first.new_empty(sum(sizes), width)
    for (x, rows), part in zip(pairs, found.split(sizes), strict=True):
        torch.index_select(x, 0, rows, out=part)
    return found


def stacked(parts: Sequence[Tensor]) -> Tensor:
    """Matrices of features one below the other; coalesced if all are."""
    if len(parts) == 1:
        return parts[0]
    found = torch.cat(list(parts))
    sorted_entries = all(
        part.layout == torch.sparse_coo and part.is_coalesced() for part in parts
    )
    # Entries stay in order: PyTorch does not note it.
    return found._coalesced_(True) if sorted_entries else found


def row_lengths(x: Tensor) -> Tensor:
    """The Euclidean length of each row of a dense or ``sparse_coo`` matrix, to divide
    by: infinite for a row of zeros, which has no direction, so that the quotient and
    all gradients through it are zero.
    """
    return or_infinite(row_norms(x))


def row_norms(x: Tensor) -> Tensor:
    """The same; zero for a row of zeros of a dense matrix, infinite for one of a sparse
    matrix, as the slope of the root at zero is infinite.
    """
    if x.layout == torch.strided:
        norms: Tensor = torch.linalg.vector_norm(x, dim=1)
        return norms
    return or_infinite(torch.sparse.sum(x.square(), dim=1).to_dense()).sqrt()


def unit_rows(x: Tensor) -> Tensor:
    """The rows of dense matrices ``[..., N, C]`` at unit length.

    A row no longer than 1e-12 becomes zero and passes no gradient:
    :func:`torch.nn.functional.normalize` would pass it on a trillionfold.
    """
    if x.is_cuda:
        return UnitRows.apply(x)  # type: ignore[no-any-return]
    # Where a launch costs nothing, the gradient is summed up in autograd's order.
    return x / _divisors(x)


class UnitRows(torch.autograd.Function):
    """:func:`unit_rows` with a gradient of four operators instead of thirteen."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        length = _divisors(x)
        unit = x / length
        ctx.save_for_backward(unit, length)
        return unit

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        unit, length = ctx.saved_tensors
        across = grad / length
        along = (across * unit).sum(dim=-1, keepdim=True)
        return torch.addcmul(across, along, unit, value=-1)


def _divisors(x: Tensor) -> Tensor:
    return or_infinite(x.norm(dim=-1, keepdim=True), _NO_LENGTH)


def or_infinite(values: Tensor, least: float = 0.0) -> Tensor:
    """The values above ``least``, infinity in place of the others."""
    return F.threshold(values, least, torch.inf)
