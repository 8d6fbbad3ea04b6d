"""One knowledge graph in memory: readers, modality features, HeteroData."""

from pyg_ibmea.data.bags import (
    FeatureBags,
    attribute_bags,
    num_shared_columns,
    relation_bags,
)
from pyg_ibmea.data.features import read_features
from pyg_ibmea.data.gaps import describe_gaps
from pyg_ibmea.data.hetero import set_split, to_hetero_data
from pyg_ibmea.data.images import IMAGE_CHANNELS, encode_image
from pyg_ibmea.data.jape import JapePair, jape_files, missing_jape_files, read_jape
from pyg_ibmea.data.knowledge_graph import KnowledgeGraph
from pyg_ibmea.data.names import encode_names, read_names
from pyg_ibmea.data.sentences import encode_sentences
from pyg_ibmea.data.split import split_folds, split_links

__all__ = [
    "IMAGE_CHANNELS",
    "FeatureBags",
    "JapePair",
    "KnowledgeGraph",
    "attribute_bags",
    "describe_gaps",
    "encode_image",
    "encode_names",
    "encode_sentences",
    "jape_files",
    "missing_jape_files",
    "num_shared_columns",
    "read_features",
    "read_jape",
    "read_names",
    "relation_bags",
    "set_split",
    "split_folds",
    "split_links",
    "to_hetero_data",
]
