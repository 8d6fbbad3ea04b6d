"""Unit rows, a chunk at a time, of sides too large for a copy in single precision."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from pyg_ibmea.align._blocks import check_sides, exact_products, unit_of

_CHUNK_BYTES = 2**23


class UnitRows:
    """Rows of unit length in at least single precision, made where they are asked for.

    Args:
        z (torch.Tensor): Finite rows ``[N, C]``, of any scale and floating-point type,
            in memory or mapped from a file.
        dtype (torch.dtype): The type of the unit rows.
    """

    def __init__(self, z: Tensor, dtype: torch.dtype) -> None:
        self.z, self.dtype = z, dtype

    @classmethod
    def of_sides(cls, z_source: Tensor, z_target: Tensor) -> tuple[UnitRows, UnitRows]:
        """Checks both sides.

        Raises:
            ValueError: As for :func:`unit_sides`.
        """
        dtype = check_sides(z_source, z_target)
        return cls(z_source, dtype), cls(z_target, dtype)

    def __len__(self) -> int:
        return self.z.size(0)

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Unit rows ``[n, C]``."""
        chosen = self.z[rows] if isinstance(rows, slice) else self._of(rows)
        return unit_of(chosen.to(self.dtype))

    def _of(self, rows: Tensor) -> Tensor:
        chosen: Tensor = self.z.index_select(0, rows)
        return chosen

    def chunks(self, most: int | None = None) -> Iterator[tuple[slice, Tensor]]:
        """Yields all unit rows, ``most`` of them at a time."""
        most = most or max(1, _CHUNK_BYTES // (4 * self.z.size(1)))
        for start in range(0, len(self), most):
            rows = slice(start, min(start + most, len(self)))
            yield rows, self[rows]


def chunked_blocks(
    source: UnitRows, target: UnitRows, block_size: int | None = None
) -> Iterator[tuple[slice, Tensor]]:
    """The same as :func:`cosine_blocks`, from rows of any scale; each block makes all
    target rows once more.
    """
    if block_size is None:
        block_size = max(1, 8 * _CHUNK_BYTES // (4 * len(target)))
    elif block_size < 1:
        raise ValueError(f"block_size must be at least 1, got {block_size}")
    for rows, unit in source.chunks(block_size):
        cosine = unit.new_empty(unit.size(0), len(target))
        for columns, other in target.chunks():
            with exact_products(unit.device):
                cosine[:, columns] = unit @ other.t()
        yield rows, cosine


def chunked_cosines(source: UnitRows, target: UnitRows, pairs: Tensor) -> Tensor:
    """The cosines of pairs ``[2, L]``, ``[L]``."""
    cosine = torch.empty(pairs.size(1), dtype=source.dtype, device=pairs.device)
    step = max(1, _CHUNK_BYTES // (4 * source.z.size(1)))
    for start in range(0, pairs.size(1), step):
        i, j = pairs[:, start : start + step]
        cosine[start : start + step] = (source[i] * target[j]).sum(dim=1)
    return cosine
