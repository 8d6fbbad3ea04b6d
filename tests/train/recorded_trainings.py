"""Trainings without noise, whose every step is recorded, in one process or several.

torchrun --nproc-per-node=2 tests/train/recorded_trainings.py FILE RUN EPOCH
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from three_graphs import three_graphs

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA, GaussianPosterior
from pyg_ibmea.options.model import parse_bottleneck
from pyg_ibmea.train import Objective, Options, RunFolder, Stopped, processes
from pyg_ibmea.train._memory_log import MemoryLog
from pyg_ibmea.train._training import Training

QUIET = {"bottleneck": "none", "dropout": 0.0, "graph_channels": 8,
         "modal_channels": 4, "epochs": 3, "eval_every": 1,
         "warmup_epochs": 0}  # fmt: skip
CASES = {
    "withheld, pseudo-seeds": {
        "iterative": True, "propose_from": 2, "propose_every": 1,
        "propose_window": 1, "propose_first_threshold": 0.05,
        "propose_threshold": 0.05,
    },
    # Of two pairs in a batch, a third process has none.
    "fewer pairs than processes": {"batch_size": 2, "withhold": 0.0, "epochs": 1},
    "paper": {
        "relational": False, "objective": "multi_similarity", "clip_norm": 0.1,
        "withhold": 0.0, "batch_size": 13,
    },
    # Samples are replaced by means, but the KL is there, of uneven rows.
    "KL": {"bottleneck": "all", "beta": 1e-2, "beta_warmup": 0, "batch_size": 13},
    # Two processes take one each, three divide every batch of one.
    "parts": {"parts": 2, "batch_size": 13, "withhold": 0.0, "epochs": 2},
    "candidates": {
        "iterative": True, "propose_from": 2, "propose_every": 1,
        "propose_window": 1, "propose_first_threshold": 0.05,
        "propose_threshold": 0.05, "num_candidates": 8, "epochs": 4,
    },
    "own loss": {},
    "three graphs": {},
}  # fmt: skip


class Learned(nn.Module):
    """InfoNCE at a temperature that is learned; it knows nothing of processes."""

    def __init__(self):
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(2.0, dtype=torch.double))

    def forward(self, source, target):
        cosine = F.normalize(source) @ F.normalize(target).t()
        return F.cross_entropy(self.log_scale.exp() * cosine, torch.arange(len(cosine)))


class Recorded(Objective):
    """Keeps the loss of every step."""

    def forward(self, output, pair, epoch):
        loss, terms = super().forward(output, pair, epoch)
        self.losses = [*getattr(self, "losses", []), loss.item()]
        self.losses += [float(value) for value in terms.values()]
        return loss, terms


def problem(case, size=80):
    return (
        three_graphs(40)
        if case == "three graphs"
        else SyntheticMMKG(num_entities=size)[0]
    )


def training_of(case, log=None, size=80, **changes):
    """A training of one case; each process must be given another seed to be told."""
    given = {**QUIET, **CASES[case], **changes}
    given["bottleneck"] = parse_bottleneck(given["bottleneck"])
    options = Options.of(**given)
    data = problem(case, size)
    torch.manual_seed(processes.rank())
    model = IBMEA.from_data(data, options=options.model).double()
    hybrid = Learned() if case == "own loss" else None
    objective = Recorded.from_options(
        options.loss, model.modalities, hybrid=hybrid
    ).double()
    # Each process starts with weights of its own; the first one's count.
    torch.manual_seed(7 + processes.rank())
    log = MemoryLog() if log is None else log
    return Training(data, model, objective, options, log, progress=False)


def record(case, log=None, stop_after=None, noise=False, **changes):
    """Losses and their terms, the figures of the validation pairs, and the weights; of
    a training that stops after an epoch, only the former.
    """
    sample = GaussianPosterior.rsample
    if not noise:
        GaussianPosterior.rsample = lambda self, num_samples=None: self.mean
    try:
        training = training_of(case, log, **changes)
        if stop_after is not None:
            check = training.interrupt.check
            training.interrupt.check = lambda: _stop(training, stop_after) or check()
        state = training.run()
    except Stopped:
        return training.objective.losses
    finally:
        GaussianPosterior.rsample = sample
    pseudo_seeds = sum(ids.size(1) for ids in state.pseudo_seeds.pairs.values())
    return {
        "losses": torch.tensor(training.objective.losses, dtype=torch.double),
        "weights": state.model.state_dict(),
        "loss weights": training.objective.state_dict(),
        "best": torch.tensor([state.best_epoch, state.best_value]),
        "pseudo-seeds": torch.tensor(float(pseudo_seeds)),
    }


def _stop(training, epoch):
    if training._kept == epoch:
        raise Stopped


def resumed(path, stop_after):
    """Goes on with a run of six epochs, which any number of processes has begun."""
    log = MemoryLog()
    if processes.rank() == 0:
        log = RunFolder(path, {}, resume=(Path(path) / "config.json").exists())
    case = "withheld, pseudo-seeds"
    return record(case, log, stop_after=stop_after, epochs=6)


def main(file, run, epoch):
    """Records all cases, what differs between processes, and a resumed training."""
    with processes.joined():
        found = {}
        for case in CASES:
            found[case] = record(case)
            for name in ("weights", "loss weights"):
                told = {k: v.tolist() for k, v in found[case][name].items()}
                processes.check_same({f"{name} of {case}": told})
        found["traffic"] = processes.traffic(torch.device("cpu"))
        threads = [torch.get_num_threads, lambda: processes.by_first(threads[0])]
        found["threads"] = [count() for count in (*threads, threads[0])]
        try:
            processes.check_same({"a": 1, "the option lr": 0.1 + processes.rank()})
        except ValueError as error:
            found["different"] = str(error)
        found["resumed"] = resumed(run, int(epoch))
        if processes.rank() == 0:
            torch.save(found, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
