"""Multi-modal knowledge graph alignment with variational information bottlenecks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyg_ibmea.align import Alignment
    from pyg_ibmea.aligner import Aligner

__version__ = "0.1.0"

__all__ = ["Aligner", "Alignment"]


def __getattr__(name: str) -> Any:
    # On demand: one layer alone needs neither of the two.
    if name == "Aligner":
        from pyg_ibmea.aligner import Aligner

        return Aligner
    if name == "Alignment":
        from pyg_ibmea.align import Alignment

        return Alignment
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
