"""The learning rate over the epochs."""

from __future__ import annotations

import math
from collections.abc import Callable


def warmup_cosine(warmup_epochs: int, cosine_epochs: int) -> Callable[[int], float]:
    """Factor of the learning rate: a linear rise, then half a cosine down to 0.

    Args:
        warmup_epochs (int): Length of the rise; 0 for none.
        cosine_epochs (int): Epoch at which the cosine, which begins with the rise,
            reaches 0; 0 for a constant rate after the rise.

    Returns:
        callable: From the number of epochs done to a factor in [0, 1], as
        :class:`torch.optim.lr_scheduler.LambdaLR` takes it.

    Example:
        >>> factor = warmup_cosine(2, 0)
        >>> factor(0), factor(1), factor(7)
        (0.5, 1.0, 1.0)
    """

    def factor(epoch: int) -> float:
        rise = min(1.0, (epoch + 1) / warmup_epochs) if warmup_epochs else 1.0
        if not cosine_epochs:
            return rise
        done = min(1.0, epoch / cosine_epochs)
        return rise * 0.5 * (1 + math.cos(math.pi * done))

    return factor
