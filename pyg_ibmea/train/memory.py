"""The memory a run needed."""

from __future__ import annotations

import sys


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
