"""What search backends have in common."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_ibmea.align._unit_chunks import UnitRows
from pyg_ibmea.large import ranges

QUERIES = 2**16
"""Rows that are handled at a time."""


def check_k(k: int, target: Tensor) -> None:
    """Raises ValueError unless so many target rows can be found."""
    if not 1 <= k <= len(target):
        raise ValueError(
            f"k must lie between 1 and the {len(target)} rows of z_target, got {k}"
        )


def nonzero_rows(side: UnitRows) -> Tensor:
    """The rows that are not zero, all if none is."""
    there = torch.cat([side.z[rows].any(dim=1) for rows in ranges(len(side), QUERIES)])
    found = there.nonzero().view(-1)
    every = torch.arange(len(side), device=found.device)
    return found if found.numel() else every


def best_first(value: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and target rows ``[N, k]``, the best first; as everywhere, the lower of
    two rows that tie comes first.
    """
    column, order = column.sort(dim=1)
    value, again = value.gather(1, order).sort(dim=1, descending=True, stable=True)
    return value, column.gather(1, again)
