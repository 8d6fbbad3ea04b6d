"""One knowledge graph in memory: readers, modality features, HeteroData."""

from pyg_ibmea.data.additions import add_entities
from pyg_ibmea.data.builder import GraphBuilder, without_leaves
from pyg_ibmea.data.converters import from_hetero, from_networkx
from pyg_ibmea.data.features.bags import (
    FeatureBags,
    attribute_bags,
    num_shared_columns,
    relation_bags,
)
from pyg_ibmea.data.features.colours import IMAGE_CHANNELS, encode_image
from pyg_ibmea.data.features.encoders import (
    IMAGE_ENCODERS,
    NAME_ENCODERS,
    image_encoder,
    name_encoder,
)
from pyg_ibmea.data.features.images import encode_images
from pyg_ibmea.data.features.literals import (
    NAME_ATTRIBUTES,
    names_of,
    numbers_of,
    parse_number,
)
from pyg_ibmea.data.features.names import encode_names
from pyg_ibmea.data.features.sentences import encode_sentences
from pyg_ibmea.data.features.vision import VisionEncoder
from pyg_ibmea.data.gaps import describe_gaps
from pyg_ibmea.data.hetero import set_split, to_hetero_data
from pyg_ibmea.data.joint_links import close_links, split_jointly
from pyg_ibmea.data.knowledge_graph import KnowledgeGraph
from pyg_ibmea.data.merging import merge_graphs, single_hetero_data
from pyg_ibmea.data.readers.image_files import find_images
from pyg_ibmea.data.readers.jape import (
    JapePair,
    jape_files,
    missing_jape_files,
    read_jape,
)
from pyg_ibmea.data.readers.link_tables import read_link_table, read_pairs
from pyg_ibmea.data.readers.mmkb import MMKBPair, read_mmkb
from pyg_ibmea.data.readers.name_files import read_names
from pyg_ibmea.data.readers.openea import OpenEAPair, read_openea
from pyg_ibmea.data.readers.rdf import SAME_AS, is_rdf, read_rdf, read_same_as
from pyg_ibmea.data.readers.tables import (
    find_table,
    read_folder,
    read_tables,
    write_tables,
)
from pyg_ibmea.data.readers.vectors import read_features
from pyg_ibmea.data.split import split_folds, split_links

__all__ = [
    "IMAGE_CHANNELS",
    "IMAGE_ENCODERS",
    "NAME_ATTRIBUTES",
    "NAME_ENCODERS",
    "SAME_AS",
    "FeatureBags",
    "GraphBuilder",
    "JapePair",
    "KnowledgeGraph",
    "MMKBPair",
    "OpenEAPair",
    "VisionEncoder",
    "add_entities",
    "attribute_bags",
    "close_links",
    "describe_gaps",
    "encode_image",
    "encode_images",
    "encode_names",
    "encode_sentences",
    "find_images",
    "find_table",
    "from_hetero",
    "from_networkx",
    "image_encoder",
    "is_rdf",
    "jape_files",
    "merge_graphs",
    "missing_jape_files",
    "name_encoder",
    "names_of",
    "num_shared_columns",
    "numbers_of",
    "parse_number",
    "read_features",
    "read_folder",
    "read_jape",
    "read_link_table",
    "read_mmkb",
    "read_names",
    "read_openea",
    "read_pairs",
    "read_rdf",
    "read_same_as",
    "read_tables",
    "relation_bags",
    "set_split",
    "single_hetero_data",
    "split_folds",
    "split_jointly",
    "split_links",
    "to_hetero_data",
    "without_leaves",
    "write_tables",
]
