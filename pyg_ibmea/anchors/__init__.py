"""Alignment without known pairs: what identifies entities, and what follows from it."""

from pyg_ibmea.anchors.anchors import Anchors, find_anchors
from pyg_ibmea.anchors.fixed_point import FixedPoint, fixed_point
from pyg_ibmea.anchors.seedless import (
    Seedless,
    align_without_seeds,
    match_without_seeds,
)
from pyg_ibmea.anchors.seeds import Seeds, seed_problem

__all__ = [
    "Anchors",
    "FixedPoint",
    "Seedless",
    "Seeds",
    "align_without_seeds",
    "find_anchors",
    "fixed_point",
    "match_without_seeds",
    "seed_problem",
]
