"""Which seed pairs a training step sees."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def num_batches(num_pairs: int, batch_size: int, withhold: float = 0.0) -> int:
    """How many batches :func:`seed_batches` makes, whose arguments these are; none of
    no pairs.

    Example:
        >>> num_batches(10, batch_size=8), num_batches(10, 8, withhold=0.3)
        (2, 4)
    """
    found = math.ceil(num_pairs / batch_size)
    if withhold > 0:
        found = max(found, math.ceil(1 / withhold - 1e-9))
    return min(found, num_pairs)


def seed_batches(
    num_pairs: int, batch_size: int, withhold: float = 0.0
) -> tuple[Tensor, ...]:
    """Splits the seed pairs at random into batches of nearly equal size.

    Args:
        num_pairs (int): Number of seed pairs, at least 1.
        batch_size (int): Pairs in a batch, at most.
        withhold (float, optional): Share of the pairs in a batch, at most (rounded up
            to whole batches of at least one pair): the other pairs tell the step where
            the batch's entities lie. 0 sets no limit. (default: :obj:`0.0`)

    Returns:
        tuple: Indices of the pairs, one tensor per batch; each pair is in one batch.

    Example:
        >>> [batch.numel() for batch in seed_batches(10, batch_size=8, withhold=0.3)]
        [3, 3, 2, 2]
    """
    number = num_batches(num_pairs, batch_size, withhold)
    return torch.randperm(num_pairs).tensor_split(number)
