"""What loggers are told of a run, and what becomes of one that fails."""

import json

import pytest

from pyg_ibmea import Aligner
from pyg_ibmea.train._stages import parts_of
from pyg_ibmea.train.metric_loggers import numbers_of

pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
SMALL = {"epochs": 4, "eval_every": 2, "graph_channels": 8, "modal_channels": 4}


class Recorder:
    def __init__(self):
        self.config, self.lines, self.ends = None, [], []

    def start(self, config):
        self.config = config

    def log(self, training, epoch, figures):
        self.lines.append((training, epoch, figures))

    def finish(self, figures):
        self.ends.append(figures)


class Broken(Recorder):
    def log(self, training, epoch, figures):
        super().log(training, epoch, figures)
        raise OSError("the server is away")


def new_aligner():
    return Aligner(refits=2, seed=5, progress=False, **SMALL)


def test_loggers_are_told_what_the_run_folder_holds(data, tmp_path):
    recorder, out = Recorder(), tmp_path / "run"
    aligner = new_aligner().fit(data, out, loggers=[recorder])
    assert recorder.config == json.loads((out / "config.json").read_text())
    first = [line for line in recorder.lines if not line[0]]
    written = [json.loads(s) for s in (out / "metrics.jsonl").read_text().splitlines()]
    assert [epoch for _, epoch, _ in first] == [line["epoch"] for line in written]
    for (_, _, figures), line in zip(first, written, strict=True):
        expected = {f"loss/{k}": v for k, v in line["loss"].items()}
        val = {k.replace("@", "_at_"): v for k, v in line["val"].items()}
        expected |= {f"validation/{k}": v for k, v in val.items()}
        assert figures == expected | {
            f"weight/{k}": v for k, v in line["weights"].items()
        }
    # Refits have no validation pairs, but a loss.
    names = {training for training, _, _ in recorder.lines}
    assert names == set(parts_of(data, aligner.options)) == {"", "refit_0", "refit_1"}
    refit = next(figures for name, _, figures in recorder.lines if name == "refit_0")
    assert refit["loss/total"] > 0
    assert not any(name.startswith("validation/") for name in refit)
    (end,) = recorder.ends
    assert end["test/csls/hits_at_1"] == aligner.metrics_["test"]["csls"]["hits@1"]


def test_logging_changes_nothing(data, tmp_path):
    new_aligner().fit(data, tmp_path / "a", loggers=[Recorder()])
    new_aligner().fit(data, tmp_path / "b")
    a, b = ((tmp_path / name / "alignment.tsv").read_bytes() for name in "ab")
    assert a == b


def test_one_that_fails_ends_no_training(data):
    broken, other = Broken(), Recorder()
    with pytest.warns(UserWarning, match="Broken failed and logs nothing more: the se"):
        new_aligner().fit(data, loggers=[broken, other])
    assert (len(broken.lines), broken.ends) == (1, [])
    assert (len(other.lines), other.ends) == (4, [{}])


def test_loggers_end_with_a_training_that_fails(data, monkeypatch):
    def fail(*_):
        raise RuntimeError("no room")

    recorder = Recorder()
    monkeypatch.setattr("pyg_ibmea.aligner.TrainedModels", fail)
    with pytest.raises(RuntimeError, match="no room"):
        new_aligner().fit(data, loggers=[recorder])
    assert recorder.ends == [{}]


def test_numbers_by_the_keys_that_lead_there():
    tree = {"a": {"b@1": 1, "c": {"d": 0.5}}, "e": "text", "f": True, "g": [1], "h": {}}
    assert numbers_of(tree) == {"a/b_at_1": 1.0, "a/c/d": 0.5}
