"""PyG datasets of alignment problems: benchmarks, your own files, synthetic pairs;
and transforms that damage a problem in a known way.
"""

from pyg_ibmea.datasets.dbp15k import DBP15K
from pyg_ibmea.datasets.mmkb import MMKB
from pyg_ibmea.datasets.mmkg_pair import MMKGPair
from pyg_ibmea.datasets.perturbations import (
    DensestPairs,
    HideModality,
    RewireEdges,
    SwapFeatures,
    WrongSeeds,
)
from pyg_ibmea.datasets.srprs import SRPRS
from pyg_ibmea.datasets.synthetic import SyntheticMMKG

__all__ = [
    "DBP15K",
    "MMKB",
    "SRPRS",
    "DensestPairs",
    "HideModality",
    "MMKGPair",
    "RewireEdges",
    "SwapFeatures",
    "SyntheticMMKG",
    "WrongSeeds",
]
