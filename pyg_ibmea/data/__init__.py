"""One knowledge graph in memory: readers, features by modality, HeteroData."""

from pyg_ibmea.data.additions import add_entities
from pyg_ibmea.data.builder import GraphBuilder
from pyg_ibmea.data.converters import from_hetero, from_networkx
from pyg_ibmea.data.features.colours import encode_image
from pyg_ibmea.data.features.encoders import IMAGE_ENCODERS, NAME_ENCODERS
from pyg_ibmea.data.features.images import encode_images
from pyg_ibmea.data.features.names import encode_names
from pyg_ibmea.data.features.sentences import encode_sentences
from pyg_ibmea.data.features.vision import VisionEncoder
from pyg_ibmea.data.hetero import set_split, to_hetero_data
from pyg_ibmea.data.joint_links import close_links, split_jointly
from pyg_ibmea.data.knowledge_graph import KnowledgeGraph
from pyg_ibmea.data.merging import merge_graphs
from pyg_ibmea.data.readers.image_files import find_images
from pyg_ibmea.data.readers.jape import read_jape
from pyg_ibmea.data.readers.link_tables import read_link_table
from pyg_ibmea.data.readers.mmkb import read_mmkb
from pyg_ibmea.data.readers.name_files import read_names
from pyg_ibmea.data.readers.openea import read_openea
from pyg_ibmea.data.readers.rdf import read_rdf
from pyg_ibmea.data.readers.tables import read_folder, read_tables, write_tables
from pyg_ibmea.data.readers.vectors import read_features
from pyg_ibmea.data.split import split_folds, split_links

__all__ = [
    "IMAGE_ENCODERS",
    "NAME_ENCODERS",
    "GraphBuilder",
    "KnowledgeGraph",
    "VisionEncoder",
    "add_entities",
    "close_links",
    "encode_image",
    "encode_images",
    "encode_names",
    "encode_sentences",
    "find_images",
    "from_hetero",
    "from_networkx",
    "merge_graphs",
    "read_features",
    "read_folder",
    "read_jape",
    "read_link_table",
    "read_mmkb",
    "read_names",
    "read_openea",
    "read_rdf",
    "read_tables",
    "set_split",
    "split_folds",
    "split_jointly",
    "split_links",
    "to_hetero_data",
    "write_tables",
]
