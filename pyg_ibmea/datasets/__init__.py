"""PyG datasets of alignment problems: benchmarks, your own files, synthetic pairs;
and transforms that damage a problem in a known way.
"""

from pyg_ibmea.datasets.dbp15k import DBP15K
from pyg_ibmea.datasets.graph_files import GraphFiles, read_problem
from pyg_ibmea.datasets.inspection import inspect_problem
from pyg_ibmea.datasets.knowledge_graphs import KnowledgeGraphs
from pyg_ibmea.datasets.mmkb import MMKB
from pyg_ibmea.datasets.mmkg_pair import MMKGPair
from pyg_ibmea.datasets.openea import OpenEA
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
    "GraphFiles",
    "HideModality",
    "KnowledgeGraphs",
    "MMKGPair",
    "OpenEA",
    "RewireEdges",
    "SwapFeatures",
    "SyntheticMMKG",
    "WrongSeeds",
    "inspect_problem",
    "read_problem",
]
