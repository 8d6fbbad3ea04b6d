"""Which implementation of the sparse kernels runs."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

BACKENDS = ("auto", "torch", "numba")

_chosen = "auto"


def set_backend(name: str) -> None:
    """Chooses the implementation of graph attention for this process.

    Args:
        name (str): ``'torch'``: PyTorch's sparse products, on any device; ``'numba'``:
            kernels compiled by `numba <https://numba.pydata.org>`_, for float32 and
            float64 on the CPU, PyTorch elsewhere; ``'auto'``: numba where it is
            installed. The environment variable ``PYG_IBMEA_BACKEND`` sets it at import.

    Raises:
        ValueError: If there is no such backend.
        ImportError: If numba is asked for but not installed.

    Example:
        >>> set_backend('auto')
    """
    global _chosen
    if name not in BACKENDS:
        raise ValueError(f"backend must be one of {BACKENDS}, got {name!r}")
    if name == "numba" and not _has_numba():
        raise ImportError("the backend 'numba' needs numba: pip install numba")
    _chosen = name


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """:func:`set_backend` for the length of a ``with`` block.

    Example:
        >>> with use_backend('torch'):
        ...     pass
    """
    before = _chosen
    set_backend(name)
    try:
        yield
    finally:
        set_backend(before)


def runs_numba(x: torch.Tensor) -> bool:
    """Whether the numba kernels are to work on this tensor."""
    return _chosen != "torch" and x.device.type == "cpu" and _has_numba()


def _has_numba() -> bool:
    return importlib.util.find_spec("numba") is not None


set_backend(os.environ.get("PYG_IBMEA_BACKEND", "auto"))
