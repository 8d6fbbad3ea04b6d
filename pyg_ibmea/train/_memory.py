"""The memory a run needs, and how it is handed out."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

import torch


def peak_rss_mib() -> float:
    """The peak resident memory of this process in MiB; NaN where it is not known.

    Example:
        >>> peak_rss_mib() > 10
        True
    """
    try:
        import resource
    except ImportError:  # Windows has no such module.
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # getrusage(2): kibibytes on Linux, bytes on macOS.
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def peak_memory(device: str | torch.device = "cpu") -> dict[str, float]:
    """The peak memory of this process in MiB, as ``metrics.json`` holds it:
    ``peak_rss_mb`` and, for a GPU, ``peak_cuda_mb``, that of PyTorch's tensors there.

    Args:
        device (str or torch.device, optional): Where the models are.
            (default: :obj:`'cpu'`)

    Example:
        >>> list(peak_memory())
        ['peak_rss_mb']
    """
    peak = {"peak_rss_mb": peak_rss_mib()}
    if torch.device(device).type == "cuda":
        peak["peak_cuda_mb"] = torch.cuda.max_memory_allocated(device) / 2**20
    return peak


# Numbers of <malloc.h>, mallopt(3).
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """Tells the C library to keep large blocks that are freed for the next request.

    By default glibc hands every block of more than 32 MiB back to the system at once
    and requests it again, and the system then clears it page by page: with tensors of
    that size, a training step spends most of its time there. The price is that the
    process does not shrink again, until :func:`release_freed_memory`.

    Returns:
        bool: Whether it worked; it does not where the C library has no ``mallopt``.

    Example:
        >>> isinstance(keep_freed_memory(), bool)
        True
    """
    mallopt = _c_function("mallopt")
    if mallopt is None:
        return False
    options = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1))
    return all(mallopt(*option) == 1 for option in options)


def release_freed_memory() -> bool:
    """Hands free memory back to the system, between two phases of a training.

    The free blocks of one phase have the wrong sizes for the next, which would take
    fresh memory in addition. It is needed after :func:`keep_freed_memory` only; a call
    per phase costs little.

    Returns:
        bool: Whether there was anything to hand back; never where the C library has no
        ``malloc_trim``.

    Example:
        >>> isinstance(release_freed_memory(), bool)
        True
    """
    malloc_trim = _c_function("malloc_trim")
    return malloc_trim is not None and bool(malloc_trim(0))


def _c_function(name: str) -> Callable[..., int] | None:
    """A function of the C library, if it exists there."""
    try:
        function: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return None
    return function
