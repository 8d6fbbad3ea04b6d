import json
import os
from dataclasses import asdict

import pytest
import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Clusters
from pyg_ibmea.train import Options, RunFolder, TrainingState
from pyg_ibmea.train.run_folder import refuse_if_edited

CONFIG = {"lr": 0.1, "modalities": None}


def new_state():
    torch.manual_seed(0)
    return TrainingState.create(torch.nn.Linear(3, 2), Options())


@pytest.fixture
def started(tmp_path):
    run = RunFolder(tmp_path / "a" / "run", CONFIG)
    run.start()
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


def test_pairs_are_a_table_whatever_the_names(started):
    data = HeteroData()
    data["a", "same_as", "b"].edge_index = torch.tensor([[0], [0]])
    data.uri = {"a": ["x", "tab\there"], "b": ["line\nend", "é"]}
    pairs = {("a", "b"): torch.tensor([[0, 1], [1, 0]])}
    started.write_pairs("pairs.tsv", data, pairs)
    text = (started.path / "pairs.tsv").read_text(encoding="utf-8")
    assert text == (
        "source\ttarget\tsource_graph\ttarget_graph\n"
        "x\té\ta\tb\ntab\\there\tline\\nend\ta\tb\n"
    )


def test_clusters_are_a_table_with_a_column_for_each_graph(started):
    data = HeteroData()
    data.uri = {"a": ["x", "y"], "b": ["line\nend"], "c": ["é", "z"]}
    members = torch.tensor([[0, -1, 1], [1, 0, 0]])
    score = torch.tensor([0.25, torch.inf])
    started.write_clusters(data, Clusters(("a", "b", "c"), members, score))
    text = (started.path / "clusters.tsv").read_text(encoding="utf-8")
    assert text == (
        "a\tb\tc\tconfidence\nx\t\tz\t0.250000\ny\tline\\nend\té\t1.000000\n"
    )


def test_resume_restores_the_checkpoint_and_drops_later_lines(started):
    state = new_state()
    state.epoch = 2
    started.save_checkpoint(state.state_dict())
    for epoch in (1, 2, 3):
        append(started, epoch)
    resumed, fresh = RunFolder(started.path, CONFIG, resume=True), new_state()
    fresh.load_state_dict(resumed.start())
    assert fresh.epoch == 2
    assert [line["epoch"] for line in resumed.read_metrics()] == [1, 2]


def test_resume_of_a_run_without_checkpoint_starts_anew(started):
    append(started, 1)
    resumed = RunFolder(started.path, CONFIG, resume=True)
    assert resumed.start() is None
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
    RunFolder(tmp_path / "empty", CONFIG).start()
    with pytest.raises(FileExistsError, match=r"thesis\.tex is a file"):
        RunFolder(tmp_path / "full" / "thesis.tex" / "run", CONFIG)


def test_what_a_kill_left_half_written_blocks_nothing(tmp_path):
    path = tmp_path / "run"
    (path / "again").mkdir(parents=True)
    (path / ".config.json.17.part").write_text('{"lr"')
    (path / "again" / ".config.json.17.part").write_text("")
    # The part counts as something: a run that lost its configuration.
    with pytest.raises(FileExistsError, match="already holds other files"):
        RunFolder(path, CONFIG)
    (path / "config.json").write_text(json.dumps(CONFIG))
    run = RunFolder(path, CONFIG, resume=True)
    run.start()
    part = run.part("again")
    part.start()
    for folder in (run, part):
        assert not list(folder.path.glob("*.part"))
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / ".config.json.17.part").write_text("")
    RunFolder(alone, CONFIG).start()
    assert [file.name for file in alone.iterdir()] == ["config.json"]


def test_nothing_to_resume(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run to resume"):
        RunFolder(tmp_path / "none", CONFIG, resume=True)


def test_run_of_another_configuration(started):
    with pytest.raises(ValueError, match=r"lr: 0.1 there, 0.2 now"):
        RunFolder(started.path, {**CONFIG, "lr": 0.2}, resume=True)
    (started.path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is not JSON"):
        RunFolder(started.path, CONFIG, resume=True)


def test_checkpoint_of_another_configuration_or_damaged(started):
    other = RunFolder(started.path.parent / "other", {**CONFIG, "lr": 0.2})
    other.start()
    other.save_checkpoint(new_state().state_dict())
    target = started.path / "checkpoint.pt"
    os.replace(other.path / "checkpoint.pt", target)
    with pytest.raises(ValueError, match="belongs to another configuration"):
        started.load_checkpoint()
    target.write_bytes(target.read_bytes()[:100])
    with pytest.raises(ValueError, match="is not a checkpoint of this program"):
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
    config = asdict(Options())
    RunFolder(tmp_path / "run", config).start()
    RunFolder(tmp_path / "run", config, resume=True)


def test_configuration_of_flat_options_round_trips(tmp_path):
    config = Options.of("paper", count_modalities=(), bottleneck=("graph",)).flat()
    RunFolder(tmp_path / "run", config).start()
    assert json.loads((tmp_path / "run" / "config.json").read_text()) == config
    RunFolder(tmp_path / "run", config, resume=True)


# As version 0.1 wrote it.
OLD_CONFIG = """{
  "graphs": [["zh", "triples=/data/zh.tsv"], ["en", "triples=/data/en.tsv"]],
  "links": [["zh", "en", "/data/links.tsv"]],
  "modalities": ["graph", "image"],
  "seed": 5,
  "num_features": 1000, "epochs": 6, "eval_every": 2, "batch_size": 7500,
  "withhold": 0.3, "lr": 0.01, "weight_decay": 0.01, "clip_norm": 0.0,
  "warmup_epochs": 3, "cosine_epochs": 0, "graph_channels": 300,
  "modal_channels": 100, "num_layers": 2, "heads": 1, "relational": true,
  "residual": true, "neighbor_features": true, "share_seeds": true, "dropout": 0.3,
  "separate_stacks": false, "bottleneck": "graph,image",
  "beta": "1e-3,relation=1e-2", "beta_warmup": 5, "average_decay": 0.7,
  "objective": "info_nce", "hybrid_weight": 1.0, "temperature": 0.1,
  "modal_temperature": 0.1, "scale_pos": 5.0, "scale_neg": 40.0, "base": 0.5,
  "iterative": true, "propose_from": 7, "propose_every": 2, "propose_window": 3,
  "propose_first_threshold": 0.9, "propose_threshold": 0.5, "propose_easing": 5,
  "refits": 1, "refit_epochs": 8, "neighbor_agreement": 0.5, "neighbor_rounds": 3,
  "csls_k": 3, "sinkhorn_temperature": 0.02
}"""
PROBLEM = {
    "graphs": [["zh", "triples=/data/zh.tsv"], ["en", "triples=/data/en.tsv"]],
    "links": [["zh", "en", "/data/links.tsv"]],
    "modalities": ["graph", "image"],
    "num_features": 1000,
}


def test_run_of_version_0_1_is_resumed(tmp_path):
    def now(**changes):
        options = {
            "epochs": 6, "iterative": True, "refits": 1,
            "bottleneck": ("graph", "image"), "beta": {"*": 1e-3, "relation": 1e-2},
            **changes,
        }  # fmt: skip
        return {**PROBLEM, "seed": 5, **Options.of(**options).flat()}

    old = json.loads(OLD_CONFIG)
    path = tmp_path / "run"
    (path / "refit_0").mkdir(parents=True)
    (path / "config.json").write_text(OLD_CONFIG)
    part = {**old, "part": "refit_0", "epochs": 2, "iterative": False}
    (path / "refit_0" / "config.json").write_text(json.dumps(part))
    state = new_state()
    state.epoch = 4
    torch.save({**state.state_dict(), "config": old}, path / "checkpoint.pt")

    resumed = RunFolder(path, now(), resume=True)
    assert resumed.start()["epoch"] == 4
    assert resumed.part("refit_0", epochs=2, iterative=False).resume
    for changes, message in [
        ({"bottleneck": "graph"}, r"bottleneck: \['graph', 'image'\] there, \['graph'"),
        ({"beta": 1e-3}, r"beta: .*'relation': 0.01.* there, {'\*': 0.001} now"),
        ({"lr": 0.5}, "lr: 0.01 there, 0.5 now"),
        # What version 0.1 did not know was at its default.
        ({"modal_dropout": 0.1}, "modal_dropout: 0.0 there, 0.1 now"),
        ({"init_logstd": -2.0}, "init_logstd: -3.0 there, -2.0 now"),
        ({"count_modalities": ()}, r"count_modalities: \['relation'\] there, \[\] now"),
    ]:
        with pytest.raises(ValueError, match=message):
            RunFolder(path, now(**changes), resume=True)
    with pytest.raises(ValueError, match="seed: 5 there, 6 now"):
        RunFolder(path, {**now(), "seed": 6}, resume=True)


def test_configuration_that_means_something_else_by_the_names(tmp_path):
    config = {"dropout": "spatial", "epochs": None, "beta": [0.9, 0.999]}
    RunFolder(tmp_path / "run", config).start()
    RunFolder(tmp_path / "run", config, resume=True)
    other = {**config, "epochs": 3}
    with pytest.raises(
        ValueError, match=r"configuration \(epochs: None there, 3 now\)"
    ):
        RunFolder(tmp_path / "run", other, resume=True)


def test_part_of_a_run_resumes_with_it(started):
    part = started.part("again", epochs=3)
    assert part.path == started.path / "again"
    assert part.config == {**CONFIG, "part": "again", "epochs": 3}
    part.start()
    with pytest.raises(FileExistsError, match="already holds another run"):
        started.part("again", epochs=3)
    resumed = RunFolder(started.path, CONFIG, resume=True)
    assert resumed.part("again", epochs=3).resume
    assert not resumed.part("other").resume
    with pytest.raises(ValueError, match="epochs: 3 there, 4 now"):
        resumed.part("again", epochs=4)


def test_configuration_that_was_edited_after_the_training(tmp_path):
    config = {**PROBLEM, "seed": 5, **Options().flat()}
    run = RunFolder(tmp_path / "run", config)
    run.start()
    refuse_if_edited(run.path)  # There is nothing to compare with yet.
    run.save_checkpoint(new_state().state_dict())
    path = run.path / "config.json"
    moved = {"graphs": [["zh", "triples=/elsewhere/zh.tsv"]], "csls_k": 7}
    path.write_text(json.dumps({**config, **moved}))
    refuse_if_edited(run.path)
    path.write_text(json.dumps({**config, "heads": 9, "seed": 6}))
    with pytest.raises(
        ValueError,
        match=r"config\.json is not that of .*checkpoint\.pt \(heads: 9 there, 1 in "
        r"the checkpoint; seed: 6 there, 5 in the checkpoint\); restore the file",
    ):
        refuse_if_edited(run.path)
    path.write_text(json.dumps(config))
    part = run.part("refit_0", epochs=2, iterative=False)
    part.start()
    part.save_checkpoint(new_state().state_dict())
    refuse_if_edited(run.path)
