"""The parts of a training loop: objective, evaluation, run folder, resuming."""

from pyg_ibmea.train.batches import seed_batches
from pyg_ibmea.train.config import PAPER, TrainConfig, add_arguments, config_from
from pyg_ibmea.train.device import usable_device
from pyg_ibmea.train.diagnostics import Diagnostics, check_agreement
from pyg_ibmea.train.evaluation import encode_entities, evaluate
from pyg_ibmea.train.information import info_nce_bound, information_plane
from pyg_ibmea.train.interrupt import InterruptGuard
from pyg_ibmea.train.joint import align_pairs, cluster_metrics, join_matches
from pyg_ibmea.train.loop import fit, propose, train_epoch, validate
from pyg_ibmea.train.memory import (
    keep_freed_memory,
    peak_rss_mib,
    release_freed_memory,
)
from pyg_ibmea.train.neighborhoods import neighborhood_bonus, pair_bonuses
from pyg_ibmea.train.objective import Objective, parse_betas
from pyg_ibmea.train.progress import Progress
from pyg_ibmea.train.proposals import outside_seed_pairs, propose_pairs, share_right
from pyg_ibmea.train.pseudo_seeds import JointPseudoSeeds, PseudoSeeds
from pyg_ibmea.train.run_folder import RunFolder
from pyg_ibmea.train.schedule import warmup_cosine
from pyg_ibmea.train.stages import (
    Stopped,
    final_test,
    load_models,
    train_model,
    train_models,
)
from pyg_ibmea.train.state import TrainingState
from pyg_ibmea.train.trust import (
    Trust,
    TrustedAlignment,
    align_with_confidence,
    calibrate,
    confidence_metrics,
)

__all__ = [
    "PAPER",
    "Diagnostics",
    "InterruptGuard",
    "JointPseudoSeeds",
    "Objective",
    "Progress",
    "PseudoSeeds",
    "RunFolder",
    "Stopped",
    "TrainConfig",
    "TrainingState",
    "Trust",
    "TrustedAlignment",
    "add_arguments",
    "align_pairs",
    "align_with_confidence",
    "calibrate",
    "check_agreement",
    "cluster_metrics",
    "confidence_metrics",
    "config_from",
    "encode_entities",
    "evaluate",
    "final_test",
    "fit",
    "info_nce_bound",
    "information_plane",
    "join_matches",
    "keep_freed_memory",
    "load_models",
    "neighborhood_bonus",
    "outside_seed_pairs",
    "pair_bonuses",
    "parse_betas",
    "peak_rss_mib",
    "propose",
    "propose_pairs",
    "release_freed_memory",
    "seed_batches",
    "share_right",
    "train_epoch",
    "train_model",
    "train_models",
    "usable_device",
    "validate",
    "warmup_cosine",
]
