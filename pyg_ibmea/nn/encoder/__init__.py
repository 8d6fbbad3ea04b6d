"""Encoders: one latent per entity and modality."""

from pyg_ibmea.nn.encoder.entity_embedding import EntityEmbedding
from pyg_ibmea.nn.encoder.graph_encoder import GraphVIBEncoder
from pyg_ibmea.nn.encoder.graphs import RelationalGraph, relational_graph, union_graph
from pyg_ibmea.nn.encoder.modal_encoder import ModalVIBEncoder
from pyg_ibmea.nn.encoder.relational_encoder import RelationalVIBEncoder

__all__ = [
    "EntityEmbedding",
    "GraphVIBEncoder",
    "ModalVIBEncoder",
    "RelationalGraph",
    "RelationalVIBEncoder",
    "relational_graph",
    "union_graph",
]
