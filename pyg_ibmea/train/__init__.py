"""The parts of a training loop: objective, evaluation, run folder, resuming."""

from pyg_ibmea.train.batches import seed_batches
from pyg_ibmea.train.config import PAPER, TrainConfig, add_arguments, config_from
from pyg_ibmea.train.diagnostics import Diagnostics
from pyg_ibmea.train.evaluation import align_unaligned, evaluate
from pyg_ibmea.train.information import info_nce_bound, information_plane
from pyg_ibmea.train.interrupt import InterruptGuard
from pyg_ibmea.train.links import (
    PARTS,
    add_validation_pairs,
    alignment_pair,
    links_of,
    unaligned_entities,
)
from pyg_ibmea.train.memory import keep_freed_memory, peak_rss_mib
from pyg_ibmea.train.objective import Objective, parse_betas
from pyg_ibmea.train.progress import Progress
from pyg_ibmea.train.proposals import propose_pairs, share_right
from pyg_ibmea.train.pseudo_seeds import PseudoSeeds
from pyg_ibmea.train.run_folder import RunFolder
from pyg_ibmea.train.schedule import warmup_cosine
from pyg_ibmea.train.state import TrainingState

__all__ = [
    "PAPER",
    "PARTS",
    "Diagnostics",
    "InterruptGuard",
    "Objective",
    "Progress",
    "PseudoSeeds",
    "RunFolder",
    "TrainConfig",
    "TrainingState",
    "add_arguments",
    "add_validation_pairs",
    "align_unaligned",
    "alignment_pair",
    "config_from",
    "evaluate",
    "info_nce_bound",
    "information_plane",
    "keep_freed_memory",
    "links_of",
    "parse_betas",
    "peak_rss_mib",
    "propose_pairs",
    "seed_batches",
    "share_right",
    "unaligned_entities",
    "warmup_cosine",
]
