"""Trainings in which every process has a part of its own, recorded step by step.

torchrun --nproc-per-node=2 tests/train/parts_at_once.py FOLDER
"""

import sys
import warnings
from pathlib import Path

import torch
from recorded_trainings import record, training_of

from pyg_ibmea.nn import GaussianPosterior
from pyg_ibmea.train import RunFolder, processes
from pyg_ibmea.train import _rows_exchange as rows_exchange
from pyg_ibmea.train._memory_log import MemoryLog
from pyg_ibmea.train._training import graph_of

# Batches of a few pairs, of which some parts have more than others.
BASE = {"withhold": 0.4, "eval_every": 100, "warmup_epochs": 0, "lr": 0.02}
WAYS = {
    "5 parts": {"parts": 5},
    "uneven, clipped": {
        "parts": 3,
        "clip_norm": 0.05,
        "batch_size": 5,
        "withhold": 0.0,
    },
    "learned loss": {"parts": 4, "batch_size": 9},
}
EPOCHS = 2


def started(way):
    """A training that is about to begin."""
    case = "own loss" if way == "learned loss" else "parts"
    training = training_of(case, size=200, **{**BASE, **WAYS[way]})
    state = training.state
    processes.same_weights(state.model, state.average, training.objective)
    training.graph = graph_of(state.model, training.data)
    training._cut()
    return training


def learn(way):
    """What every process saw in each step, and what all learned."""
    training, seen, ends = started(way), [], []
    chosen, part_with = [], training.parts._part_with

    def remembered(model, group, links):
        chosen.append(group)
        return part_with(model, group, links)

    training.parts._part_with = remembered
    for epoch in range(1, EPOCHS + 1):
        training.state.epoch = epoch
        steps = training._steps
        training._steps = lambda steps=steps: (
            seen.append((chosen[-1:], step.is_idle, step.pair, step.links)) or step
            for step in steps()
        )
        losses = training.train_epoch()
        training._steps = steps
        training.state.update_average()
        ends.append(len(seen))
    state = training.state
    return {
        "seen": seen,
        "ends": ends,
        "losses": losses,
        "model": state.model.state_dict(),
        "average": state.average.state_dict(),
        "loss weights": training.objective.state_dict(),
        "moments": state.rows.state_dict(),
        "slower": state.slower,
    }


def resumed(folder, stop_after=None):
    """A training of four epochs with noise and pseudo-seeds, which may be stopped."""
    log = MemoryLog()
    if processes.rank() == 0:
        log = RunFolder(folder, {}, resume=(Path(folder) / "config.json").exists())
    asked = {"parts": 3, "dropout": 0.2, "bottleneck": "all", "epochs": 4}
    asked |= {"iterative": True, "propose_from": 2, "propose_every": 2}
    case = "withheld, pseudo-seeds"
    return record(case, log, stop_after=stop_after, noise=True, **asked)


def main(folder):
    """Writes what each process has."""
    rows_exchange._BYTES = 1000
    folder = Path(folder)
    with processes.joined(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sample = GaussianPosterior.rsample
        GaussianPosterior.rsample = lambda self, num_samples=None: self.mean
        found = {way: learn(way) for way in WAYS}
        GaussianPosterior.rsample = sample
        for way, one in found.items():
            weights = {name: one[name] for name in ("model", "loss weights", "moments")}
            told = {name: str(value) for name, value in weights.items()}
            exact = {
                key: value.double().sum().item() for key, value in one["model"].items()
            }
            processes.check_same({way: told, f"sums of {way}": exact})
        found["traffic"] = processes.traffic(torch.device("cpu"))
        found["whole"] = resumed(folder / "whole")
        resumed(folder / "run", stop_after=2)
        found["resumed"] = resumed(folder / "run")
        torch.save(found, folder / f"{processes.rank()}.pt")


if __name__ == "__main__":
    main(*sys.argv[1:])
