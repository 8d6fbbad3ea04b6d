"""Multi-modal knowledge graph alignment with variational information bottlenecks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# Large tensors of the CPU in huge pages, as NumPy has its arrays on Linux: where the
# first touch of a page is dear, as on many virtual machines, training and search are
# several times as fast. PyTorch reads it when it makes its first large tensor.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

if TYPE_CHECKING:
    from pyg_ibmea.align import Alignment
    from pyg_ibmea.aligner import Aligner
    from pyg_ibmea.frames import align_frames

__version__ = "0.1.0"

__all__ = ["Aligner", "Alignment", "align_frames"]


def __getattr__(name: str) -> Any:
    # On demand: one layer alone needs none of the three.
    if name == "Aligner":
        from pyg_ibmea.aligner import Aligner

        return Aligner
    if name == "Alignment":
        from pyg_ibmea.align import Alignment

        return Alignment
    if name == "align_frames":
        from pyg_ibmea.frames import align_frames

        return align_frames
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
