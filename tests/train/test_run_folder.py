import json
import os
from dataclasses import asdict

import pytest
import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Clusters
from pyg_ibmea.train import RunFolder, TrainConfig, TrainingState, TrustedAlignment

CONFIG = {"lr": 0.1, "modalities": None}


def new_state():
    torch.manual_seed(0)
    return TrainingState.create(torch.nn.Linear(3, 2), TrainConfig())


@pytest.fixture
def started(tmp_path):
    run = RunFolder(tmp_path / "a" / "run", CONFIG)
    run.start(new_state())
    return run


def append(run, epoch):
    plane = {"graph": {"prediction": 3.0}}
    run.append_metrics(epoch, 1.5, {"total": 2.0}, {"mrr": 0.5}, {"graph": 1.0}, plane)


def test_nothing_is_written_before_the_start(tmp_path):
    RunFolder(tmp_path / "run", CONFIG)
    assert list(tmp_path.iterdir()) == []


def test_config_and_metrics(started):
    assert json.loads((started.path / "config.json").read_text()) == CONFIG
    append(started, 1)
    append(started, 2)
    assert [line["epoch"] for line in started.read_metrics()] == [1, 2]
    assert started.read_metrics()[0] == {
        "epoch": 1,
        "seconds": 1.5,
        "loss": {"total": 2.0},
        "val": {"mrr": 0.5},
        "weights": {"graph": 1.0},
        "information": {"graph": {"prediction": 3.0}},
    }
    started.write_metrics({"test": {"csls": {"hits@1": 0.5}}}, 2, 3.0)
    final = json.loads((started.path / "metrics.json").read_text())
    assert final["test"]["csls"]["hits@1"] == 0.5
    assert (final["best_epoch"], final["seconds"]) == (2, 3.0)
    assert final["peak_rss_mb"] > 10
    assert not list(started.path.glob("*.part"))  # Hidden ones included.


def test_alignment_is_a_table_whatever_the_names(started):
    data = HeteroData()
    data["a", "same_as", "b"].edge_index = torch.tensor([[0], [0]])
    data.uri = {"a": ["x", "tab\there"], "b": ["line\nend", "é"]}
    alignment = TrustedAlignment(
        source=torch.tensor([0, 1]),
        target=torch.tensor([1, 0]),
        runner_up=torch.tensor([0, -1]),
        score=torch.tensor([0.5, 0.25]),
        margin=torch.tensor([0.1, 0.0]),
        confidence=torch.tensor([1.0, 0.125]),
    )
    started.write_alignment(data, {("a", "b"): alignment})
    text = (started.path / "alignment.tsv").read_text(encoding="utf-8")
    assert text == (
        "source\ttarget\tscore\tconfidence\trunner_up\tmargin\tsource_graph"
        "\ttarget_graph\n"
        "x\té\t0.500000\t1.000000\tline end\t0.100000\ta\tb\n"
        "tab here\tline end\t0.250000\t0.125000\t\t0.000000\ta\tb\n"
    )


def test_pairs_are_a_table_too(started):
    data = HeteroData()
    data["a", "same_as", "b"].edge_index = torch.tensor([[0], [0]])
    data.uri = {"a": ["x", "tab\there"], "b": ["line\nend", "é"]}
    pairs = {("a", "b"): torch.tensor([[0, 1], [1, 0]])}
    started.write_pairs("pairs.tsv", data, pairs)
    text = (started.path / "pairs.tsv").read_text(encoding="utf-8")
    assert text == (
        "source\ttarget\tsource_graph\ttarget_graph\n"
        "x\té\ta\tb\ntab here\tline end\ta\tb\n"
    )


def test_clusters_are_a_table_with_a_column_for_each_graph(started):
    data = HeteroData()
    data.uri = {"a": ["x", "y"], "b": ["line\nend"], "c": ["é", "z"]}
    members = torch.tensor([[0, -1, 1], [1, 0, 0]])
    score = torch.tensor([0.25, torch.inf])
    started.write_clusters(data, Clusters(("a", "b", "c"), members, score))
    text = (started.path / "clusters.tsv").read_text(encoding="utf-8")
    assert text == ("a\tb\tc\tconfidence\nx\t\tz\t0.250000\ny\tline end\té\t1.000000\n")


def test_resume_restores_the_checkpoint_and_drops_later_lines(started):
    state = new_state()
    state.epoch = 2
    started.save_checkpoint(state.state_dict())
    for epoch in (1, 2, 3):
        append(started, epoch)
    resumed, fresh = RunFolder(started.path, CONFIG, resume=True), new_state()
    resumed.start(fresh)
    assert fresh.epoch == 2
    assert [line["epoch"] for line in resumed.read_metrics()] == [1, 2]


def test_resume_of_a_run_without_checkpoint_starts_anew(started):
    append(started, 1)
    resumed, fresh = RunFolder(started.path, CONFIG, resume=True), new_state()
    resumed.start(fresh)
    assert fresh.epoch == 0
    assert resumed.read_metrics() == []


def test_line_cut_short_by_a_kill_is_dropped(started):
    append(started, 1)
    with open(started.path / "metrics.jsonl", "a") as file:
        file.write('{"epoch": 2, "sec')
    assert [line["epoch"] for line in started.read_metrics()] == [1]


def test_folder_that_holds_something(started, tmp_path):
    with pytest.raises(FileExistsError, match="already holds another run"):
        RunFolder(started.path, CONFIG)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    with pytest.raises(FileExistsError, match="already holds other files"):
        RunFolder(tmp_path / "full", CONFIG)
    (tmp_path / "empty").mkdir()
    RunFolder(tmp_path / "empty", CONFIG).start(new_state())
    with pytest.raises(FileExistsError, match=r"thesis\.tex is a file"):
        RunFolder(tmp_path / "full" / "thesis.tex" / "run", CONFIG)


def test_nothing_to_resume(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run to resume"):
        RunFolder(tmp_path / "none", CONFIG, resume=True)


def test_run_of_another_configuration(started):
    with pytest.raises(ValueError, match=r"lr: 0.1 there, 0.2 now"):
        RunFolder(started.path, {**CONFIG, "lr": 0.2}, resume=True)
    (started.path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is no JSON"):
        RunFolder(started.path, CONFIG, resume=True)


def test_checkpoint_of_another_configuration_or_damaged(started):
    other = RunFolder(started.path.parent / "other", {**CONFIG, "lr": 0.2})
    other.start(new_state())
    other.save_checkpoint(new_state().state_dict())
    target = started.path / "checkpoint.pt"
    os.replace(other.path / "checkpoint.pt", target)
    with pytest.raises(ValueError, match="belongs to another configuration"):
        started.load_checkpoint()
    target.write_bytes(target.read_bytes()[:100])
    with pytest.raises(ValueError, match="is no checkpoint of this program"):
        started.load_checkpoint()


def test_folder_that_cannot_be_written(tmp_path, monkeypatch):
    # As root every folder can be written, so the answer of the system is played.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match="cannot be written"):
        RunFolder(tmp_path / "run", CONFIG)


def test_failed_write_leaves_the_old_checkpoint(started):
    started.save_checkpoint(new_state().state_dict())
    before = (started.path / "checkpoint.pt").read_bytes()
    with pytest.raises(Exception, match="pickle"):
        started.save_checkpoint({"bad": lambda: None})
    assert (started.path / "checkpoint.pt").read_bytes() == before


def test_configuration_of_dataclasses_round_trips(tmp_path):
    config = asdict(TrainConfig())
    RunFolder(tmp_path / "run", config).start(new_state())
    RunFolder(tmp_path / "run", config, resume=True)


def test_part_of_a_run_resumes_with_it(started):
    part = started.part("again", epochs=3)
    assert part.path == started.path / "again"
    assert part.config == {**CONFIG, "part": "again", "epochs": 3}
    part.start(new_state())
    with pytest.raises(FileExistsError, match="already holds another run"):
        started.part("again", epochs=3)
    resumed = RunFolder(started.path, CONFIG, resume=True)
    assert resumed.part("again", epochs=3).resume
    assert not resumed.part("other").resume
    with pytest.raises(ValueError, match="epochs: 3 there, 4 now"):
        resumed.part("again", epochs=4)
