"""Layers, losses and the IBMEA model."""

from pyg_ibmea.nn._backend import set_backend, use_backend
from pyg_ibmea.nn.diagonal_gat_conv import DiagonalGATConv
from pyg_ibmea.nn.entity_embedding import EntityEmbedding
from pyg_ibmea.nn.fusion import ModalFusion
from pyg_ibmea.nn.graph_encoder import GraphVIBEncoder
from pyg_ibmea.nn.graphs import (
    RelationalGraph,
    relational_graph,
    union_graph,
)
from pyg_ibmea.nn.ibmea import IBMEA
from pyg_ibmea.nn.losses import HybridContrastiveLoss
from pyg_ibmea.nn.modal_encoder import ModalVIBEncoder
from pyg_ibmea.nn.output import IBMEAOutput
from pyg_ibmea.nn.posterior import GaussianPosterior
from pyg_ibmea.nn.relational_encoder import RelationalVIBEncoder
from pyg_ibmea.nn.variational_ib_conv import VariationalIBConv

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
