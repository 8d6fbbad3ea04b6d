"""Training and evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch.nn import Module


@contextmanager
def evaluation_mode(model: Module) -> Iterator[None]:
    """Turns noise and dropout off, and restores the mode of the model afterwards."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
