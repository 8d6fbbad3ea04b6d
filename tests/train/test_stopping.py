"""Ctrl-C at every stage of a run: it stops at once, and the run resumes bit for bit."""

import json
import os
import signal

import pytest
import torch

from pyg_ibmea import Aligner
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.train import Objective, RunFolder, Stopped
from pyg_ibmea.train._stages import Stages
from pyg_ibmea.train._trained import TrainedModels
from pyg_ibmea.train._training import Training

pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
OPTIONS = {
    "epochs": 4, "eval_every": 2, "graph_channels": 8, "modal_channels": 4,
    "iterative": True, "propose_from": 2, "propose_every": 1,
    "propose_first_threshold": 0.2, "propose_threshold": 0.2, "refits": 1,
    "refit_epochs": 2, "progress": False,
}  # fmt: skip
# Calls in a run: 4 epochs, then 2 of the twin and 1 or 2 of the refit, 4 steps each.
PLACES = {
    "a step of the first epoch": (Objective, "forward", 2),
    "a step of the last epoch": (Objective, "forward", 4 * 4),
    "a step of the twin's last epoch": (Objective, "forward", 4 * 6),
    "a step of the refit": (Objective, "forward", 4 * 6 + 2),
    "proposals": (Training, "propose", 2),
    "an evaluation": (Training, "validate", 1),
    "the last evaluation": (Training, "validate", 2),
    "a line of metrics": (RunFolder, "append_metrics", 2),
    "a checkpoint": (torch, "save", 2),
    "between trainings": (Stages, "_train", 2),
    "the final figures": (TrainedModels, "metrics", 1),
    "the pseudo-seeds": (RunFolder, "write_pairs", 1),
    "the last file": (RunFolder, "write_metrics", 1),
}


def kept(folder):
    """What must be the same: all but time and memory."""
    found = {}
    for path in folder.rglob("*"):
        if path.suffix in (".tsv", ".json"):
            found[path.relative_to(folder)] = path.read_text()
    metrics = json.loads(found.pop((folder / "metrics.json").relative_to(folder)))
    found["metrics"] = {
        k: v for k, v in metrics.items() if k not in ("seconds", "peak_rss_mb")
    }
    return found


@pytest.fixture(scope="module")
def data():
    return SyntheticMMKG(num_entities=60)[0]


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    Aligner(**OPTIONS).fit(data, folder)
    return kept(folder)


@pytest.mark.parametrize(
    ("place", "after"),
    [(place, False) for place in PLACES]
    + [("the last evaluation", True), ("a checkpoint", True), ("the last file", True)],
)
def test_it_stops_there_and_resumes_bit_for_bit(
    data, whole, tmp_path, monkeypatch, place, after
):
    owner, name, number = PLACES[place]
    call, calls = getattr(owner, name), []

    def interrupted(*args, **options):
        calls.append(name)
        if len(calls) == number and not after:
            os.kill(os.getpid(), signal.SIGINT)
        result = call(*args, **options)
        if len(calls) == number and after:
            os.kill(os.getpid(), signal.SIGINT)
        return result

    monkeypatch.setattr(owner, name, interrupted)
    with pytest.raises(Stopped, match=r"epoch .*of .*run"):
        Aligner(**OPTIONS).fit(data, tmp_path / "run")
    assert len(calls) == number  # Nothing was done after it.
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert "metrics.json" not in os.listdir(tmp_path / "run") or (
        place == "the last file" and after
    )
    monkeypatch.undo()
    Aligner(**OPTIONS).fit(data, tmp_path / "run", resume=True)
    assert kept(tmp_path / "run") == whole
