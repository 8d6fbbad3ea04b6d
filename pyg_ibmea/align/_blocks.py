"""Checked unit rows and their cosines, one block of source rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from pyg_ibmea.align._bonus import Bonus

_BLOCK_BYTES = 64 * 2**20  # 64 MiB: large enough for full-speed matrix products.
# Unit rows with several thousand channels were within 5 roundings of length 1.
_UNIT_ROUNDINGS = 8.0


def unit_sides(z_source: Tensor, z_target: Tensor) -> tuple[Tensor, Tensor]:
    r"""Checks the embeddings of both sides and scales their rows to unit length.

    A zero row stays zero, so that its cosine to everything is 0. Half precision is
    raised to float32; if one side is float64, both are. A side whose rows already have
    unit length is not copied, so do not modify the result in place.

    Args:
        z_source (torch.Tensor): Source embeddings ``[N, C]``.
        z_target (torch.Tensor): Target embeddings ``[M, C]``.

    Returns:
        tuple: Unit rows ``[N, C]`` and ``[M, C]`` of the same floating-point type.

    Raises:
        ValueError: If a side is not a floating-point matrix ``[rows, channels]``, has
            no rows or no channels, holds NaN or infinity, or the sides differ in
            channels or device.
    """
    dtype, largest = _checked_sides(z_source, z_target)
    return (
        _unit_rows(z_source.to(dtype), largest[0].to(dtype)),
        _unit_rows(z_target.to(dtype), largest[1].to(dtype)),
    )


def check_sides(z_source: Tensor, z_target: Tensor) -> torch.dtype:
    """Checks the embeddings of both sides and returns the type of their unit rows.

    Raises:
        ValueError: As for :func:`unit_sides`.
    """
    return _checked_sides(z_source, z_target)[0]


def unit_of(z: Tensor) -> Tensor:
    """Unit rows ``[N, C]`` of finite rows, in single precision or better."""
    least, most = torch.aminmax(z, dim=1)
    return _unit_rows(z, torch.maximum(-least, most))


def unit_rows(name: str, z: Tensor) -> Tensor:
    """Checks a single side, raises it to at least float32 and scales it to unit length.

    Args:
        name (str): The name used in error messages.
        z (torch.Tensor): Embeddings ``[N, C]``; a zero row stays zero.

    Raises:
        ValueError: As for :func:`unit_sides`.
    """
    largest, dtype = _checked(name, z), torch.promote_types(z.dtype, torch.float32)
    return _unit_rows(z.to(dtype), largest.to(dtype))


def cosine_blocks(
    source: Tensor,
    target: Tensor,
    block_size: int | None = None,
    bonus: Bonus | None = None,
) -> Iterator[tuple[slice, Tensor]]:
    r"""Yields the cosines of all pairs, a block of source rows at a time.

    Block sizes differ by at most one row: a short last block would use another matrix
    kernel, which sums in another order and so makes equal scores differ.

    Args:
        source (torch.Tensor): Unit rows ``[N, C]``.
        target (torch.Tensor): Unit rows ``[M, C]``.
        block_size (int, optional): Maximum number ``B`` of source rows in a block;
            :obj:`None` keeps a block near 64 MiB. (default: :obj:`None`)
        bonus (Bonus, optional): Added to the cosines of some pairs.
            (default: :obj:`None`)

    Yields:
        tuple: The source rows as a slice, and their cosines ``[B, M]``. The caller may
        overwrite them; the next block does.

    Raises:
        ValueError: If ``block_size`` is not positive.
    """
    if block_size is None:
        row_bytes = target.size(0) * target.element_size()
        block_size = max(1, _BLOCK_BYTES // row_bytes)
    elif block_size < 1:
        raise ValueError(f"block_size must be at least 1, got {block_size}")
    num_rows = source.size(0)
    num_blocks = -(-num_rows // block_size)
    # One buffer for all blocks: the system clears new memory page by page, which
    # takes half as long as the product.
    most = -(-num_rows // num_blocks)
    buffer = source.new_empty(most, target.size(0))
    for block in range(num_blocks):
        start = block * num_rows // num_blocks
        stop = (block + 1) * num_rows // num_blocks
        with exact_products(source.device):
            cosine = buffer[: stop - start]
            torch.mm(source[start:stop], target.t(), out=cosine)
        if bonus is not None:
            bonus.add_(cosine, slice(start, stop))
        yield slice(start, stop), cosine


@contextmanager
def exact_products(device: torch.device) -> Iterator[None]:
    """Multiplies matrices in the precision of their numbers: half precision under
    autocast and TensorFloat-32, with 11 bits each, would create ties.

    Args:
        device (torch.device): Where the matrices are.
    """
    with torch.autocast(device.type, enabled=False):
        try:
            before = torch.get_float32_matmul_precision()
        except RuntimeError:  # It was set for CUDA alone, in PyTorch's newer way.
            matmul = torch.backends.cuda.matmul
            alone = matmul.fp32_precision
            matmul.fp32_precision = "ieee"
            try:
                yield
            finally:
                matmul.fp32_precision = alone
            return
        if before == "highest":
            yield
            return
        torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)


def check_neighbors(name: str, k: int) -> None:
    """Raises ValueError unless a number of neighbours is at least 1."""
    if k < 1:
        raise ValueError(f"{name} must be at least 1, got {k}")


def pair_cosines(
    source: Tensor, target: Tensor, pairs: Tensor, bonus: Bonus | None = None
) -> Tensor:
    """The cosines of pairs ``[2, L]`` of unit rows, with their bonus, without two
    copies of all rows at once.
    """
    chunks = pairs.split(4096, dim=1)
    cosine = torch.cat([(source[i] * target[j]).sum(dim=1) for i, j in chunks])
    return cosine if bonus is None else cosine + bonus.of_pairs(pairs)


def _checked_sides(
    z_source: Tensor, z_target: Tensor
) -> tuple[torch.dtype, tuple[Tensor, Tensor]]:
    """Checks both sides; returns the type of unit rows, and the largest magnitude of
    every row.
    """
    largest = _checked("z_source", z_source), _checked("z_target", z_target)
    if z_source.size(1) != z_target.size(1):
        raise ValueError(
            f"z_source {list(z_source.shape)} and z_target {list(z_target.shape)} "
            "must have the same number of channels (columns)"
        )
    if z_source.device != z_target.device:
        raise ValueError(
            f"z_source is on {z_source.device} and z_target on {z_target.device}; "
            "move both to the same device"
        )
    dtype = torch.promote_types(z_source.dtype, z_target.dtype)
    return torch.promote_types(dtype, torch.float32), largest


def _checked(side: str, z: Tensor) -> Tensor:
    """Checks one side and returns the largest magnitude of every row, ``[N]``; raises
    ValueError if the side is invalid.
    """
    if z.dim() != 2:
        raise ValueError(
            f"{side} must be a matrix [rows, channels], got shape {list(z.shape)}"
        )
    if not z.is_floating_point():
        raise ValueError(f"{side} must be floating point, got {z.dtype}; convert it")
    if z.size(0) == 0 or z.size(1) == 0:
        raise ValueError(
            f"{side} is empty, got shape {list(z.shape)}; alignment needs at least "
            "one row and one channel on each side"
        )
    least, most = torch.aminmax(z, dim=1)  # No copy, and NaN is kept.
    largest = torch.maximum(-least, most)
    bad_rows = (~torch.isfinite(largest)).nonzero()
    if bad_rows.numel() > 0:
        raise ValueError(
            f"{side} holds NaN or infinity in {bad_rows.size(0)} of {z.size(0)} rows, "
            f"first in row {int(bad_rows[0])}; check whether the training diverged"
        )
    return largest


def _unit_rows(z: Tensor, largest: Tensor) -> Tensor:
    length = torch.linalg.vector_norm(z, dim=1)
    roundings = (length - 1).abs() / torch.finfo(z.dtype).eps
    if bool(((roundings <= _UNIT_ROUNDINGS) | (largest == 0)).all()):
        return z
    # Dividing by the largest entry first keeps squares of very large or very small
    # entries from overflowing or vanishing.
    z = z / torch.where(largest > 0, largest, 1.0)[:, None]
    length = torch.linalg.vector_norm(z, dim=1, keepdim=True)
    return z.div_(torch.where(length > 0, length, 1.0))
