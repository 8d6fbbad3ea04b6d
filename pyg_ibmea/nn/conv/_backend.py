"""Which implementation of the sparse kernels runs."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

BACKENDS = ("auto", "torch", "numba", "triton")

_chosen = "auto"


def set_backend(name: str) -> None:
    """Chooses the implementation of graph attention for this process.

    Args:
        name (str): ``'torch'``: PyTorch's sparse products, on any device; ``'numba'``:
            kernels compiled by `numba <https://numba.pydata.org>`_ on the CPU, PyTorch
            elsewhere; ``'triton'``: kernels compiled by `Triton
            <https://triton-lang.org>`_ on CUDA devices of compute capability 8.0 or
            later, PyTorch elsewhere; ``'auto'``: Triton and numba, each on its device,
            where they are installed. The environment variable ``PYG_IBMEA_BACKEND``
            sets it at import.

    Raises:
        ValueError: If there is no such backend.
        ImportError: If numba or Triton is asked for but not installed.

    Example:
        >>> set_backend('auto')
    """
    global _chosen
    if name not in BACKENDS:
        raise ValueError(f"backend must be one of {BACKENDS}, got {name!r}")
    if name in ("numba", "triton") and not _has(name):
        raise ImportError(f"the backend {name!r} needs {name}: pip install {name}")
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
    return _chosen in ("auto", "numba") and x.device.type == "cpu" and _has("numba")


def runs_triton(x: torch.Tensor) -> bool:
    """Whether the Triton kernels are to work on this tensor."""
    if _chosen not in ("auto", "triton") or not _has("triton"):
        return False
    if x.device.type == "cuda":
        return torch.cuda.get_device_capability(x.device) >= (8, 0)
    # Triton's interpreter runs kernels on the CPU, very slowly, for tests.
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    return _chosen == "triton" and interpreted and x.device.type == "cpu"


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


set_backend(os.environ.get("PYG_IBMEA_BACKEND", "auto"))
