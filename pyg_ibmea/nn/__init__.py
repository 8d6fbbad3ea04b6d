"""Layers, encoders, losses and the IBMEA model."""

from pyg_ibmea.nn.conv import (
    DiagonalGATConv,
    VariationalIBConv,
    set_backend,
    use_backend,
)
from pyg_ibmea.nn.encoder import (
    EntityEmbedding,
    GraphVIBEncoder,
    ModalVIBEncoder,
    RelationalGraph,
    RelationalVIBEncoder,
    relational_graph,
    union_graph,
)
from pyg_ibmea.nn.loss import HybridContrastiveLoss
from pyg_ibmea.nn.model import IBMEA, IBMEAOutput, ModalFusion
from pyg_ibmea.nn.posterior import GaussianPosterior

__all__ = [
    "IBMEA",
    "DiagonalGATConv",
    "EntityEmbedding",
    "GaussianPosterior",
    "GraphVIBEncoder",
    "HybridContrastiveLoss",
    "IBMEAOutput",
    "ModalFusion",
    "ModalVIBEncoder",
    "RelationalGraph",
    "RelationalVIBEncoder",
    "VariationalIBConv",
    "relational_graph",
    "set_backend",
    "union_graph",
    "use_backend",
]
