"""A small training of several processes, for tests that end it.

torchrun --nproc-per-node=2 tests/train/ending_training.py RUN HOW [--resume]
"""

import os
import sys
import time
import warnings
from pathlib import Path

from pyg_ibmea import Aligner
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.train import Stopped, processes
from pyg_ibmea.train._training import Training

OPTIONS = {"epochs": 400, "graph_channels": 8, "modal_channels": 4, "eval_every": 2,
           "propose_from": 3, "propose_every": 400, "neighbor_features": False,
           "iterative": True, "device": "cpu"}  # fmt: skip


def propose_for_ever(training):
    """A proposal of the first process, for which the others wait."""

    def propose():
        print("proposing", flush=True)
        time.sleep(600)

    processes.by_first(propose)


def write_for_ever(aligner, run):
    """The last work of the first process, when the others have nothing left to do."""
    print("writing", flush=True)
    time.sleep(600)


def main(out, how, *words):
    """Trains, unless it is to fail."""
    data = SyntheticMMKG(num_entities=80)[0]
    if how == "proposing":
        Training.propose = propose_for_ever
    if how == "writing":
        Aligner._write = write_for_ever
    with processes.joined():
        Path(f"{out}.{processes.rank()}.pid").write_text(str(os.getpid()))
        if how == "failing" and processes.rank() == 1:
            raise ValueError("this machine has no such file")
        if how == "same error":
            raise ValueError("there is no such option")
        epochs = 400 + (processes.rank() if how == "other options" else 0)
        if how in ("short", "writing"):
            epochs = 4
        aligner = Aligner(**{**OPTIONS, "epochs": epochs})
        aligner.fit(data, out, "--resume" in words)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    try:
        main(*sys.argv[1:])
    except Stopped as where:
        print(f"stopped after {where}")
        sys.exit(130)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
