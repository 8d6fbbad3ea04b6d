"""Alignment without known pairs: what identifies entities, and what follows from it."""

from pyg_ibmea.anchors.anchors import Anchors, find_anchors
from pyg_ibmea.anchors.fixed_point import FixedPoint, fixed_point
from pyg_ibmea.anchors.seedless import (
    Seedless,
    align_without_seeds,
    match_without_seeds,
)

__all__ = [
    "Anchors",
    "FixedPoint",
    "Seedless",
    "align_without_seeds",
    "find_anchors",
    "fixed_point",
    "match_without_seeds",
]
