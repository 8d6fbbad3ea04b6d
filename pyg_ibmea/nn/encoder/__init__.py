"""Encoders: one latent per entity and modality."""

from pyg_ibmea.nn.encoder.entity_embedding import EntityEmbedding
from pyg_ibmea.nn.encoder.graph_encoder import GraphVIBEncoder
from pyg_ibmea.nn.encoder.graphs import RelationalGraph
from pyg_ibmea.nn.encoder.modal_encoder import ModalVIBEncoder
from pyg_ibmea.nn.encoder.protocols import GraphEncoder, ModalityEncoder
from pyg_ibmea.nn.encoder.relational_encoder import RelationalVIBEncoder
from pyg_ibmea.nn.encoder.variational_gnn import VariationalGNN

__all__ = [
    "EntityEmbedding",
    "GraphEncoder",
    "GraphVIBEncoder",
    "ModalVIBEncoder",
    "ModalityEncoder",
    "RelationalGraph",
    "RelationalVIBEncoder",
    "VariationalGNN",
]
