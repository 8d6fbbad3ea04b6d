"""All options of a training as dataclasses, each defined once.

They import neither PyTorch nor PyG, so that a command line is read at once.
"""

from pyg_ibmea.options._fields import (
    add_flags,
    check_ranges,
    check_type,
    flag_of,
    option,
    option_fields,
)
from pyg_ibmea.options.decoding import (
    CARDINALITIES,
    EXACT,
    NUM_QUERIES,
    SEARCHES,
    DecodingOptions,
)
from pyg_ibmea.options.loss import LossOptions
from pyg_ibmea.options.model import ModelOptions
from pyg_ibmea.options.pseudo_seeds import PseudoSeedOptions
from pyg_ibmea.options.training import PRESETS, Options, TrainingOptions

__all__ = [
    "CARDINALITIES",
    "EXACT",
    "NUM_QUERIES",
    "PRESETS",
    "SEARCHES",
    "DecodingOptions",
    "LossOptions",
    "ModelOptions",
    "Options",
    "PseudoSeedOptions",
    "TrainingOptions",
    "add_flags",
    "check_ranges",
    "check_type",
    "flag_of",
    "option",
    "option_fields",
]
