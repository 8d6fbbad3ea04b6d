"""One knowledge graph in memory: readers, features by modality, HeteroData."""

from pyg_ibmea.data.additions import add_entities
from pyg_ibmea.data.converters import from_hetero, from_networkx
from pyg_ibmea.data.data_frames import from_frames
from pyg_ibmea.data.features.encoders import IMAGE_ENCODERS, NAME_ENCODERS
from pyg_ibmea.data.features.images import encode_images
from pyg_ibmea.data.features.labels import label_by_uri
from pyg_ibmea.data.features.names import encode_names
from pyg_ibmea.data.features.sentences import encode_sentences
from pyg_ibmea.data.features.vision import VisionEncoder
from pyg_ibmea.data.hetero import set_split, to_hetero_data
from pyg_ibmea.data.knowledge_graph import KnowledgeGraph
from pyg_ibmea.data.merging import merge_graphs
from pyg_ibmea.data.readers.graphml import read_graphml
from pyg_ibmea.data.readers.jape import read_jape
from pyg_ibmea.data.readers.mmkb import read_mmkb
from pyg_ibmea.data.readers.name_files import read_names
from pyg_ibmea.data.readers.neo4j import read_neo4j
from pyg_ibmea.data.readers.openea import read_openea
from pyg_ibmea.data.readers.rdf import read_rdf
from pyg_ibmea.data.readers.tables import read_folder, read_tables, write_tables
from pyg_ibmea.data.readers.vectors import read_features
from pyg_ibmea.data.split import split_links

__all__ = [
    "IMAGE_ENCODERS",
    "NAME_ENCODERS",
    "KnowledgeGraph",
    "VisionEncoder",
    "add_entities",
    "encode_images",
    "encode_names",
    "encode_sentences",
    "from_frames",
    "from_hetero",
    "from_networkx",
    "label_by_uri",
    "merge_graphs",
    "read_features",
    "read_folder",
    "read_graphml",
    "read_jape",
    "read_mmkb",
    "read_names",
    "read_neo4j",
    "read_openea",
    "read_rdf",
    "read_tables",
    "set_split",
    "split_links",
    "to_hetero_data",
    "write_tables",
]
