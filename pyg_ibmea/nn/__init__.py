"""Layers, encoders, losses and the IBMEA model."""

from pyg_ibmea.nn.conv import (
    DiagonalGATConv,
    VariationalIBConv,
    collect_kl,
    set_backend,
    use_backend,
)
from pyg_ibmea.nn.encoder import (
    EntityEmbedding,
    GraphEncoder,
    GraphVIBEncoder,
    ModalityEncoder,
    ModalVIBEncoder,
    RelationalGraph,
    RelationalVIBEncoder,
    VariationalGNN,
)
from pyg_ibmea.nn.loss import HybridContrastiveLoss
from pyg_ibmea.nn.model import (
    IBMEA,
    IBMEAOutput,
    ModalFusion,
    ModelGraph,
    ModelOptions,
)
from pyg_ibmea.nn.posterior import GaussianPosterior

__all__ = [
    "IBMEA",
    "DiagonalGATConv",
    "EntityEmbedding",
    "GaussianPosterior",
    "GraphEncoder",
    "GraphVIBEncoder",
    "HybridContrastiveLoss",
    "IBMEAOutput",
    "ModalFusion",
    "ModalVIBEncoder",
    "ModalityEncoder",
    "ModelGraph",
    "ModelOptions",
    "RelationalGraph",
    "RelationalVIBEncoder",
    "VariationalGNN",
    "VariationalIBConv",
    "collect_kl",
    "set_backend",
    "use_backend",
]
