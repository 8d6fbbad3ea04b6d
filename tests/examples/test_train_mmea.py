"""The example as a person runs it: in a process of its own, on the command line."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from pyg_ibmea.report import embeddings_line

SCRIPT = Path(__file__).parents[2] / "examples" / "train_mmea.py"
DATA = SCRIPT.parents[2] / "shared" / "data"
SMALL = ["--graph-channels", "16", "--modal-channels", "8", "--eval-every", "2"]
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def start(*arguments, cwd):
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        cwd=cwd,
        env=ONE_THREAD,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments, cwd, code=0):
    process = start(*arguments, cwd=cwd)
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    return out, err


def final_metrics(folder):
    """What must be the same from run to run: all but time and memory."""
    metrics = json.loads((folder / "metrics.json").read_text())
    return {k: v for k, v in metrics.items() if k not in ("seconds", "peak_rss_mb")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An uninterrupted run of eight epochs."""
    folder = tmp_path_factory.mktemp("finished")
    out, err = run(*SMALL, "--epochs", 8, "--out", "whole", cwd=folder)
    return folder / "whole", out, err


def test_run_folder_and_table(finished):
    folder, out, err = finished
    assert sorted(path.name for path in folder.iterdir()) == [
        "alignment.tsv",
        "checkpoint.previous.pt",
        "checkpoint.pt",
        "config.json",
        "curves.png",
        "metrics.json",
        "metrics.jsonl",
    ]
    metrics = json.loads((folder / "metrics.json").read_text())
    for part in ("test", "val"):
        for decoder in ("cosine", "csls", "sinkhorn"):
            values = metrics[part][decoder]
            assert set(values) == {
                *("hits@1", "hits@10", "mr", "mrr", "target_to_source", "mean")
            }
    assert 0 < metrics["seconds"] < 300
    assert f"{metrics['test']['csls']['mean']['hits@1']:.3f}" in out
    assert embeddings_line(metrics["vectors_alone"]["test"]) in out
    # Chance is 1 / 560; eight epochs of a tiny model do at least five times better.
    assert metrics["test"]["csls"]["hits@1"] > 5 / 560
    assert "training 1 of 1: choosing the best epoch, 8 epochs" in err
    assert re.search(r"^done in \d+ (s|min): 1 training, and all entities", err, re.M)
    assert "Traceback" not in err
    assert "Warning" not in err

    lines = [json.loads(s) for s in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [2, 4, 6, 8]
    best = max(lines, key=lambda line: line["val"]["mrr"])
    assert metrics["best_epoch"] == best["epoch"]

    rows = (folder / "alignment.tsv").read_text().splitlines()
    assert rows[0].startswith("source\ttarget\tscore\tconfidence\trunner_up\tmargin")
    assert len(rows) == 1 + 1000 - 240  # Every source entity outside the seed pairs.
    assert all(0 <= float(row.split("\t")[3]) <= 1 for row in rows[1:])
    assert all(row.endswith("\tsource\ttarget") for row in rows[1:])
    torch.load(folder / "checkpoint.pt", weights_only=True)


def test_same_seed_same_run(finished, tmp_path):
    run(*SMALL, "--epochs", 8, "--out", "again", cwd=tmp_path)
    assert final_metrics(tmp_path / "again") == final_metrics(finished[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_and_resumed_run_is_bit_identical(number, finished, tmp_path):
    arguments = [*SMALL, "--epochs", 8, "--out", "run"]
    process = start(*arguments, cwd=tmp_path)
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    # The one before it is that of the first epoch, which has no evaluation.
    both = [checkpoint, tmp_path / "run" / "checkpoint.previous.pt"]
    while not all(path.exists() for path in both) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(number)
    _, err = process.communicate(timeout=300)
    assert process.returncode == (130 if number == signal.SIGINT else -number), err
    assert not (tmp_path / "run" / "metrics.json").exists()

    _, err = run(*arguments, "--resume", cwd=tmp_path)
    assert re.search(r"from epoch [2-8] of 8", err)  # It did not start again.
    assert final_metrics(tmp_path / "run") == final_metrics(finished[0])
    expected = torch.load(finished[0] / "checkpoint.pt", weights_only=True)
    resumed = torch.load(checkpoint, weights_only=True)
    for name, weight in expected["model"].items():
        assert resumed["model"][name].equal(weight), name
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [2, 4, 6, 8]
    read = (tmp_path / "run" / "alignment.tsv").read_text()
    assert read == (finished[0] / "alignment.tsv").read_text()


CHANGES = [
    ["--seed", "1"],
    ["--split-seed", "1"],
    ["--ratio", "0.2"],
    ["--modalities", "graph,image"],
    ["--modalities", "graph"],
    ["--batch-size", "20"],
    ["--lr", "0.001"],
    ["--weight-decay", "0.5"],
    ["--clip-norm", "0.01"],
    ["--warmup-epochs", "2"],
    ["--cosine-epochs", "4"],
    ["--num-layers", "1"],
    ["--heads", "2"],
    ["--no-relational"],
    ["--no-share-seeds"],
    ["--withhold", "0"],
    ["--withhold", "0.2"],
    ["--parts", "2"],
    ["--dropout", "0.7"],
    ["--average-decay", "0"],
    ["--no-relational", "--bottleneck", "all"],
    ["--no-relational", "--bottleneck", "all", "--separate-stacks"],
    ["--no-neighbor-features"],
    ["--bottleneck", "all"],
    ["--bottleneck", "none"],
    ["--beta", "0.1"],
    ["--beta-warmup", "1"],
    ["--objective", "multi_similarity"],
    ["--hybrid-weight", "5"],
    ["--temperature", "0.5"],
    ["--modal-temperature", "0.5"],
    ["--no-residual"],
    ["--preset", "paper"],
]


def test_every_option_changes_the_loss(tmp_path, monkeypatch):
    """In one process, for speed: the loss and metrics of two epochs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import train_mmea

    monkeypatch.setattr(train_mmea, "plot_curves", lambda path: None)
    base = [*SMALL, "--epochs", "2", "--eval-every", "1"]
    seen = {}
    for number, change in enumerate([[], *CHANGES]):
        out = ["--out", f"run{number}"]
        monkeypatch.setattr(sys, "argv", ["train_mmea.py", *base, *change, *out])
        assert train_mmea.main() == 0
        lines = Path(f"run{number}", "metrics.jsonl").read_text().splitlines()
        figures = [json.loads(line) for line in lines]
        key = json.dumps([[line["loss"], line["val"]] for line in figures])
        assert key not in seen, (change, seen.get(key))
        seen[key] = change

    def last(*change):
        out = f"other{'-'.join(change)}".replace("/", "")
        arguments = ["train_mmea.py", *base, *change, "--out", out]
        monkeypatch.setattr(sys, "argv", arguments)
        assert train_mmea.main() == 0
        text = Path(out, "metrics.jsonl").read_text()
        return [{**json.loads(s), "seconds": 0} for s in text.splitlines()], out

    similarity = ["--objective", "multi_similarity"]
    plain, _ = last(*similarity)
    for option in ("--scale-pos", "--scale-neg", "--base"):
        assert last(*similarity, option, "0.7")[0] != plain
    usual, out = last()
    assert last("--csls-k", "1")[0] != usual
    assert last("--num-candidates", "1")[0] != usual
    assert last("--search", "exact")[0] == usual  # All pairs are compared anyway.

    assert last("--graph-channels", "4")[0] != last("--modal-channels", "4")[0]

    def tested(out):
        return json.loads(Path(out, "metrics.json").read_text())["test"]

    before = tested(out)
    for option in ("--neighbor-agreement", "--neighbor-rounds"):
        lines, out = last(option, "2")
        assert lines == usual  # They come after the training.
        assert all(before[decoder] != tested(out)[decoder] for decoder in before)
    alone = ["--neighbor-agreement", "0"]
    before = tested(last(*alone)[1])
    after = tested(last(*alone, "--sinkhorn-temperature", "0.2")[1])
    assert before["csls"] == after["csls"]
    assert before["sinkhorn"] != after["sinkhorn"]


def test_default_run_folder_is_a_new_one(tmp_path):
    out, _ = run(*SMALL, "--epochs", 1, cwd=tmp_path)
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("synthetic-")
    assert str(Path("runs") / folder.name) in out


def write_own_graphs(folder, num_entities=60):
    """A ring and its copy in the JAPE layout, with two attributes."""
    folder.mkdir()
    n = num_entities

    def write(name, rows):
        text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
        (folder / name).write_text(text)

    for side, offset in ((1, 0), (2, n)):
        ids = range(offset, offset + n)
        write(f"ent_ids_{side}", [(i, f"http://kg{side}/{i - offset}") for i in ids])
        write(f"rel_ids_{side}", [(side, "http://rel/next")])
        nexts = [(i, side, offset + (i - offset + 1) % n) for i in ids]
        write(f"triples_{side}", nexts)
        attributes = [(f"http://kg{side}/{i}", f"http://att/{i % 7}") for i in range(n)]
        write(f"training_attrs_{side}", attributes)
    write("ill_ent_ids", [(i, n + i) for i in range(n)])
    return folder


def test_own_graphs_with_image_and_name_features(tmp_path):
    folder = write_own_graphs(tmp_path / "own")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    vectors = np.random.default_rng(0).standard_normal((120, 16)).astype("float32")
    covered = np.arange(0, 120, 2)
    np.savez(tmp_path / "images.npz", ids=covered, features=vectors[covered])
    np.save(tmp_path / "names.npy", vectors)
    features = ["--image", tmp_path / "images.npz", "--name", tmp_path / "names.npy"]
    arguments = ["--dataset", folder, "--root", "cache", *features, "--ratio", "0.5"]
    out, _ = run(*SMALL, *arguments, "--epochs", 2, "--out", "run", cwd=tmp_path)
    assert "60 source and 60 target entities" in out
    line = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    own = ["relation", "attribute", "image", "name"]
    assert list(line["weights"]) == ["graph", *own, *(f"neighbor_{m}" for m in own)]
    # Seven attributes there are; two columns of them make another model.
    narrow = ["--num-features", 2, "--epochs", 2, "--out", "narrow"]
    run(*SMALL, *arguments, *narrow, cwd=tmp_path)
    assert final_metrics(tmp_path / "narrow") != final_metrics(tmp_path / "run")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert (tmp_path / "cache").is_dir()


def write_openea(folder, num_entities=60):
    """A ring and its copy in OpenEA's layout, with a published fold of 12, 6 and 42."""
    fold = folder / "721_5fold" / "1"
    fold.mkdir(parents=True)
    n = num_entities

    def write(path, rows):
        path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))

    links = [(f"http://kg1/{i}", f"http://kg2/{i}") for i in range(n)]
    for side in (1, 2):
        ring = [
            (f"http://kg{side}/{i}", f"http://rel/{i % 2}", f"http://kg{side}/{j}")
            for i, j in zip(range(n), [*range(1, n), 0], strict=True)
        ]
        write(folder / f"rel_triples_{side}", ring)
        heights = [(f"http://kg{side}/{i}", "height", i) for i in range(0, n, 2)]
        write(folder / f"attr_triples_{side}", heights)
    write(folder / "ent_links", links)
    parts = {"train": links[:12], "valid": links[12:18], "test": links[18:]}
    for part, rows in parts.items():
        write(fold / f"{part}_links", rows)
    return folder


def test_openea_with_image_and_name_features(tmp_path):
    folder = write_openea(tmp_path / "raw" / "EN_FR_15K_V1")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    vectors = np.random.default_rng(0).standard_normal((120, 16)).astype("float32")
    np.save(tmp_path / "images.npy", vectors)
    names = [f"http://kg{side}/{i}\tname {i}\n" for side in (1, 2) for i in range(60)]
    (tmp_path / "names.tsv").write_text("".join(names))
    pair = ["--dataset", "OpenEA", "--pair", "EN_FR_15K_V1", "--raw", tmp_path / "raw"]
    given = ["--image", tmp_path / "images.npy", "--name", tmp_path / "names.tsv"]
    out, _ = run(*SMALL, *pair, *given, "--epochs", 2, "--out", "run", cwd=tmp_path)
    assert "60 en and 60 fr entities" in out
    assert "'train': 12, 'val': 6, 'test': 42" in out
    line = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    modalities = {"graph", "relation", "attribute", "image", "name", "number"}
    assert modalities <= set(line["weights"])
    # A ratio replaces the fold, and then the seed of the split matters.
    split = ["--ratio", 0.5, "--split-seed", 1, "--epochs", 1, "--out", "split"]
    out, _ = run(*SMALL, *pair, *split, cwd=tmp_path)
    assert "'train': 27, 'val': 3, 'test': 30" in out
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    ("dataset", "pair", "raw", "expected"),
    [
        ("DBP15K", "zh_en", "DBP15K", "'train': 4050, 'val': 450, 'test': 10500"),
        ("SRPRS", "en_fr", "SRPRS", "'train': 4050, 'val': 450, 'test': 10500"),
        ("MMKB", "FB15K_DB15K", "", "'train': 2312, 'val': 257, 'test': 10277"),
    ],
)
def test_published_benchmarks(dataset, pair, raw, expected, tmp_path):
    if not (DATA / raw).is_dir():
        pytest.skip(f"the published files are not at {DATA / raw}")
    arguments = ["--dataset", dataset, "--pair", pair, "--raw", DATA / raw]
    out, _ = run(*SMALL, *arguments, "--epochs", 1, "--out", "run", cwd=tmp_path)
    assert expected in out
    values = final_metrics(tmp_path / "run")["test"]["csls"]
    num_test = int(expected.rsplit(" ", 1)[1])
    assert 0 <= values["hits@1"] <= values["hits@10"] <= 1
    assert 1 <= values["mr"] <= num_test
    # Every source entity outside the seed pairs gets a row, not the test pairs only.
    rows = (tmp_path / "run" / "alignment.tsv").read_text().count("\n") - 1
    assert rows >= num_test


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ratio", "1.5"], "ratio"),
        (["--modalities", "graph,sound"], "sound"),
        (["--dataset", "DBP15K", "--raw", "nowhere"], "ent_ids_1"),
        (["--dataset", "no-such-folder"], "no-such-folder"),
        (["--dataset", "OpenEA"], "OpenEA needs --pair, such as"),
        (["--dataset", "OpenEA", "--pair", "D_W_15K_V1"], "has no ent_links"),
        (["--pair", "zh_en"], "--pair is for DBP15K, SRPRS, MMKB"),
        (["--image", "x.npy"], "--num-features need a dataset of files"),
        (["--num-features", "9"], "--num-features need a dataset of files"),
        (["--resume"], "--resume needs the --out"),
        (["--epochs", "0"], "epochs must be at least 1"),
        (["--beta", "much"], "beta must be a number, got 'much'"),
        (["--bottleneck", "sound"], "sound"),
        (["--out", "taken"], "taken already holds other files"),
        (["--device", "abacus"], "device 'abacus' cannot be used"),
    ],
)
def test_bad_input_is_told_and_writes_nothing(arguments, message, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes").write_text("x")
    if "--out" not in arguments and "--resume" not in arguments:
        arguments = [*arguments, "--out", "run"]
    process = start(*SMALL, *arguments, cwd=tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode not in (0, None)
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()
    assert (tmp_path / "taken" / "notes").read_text() == "x"


def test_resume_with_other_options_is_refused(finished):
    folder = finished[0]
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    arguments = [*SMALL, "--epochs", 8, "--out", folder, "--resume", "--lr", "0.5"]
    process = start(*arguments, cwd=folder.parent)
    _, err = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "lr: 0.01 there, 0.5 now" in err.splitlines()[-1]
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    # Nor with other features than those that were trained on.
    arguments = [*SMALL, "--epochs", 8, "--out", folder, "--resume", "--name", "n.npy"]
    process = start(*arguments, cwd=folder.parent)
    assert "name: None there, 'n.npy' now" in process.communicate(timeout=120)[1]
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_iterative_run_saves_its_pseudo_seeds_and_resumes(tmp_path):
    options = [*SMALL, "--epochs", 8, "--iterative", "--propose-from", 4]
    options += ["--propose-threshold", 0.2, "--propose-easing", 0]
    out, _ = run(*options, "--out", "whole", cwd=tmp_path)
    metrics = json.loads((tmp_path / "whole" / "metrics.json").read_text())
    found = metrics["pseudo_seeds"]
    lines = (tmp_path / "whole" / "pseudo_seeds.tsv").read_text().splitlines()
    assert len(lines) == found["pairs"] + 1
    assert found["pairs"] > 0
    assert f"{found['pairs']} pseudo-seeds" in out

    state = torch.load(tmp_path / "whole" / "checkpoint.pt", weights_only=True)
    (voting,) = state["pseudo_seeds"]["by_pair"].values()
    assert len(voting["proposals"]) == 3
    process = start(*options, "--out", "half", cwd=tmp_path)
    while not (tmp_path / "half" / "checkpoint.pt").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    run(*options, "--out", "half", "--resume", cwd=tmp_path)
    assert final_metrics(tmp_path / "half") == final_metrics(tmp_path / "whole")


def test_refits_begin_with_the_pseudo_seeds(tmp_path):
    options = [*SMALL, "--epochs", 8, "--iterative", "--propose-from", 4]
    options += ["--propose-threshold", 0.2, "--propose-easing", 0]
    options += ["--refits", 1, "--refit-epochs", 3]
    run(*options, "--out", "run", cwd=tmp_path)
    first, judged, refit = (
        torch.load(tmp_path / "run" / part / "checkpoint.pt")
        for part in (".", "judged_0", "refit_0")
    )
    epochs = [state["epoch"] for state in (first, judged, refit)]
    assert epochs == [8, 3, judged["best_epoch"]]
    ((pair, found),) = first["best_pseudo_seeds"].items()
    assert judged["best_pseudo_seeds"][pair].equal(found)
    # The refit knows the validation pairs: it keeps what does not contradict them.
    kept = {tuple(two) for two in refit["best_pseudo_seeds"][pair].t().tolist()}
    assert kept < {tuple(two) for two in found.t().tolist()}
    assert judged["model"]["embedding.row"].unique().numel() < (
        judged["model"]["embedding.seed_row"].unique().numel()
    )
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["pseudo_seeds"]["pairs"] == found.size(1)
    assert metrics["seconds"] > first["seconds"] + judged["seconds"]


def test_refits_learn_from_the_validation_pairs_and_resume(finished, tmp_path):
    options = [*SMALL, "--epochs", 8, "--refits", 2]
    run(*options, "--out", "whole", cwd=tmp_path)
    whole = final_metrics(tmp_path / "whole")
    first = final_metrics(finished[0])
    # The first training chooses as it would alone; it alone is judged by validation.
    assert whole["best_epoch"] == first["best_epoch"]
    assert whole["val"] == first["val"]
    assert whole["test"] != first["test"]
    states = [
        torch.load(tmp_path / "whole" / f"refit_{i}" / "checkpoint.pt")
        for i in range(2)
    ]
    assert [state["epoch"] for state in states] == [first["best_epoch"]] * 2
    rows = [state["model"]["embedding.seed_row"] for state in states]
    best = torch.load(finished[0] / "checkpoint.pt")["model"]["embedding.seed_row"]
    assert best.unique().numel() - rows[0].unique().numel() == 24  # Validation pairs.
    name = "fusion.score"
    assert not states[0]["best_weights"][name].equal(states[1]["best_weights"][name])

    process = start(*options, "--out", "half", cwd=tmp_path)
    while not (tmp_path / "half" / "refit_1" / "checkpoint.pt").exists():
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    stopped, _ = process.communicate(timeout=300)
    if process.returncode == 130:  # Unless it was over by then.
        assert "refit_1; resume the run with --resume" in stopped
        run(*options, "--out", "half", "--resume", cwd=tmp_path)
    assert final_metrics(tmp_path / "half") == whole
