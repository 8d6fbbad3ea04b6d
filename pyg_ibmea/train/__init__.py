"""The parts of a training: options, objective, pseudo-seeds, evaluation, run folder.

:class:`pyg_ibmea.Aligner` puts them together; a loop of your own can, too.
"""

from pyg_ibmea.options import (
    DecodingOptions,
    LossOptions,
    Options,
    PseudoSeedOptions,
    TrainingOptions,
)
from pyg_ibmea.train import processes
from pyg_ibmea.train._estimate import Estimate, estimate
from pyg_ibmea.train._information import information_plane
from pyg_ibmea.train._interrupt import Stopped
from pyg_ibmea.train.answered import Answered, with_answers
from pyg_ibmea.train.answers import Answer, append_answers, read_answers
from pyg_ibmea.train.batches import seed_batches
from pyg_ibmea.train.evaluation import encode_entities, evaluate
from pyg_ibmea.train.logging_to import (
    MLflowLogger,
    TensorBoardLogger,
    WandbLogger,
)
from pyg_ibmea.train.metric_loggers import MetricLogger
from pyg_ibmea.train.objective import Objective
from pyg_ibmea.train.part_problem import part_problem
from pyg_ibmea.train.partition import partition
from pyg_ibmea.train.proposals import propose_pairs
from pyg_ibmea.train.pseudo_seeds import PseudoSeeds
from pyg_ibmea.train.run_folder import RunFolder
from pyg_ibmea.train.state import TrainingState

__all__ = [
    "Answer",
    "Answered",
    "DecodingOptions",
    "Estimate",
    "LossOptions",
    "MLflowLogger",
    "MetricLogger",
    "Objective",
    "Options",
    "PseudoSeedOptions",
    "PseudoSeeds",
    "RunFolder",
    "Stopped",
    "TensorBoardLogger",
    "TrainingOptions",
    "TrainingState",
    "WandbLogger",
    "append_answers",
    "encode_entities",
    "estimate",
    "evaluate",
    "information_plane",
    "part_problem",
    "partition",
    "processes",
    "propose_pairs",
    "read_answers",
    "seed_batches",
    "with_answers",
]
