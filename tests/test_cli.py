"""The commands, on two small graphs in files, in this process."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch_geometric.data import HeteroData
from torch_geometric.testing import withPackage

from pyg_ibmea import __version__
from pyg_ibmea.cli import main
from pyg_ibmea.cli._commands import print_metrics
from pyg_ibmea.report import embeddings_line, matches_line
from pyg_ibmea.train._training import Training

pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
TINY = ["--epochs", "4", "--eval-every", "4", "--graph-channels", "16",
        "--modal-channels", "8", "--propose-from", "2", "--propose-every", "1",
        "--propose-easing", "0", "--propose-threshold", "0.2",
        "--refit-epochs", "2"]  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    random = np.random.default_rng(0)
    triples = np.unique(random.integers(0, [120, 4, 120], (700, 3)), axis=0)
    for side in "ab":
        kept = triples[random.random(len(triples)) < 0.5]
        rows = [f"{side}{h}\tr{r}\t{side}{t}\n" for h, r, t in kept]
        (folder / f"{side}.tsv").write_text("".join(rows))
        names = [f"{side}{i}\tname {i * 7919}\n" for i in range(0, 120, 3)]
        (folder / f"{side}_names.tsv").write_text("".join(names))
    links = [f"a{i}\tb{i}\n" for i in range(120)]
    (folder / "links.tsv").write_text("".join(links))
    return folder


def problem(files: Path) -> list[str]:
    words = []
    for side in "ab":
        words += ["--graph", side, f"triples={files / side}.tsv"]
        words += [f"names={files / side}_names.tsv"]
    return [*words, "--links", "a", "b", str(files / "links.tsv"), "--ratio", "0.5",
            "--cache", str(files / "cache")]  # fmt: skip


@pytest.fixture(scope="module")
def trained(files: Path) -> Path:
    out = files / "run"
    assert main(["train", *problem(files), *TINY, "--out", str(out)]) == 0
    return out


def test_inspect(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", *problem(files)]) == 0
    text = capsys.readouterr().out
    assert "a: 120 entities" in text
    assert "42 training, 18 validation, 60 test pairs" in text
    assert "relation names shared by all graphs: 4" in text
    assert "18 validation pairs can hardly" in text
    assert "a.tsv: no header recognised; the first row is head 'a" in text
    assert main(["inspect", *problem(files), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["graphs"]["b"]["coverage"]["name"] == pytest.approx(1 / 3, abs=1e-3)
    degrees = found["graphs"]["a"]["degree"]
    assert len(degrees) == 11
    assert degrees == sorted(degrees)


def test_training_leaves_a_run_folder(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {path.name for path in trained.iterdir()}
    assert {"alignment.tsv", "metrics.json", "judged_2", "refit_2"} <= names
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["test"]["csls"]["hits@1"] > 10 / 60
    assert metrics["confidence"]["calibrated"]
    assert len(metrics["confidence"]["coverage"]) == 10
    assert metrics["pseudo_seeds"]["pairs"] > 0
    print_metrics(metrics, [("a", "b")])
    text = capsys.readouterr().out
    for part in ("val", "test"):
        assert embeddings_line(metrics["vectors_alone"][part]) in text
        assert matches_line(metrics["matches"][part], part) in text
    assert text.index("test entities") < text.index("decoder")


def test_figures_of_graphs_whose_names_hold_a_dash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"hits@1": 0.5, "hits@10": 1.0, "mr": 2.0, "mrr": 0.75}
    figures = {"test": {"csls": {**row, "target_to_source": row, "mean": row}}}
    pairs = {"news - en - c": figures, "c - news - de": figures}
    (tmp_path / "metrics.json").write_text(json.dumps({"pairs": pairs}))
    graphs = [["news - en"], ["c"], ["news - de"]]
    config = {"graphs": graphs, "links": [["news - en", "c", "links.tsv"]]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert main(["evaluate", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    for one, other in (("news - en", "c"), ("c", "news - de")):
        assert f"{one} -> {other} " in text
        assert f"{other} -> {one} " in text
    assert text.count("->") == 4


@pytest.mark.skipif(sys.platform != "linux", reason="names of files must be UTF-8")
@pytest.mark.filterwarnings("ignore:.*dropped")
@withPackage("pyarrow")
def test_names_of_files_that_are_not_utf_8(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    images = folder / "images"
    images.mkdir(parents=True)
    for name in ["a0", "b0", *(f"a{i}" for i in range(1, 10))]:
        Image.new("RGB", (4, 4), "red").save(images / f"{name}.png")
    (images / "a0.png").rename(images / os.fsdecode(b"\xe9.png"))
    words = problem(files)
    words.insert(2, f"images={images}")
    out = folder / "run"
    train = ["train", *words, *TINY, "--refits", "0", "--out", str(out)]
    for command in (["inspect", *words], [*train, "--allow-dropped"]):
        assert main(command) == 0
    assert r"caf\udce9/run/alignment.tsv" in capsys.readouterr().out
    assert r"\udce9" in (out / "problems.tsv").read_text(encoding="utf-8")
    for command in (
        ["report", str(out)],
        *(
            ["export", str(out), "--to", str(folder / f"m.{x}")]
            for x in ("tsv", "csv", "nt", "parquet")
        ),
    ):
        assert main(command) == 0
    assert r"caf\udce9" in (out / "report.html").read_text(encoding="utf-8")
    capsys.readouterr()  # Processes of pytest-xdist cannot pass on such names.


def test_two_pairs_of_graphs_with_one_title_are_refused_before_reading(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = problem(files)
    for name in ("a - b", "b - c", "c"):
        words += ["--graph", name, "triples=not_there.tsv"]
    assert main(["train", *words, "--out", str(files / "none")]) == 1
    assert (
        "the graphs ('a', 'b - c') and the graphs ('a - b', 'c') are both 'a - b - c' "
        "in the figures; rename one of them" in capsys.readouterr().err
    )


@pytest.mark.filterwarnings("ignore:.*dropped")
def test_dropped_links_are_listed(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (files / "links.tsv").read_text()
    for count in (3, 30):
        links = tmp_path / f"links{count}.tsv"
        links.write_text(text + "".join(f"A{i}\tb{i}\n" for i in range(count)))
        words = [str(links) if w.endswith("links.tsv") else w for w in problem(files)]
        assert main(["inspect", *words, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert len(found["dropped"]) == count
        assert f"dropped {count} of {120 + count} pairs" in found["problems"][0]
        out = tmp_path / f"run{count}"
        train = ["train", *words, *TINY, "--refits", "0", "--out", str(out)]
        if count == 30:
            assert main(train) == 1
            assert "--allow-dropped" in capsys.readouterr().err
            train.append("--allow-dropped")
        assert main(train) == 0
        with (out / "problems.tsv").open(newline="") as table:
            lines = list(csv.reader(table, delimiter="\t"))
        assert len(lines) == 1 + count
        assert lines[1][1:] == ["121", "links", "a", "A0", "a0", "case"]
        assert main(["align", str(out)]) == 0
        capsys.readouterr()


@pytest.mark.filterwarnings("ignore:.*dropped")
def test_dropped_links_are_listed_before_the_first_epoch(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = tmp_path / "links.tsv"
    links.write_text((files / "links.tsv").read_text() + "A0\tb0\n")
    words = [str(links) if w.endswith("links.tsv") else w for w in problem(files)]
    out = tmp_path / "run"
    words = ["train", *words, *TINY, "--refits", "0", "--out", str(out)]
    table = out / "problems.tsv"

    def crashes(training: Training) -> dict[str, float]:
        assert "A0" in table.read_text()
        raise SystemExit(9)

    monkeypatch.setattr(Training, "train_epoch", crashes)
    with pytest.raises(SystemExit):
        main(words)
    written = table.read_text()
    table.unlink()  # Of a run from before it was written so early.
    monkeypatch.undo()
    assert main([*words, "--resume"]) == 0
    assert table.read_text() == written


def test_align_gives_the_same_again(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (trained / "alignment.tsv").read_text()
    assert main(["align", str(trained)]) == 0
    assert "60 matches" in capsys.readouterr().out
    assert (trained / "alignment.tsv").read_text() == before


def test_evaluate_export_and_report(
    trained: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(trained), "--json"]) == 0
    metrics = json.loads(capsys.readouterr().out)
    assert main(["evaluate", str(trained)]) == 0
    assert "expected calibration error" in capsys.readouterr().out
    pairs = ["--pairs", str(files / "links.tsv")]
    assert main(["evaluate", str(trained), *pairs, "--json"]) == 0
    judged = json.loads(capsys.readouterr().out)
    assert judged["given"] == 60
    right = metrics["confidence"]["coverage"][-1]["precision"]
    assert judged["right"] / 60 == pytest.approx(right)
    assert main(["evaluate", str(trained), *pairs]) == 0
    assert "60 matches for the source entities" in capsys.readouterr().out
    for name in ("m.nt", "m.tsv", "m.csv", "m.parquet"):
        to = ["--to", str(files / name), "--min-confidence", "0.1", "--one-to-one"]
        assert main(["export", str(trained), *to]) == 0
        assert (files / name).stat().st_size > 0
    capsys.readouterr()
    assert main(["export", str(trained), "--to", str(files / "m.nt"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["matches"] == 60
    assert main(["report", str(trained)]) == 0
    page = (trained / "report.html").read_text()
    assert "Hardest errors" in page
    assert "name " in page


def test_resume_takes_the_same_options(
    trained: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(trained)]
    assert main(["train", *problem(files), *TINY, *out]) == 1
    assert "already holds another run" in capsys.readouterr().err
    assert main(["train", *problem(files), *TINY, *out, "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run"] == str(trained)
    assert main(["train", *problem(files), *out, "--resume"]) == 1
    assert "another configuration" in capsys.readouterr().err


def test_what_a_user_can_put_right(
    trained: Path, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text("{}")
    for words, message in [
        (["inspect"], "give two graphs with --graph"),
        (["inspect", *problem(files), "--graph", "a", "rdf=x.nt"], "different names"),
        (["inspect", *problem(files), "--graph", "c", "rdf=x.nt"], "no file"),
        (["train", *problem(files), "--epochs", "0"], "error: --epochs must"),
        (["train", *problem(files), "--beta", "-1"], "--beta must be non-negative"),
        (["inspect", *problem(files), "--val-ratio", "2"], "--val-ratio must "),
        (["train", *problem(files), "--modalities", "taste"], "'taste' is absent"),
        (["train", *problem(files), "--device", "abacus"], "'abacus' cannot be used"),
        (
            [
                "train",
                *problem(files),
                *TINY,
                "--lr",
                "1e25",
                "--out",
                str(tmp_path / "diverged"),
            ],
            "lower the learning rate",
        ),
        (["inspect", *problem(files), "--links", "b", "a", "x"], "is given twice"),
        (
            ["inspect", *problem(files), "--links", "a", "a", "x"],
            "names a graph twice",
        ),
        (["inspect", *problem(files), "--name-encoder", "x"], "no encoder 'x'"),
        (
            ["inspect", *problem(files), "--image-encoder", "vision:x"],
            "no vision model",
        ),
        (["align", str(tmp_path)], "was not written by `pyg-ibmea train`"),
        (
            ["align", str(trained), "--device", "abacus"],
            "device 'abacus' cannot be used",
        ),
        (
            f"export {trained} --to z --what embeddings --device abacus".split(),
            "device 'abacus' cannot be used",
        ),
        (
            ["export", str(trained), "--to", "y.nt", "--device", "cpu"],
            "--device is for --what embeddings: matches are read from files",
        ),
        (["evaluate", str(tmp_path)], "has the training ended"),
        (["report", str(tmp_path)], "has the training ended"),
        (["export", str(tmp_path / "x"), "--to", "y.nt"], "is not a run folder"),
    ]:
        assert main(words) == 1, words
        err = capsys.readouterr().err
        assert message in err, (words, err)
        assert err.splitlines()[-1].startswith("error: ")
        assert "Traceback" not in err
    for words in ([], ["fly"], ["train", "--epochs", "many"]):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert stopped.value.code == 2
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--help"])
    assert stopped.value.code == 0
    assert "known pairs of graphs A and B" in capsys.readouterr().out


def test_without_validation_pairs(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    words = [*problem(files), *TINY, "--val-ratio", "0", "--refits", "2"]
    assert main(["train", *words, "--out", str(out)]) == 0
    assert "test pairs" in capsys.readouterr().out
    # There is nothing by which twins of the refits could be judged.
    parts = sorted(part.name for part in out.iterdir() if part.is_dir())
    assert parts == ["refit_0", "refit_1"]
    before = (out / "alignment.tsv").read_text()
    assert main(["align", str(out)]) == 0
    assert (out / "alignment.tsv").read_text() == before


def test_where_all_is_known_nothing_is_left_to_align(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*problem(files), "--ratio", "1"]
    assert main(["inspect", *words]) == 0
    assert "all entities of 'a' are in seed pairs" in capsys.readouterr().out
    out = tmp_path / "run"
    assert main(["train", *words, *TINY, "--refits", "1", "--out", str(out)]) == 0
    assert (out / "alignment.tsv").read_text().count("\n") == 1
    assert "val" in json.loads((out / "metrics.json").read_text())
    assert main(["report", str(out)]) == 0
    assert main(["export", str(out), "--to", str(tmp_path / "same.nt")]) == 0


def test_what_is_encoded_is_found_again(files: Path, trained: Path) -> None:
    kept = json.loads((trained / "config.json").read_text())["cache"]
    assert kept == str(files / "cache")


@pytest.fixture(scope="module")
def three(files: Path) -> Path:
    """A run of three graphs; c is a under other names."""
    text = (files / "a.tsv").read_text()
    (files / "c.tsv").write_text(text.replace("a", "c"))
    links = [f"a{i}\tc{i}\n" for i in range(120)]
    (files / "links_c.tsv").write_text("".join(links))
    words = [*problem(files), "--graph", "c", f"triples={files / 'c.tsv'}"]
    words += ["--links", "a", "c", str(files / "links_c.tsv")]
    out = files / "three"
    assert main(["train", *words, *TINY, "--refits", "1", "--out", str(out)]) == 0
    return out


def test_three_graphs(
    three: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clusters = (three / "clusters.tsv").read_text().splitlines()
    assert clusters[0].split("\t") == ["a", "b", "c", "confidence"]
    before = (three / "alignment.tsv").read_text()
    (three / "clusters.tsv").unlink()
    capsys.readouterr()
    assert main(["align", str(three), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [line["graphs"] for line in said] == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert (three / "alignment.tsv").read_text() == before
    assert (three / "clusters.tsv").read_text().splitlines() == clusters
    assert main(["evaluate", str(three)]) == 0
    assert "around cycles of graphs" in capsys.readouterr().out
    pairs = ["--pairs", str(files / "links.tsv")]
    assert main(["evaluate", str(three), *pairs]) == 1
    assert "choose the two graphs" in capsys.readouterr().err
    assert main(["evaluate", str(three), *pairs, "--graphs", "b", "a"]) == 1
    assert "no matches from 'b' to 'a', but from 'a'" in capsys.readouterr().err
    assert main(["evaluate", str(three), *pairs, "--graphs", "a", "b", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["given"] == 60
    to = ["--to", str(files / "three.nt"), "--graphs", "a", "c"]
    assert main(["export", str(three), *to]) == 0
    assert "60 matches" in capsys.readouterr().out
    assert main(["report", str(three)]) == 0
    page = (three / "report.html").read_text()
    assert "<option>a - b</option>" in page
    assert "How far to trust it (b - c)" in page


def test_embeddings_and_merged_graph(
    three: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = files / "embeddings"
    words = ["export", str(three), "--what", "embeddings", "--to", str(to)]
    assert main(words) == 0
    assert "embeddings in" in capsys.readouterr().out
    ids = (to / "a.ids.txt").read_text().splitlines()
    z = np.load(to / "a.npy")
    assert len(ids) == len(z) == 120
    assert "a0" in ids
    merged = files / "merged.pt"
    assert main(["export", str(three), "--what", "merged", "--to", str(merged)]) == 0
    capsys.readouterr()
    data = HeteroData.from_dict(torch.load(merged, weights_only=True))
    # The 60 known pairs of three graphs at least are one entity each.
    assert 120 <= data["entity"].num_nodes <= 3 * 120 - 2 * 60
    words = ["export", str(three), "--what", "merged", "--to", str(files / "m.txt")]
    assert main(words) == 1
    assert "must end in .nt or .pt" in capsys.readouterr().err


@settings(max_examples=60, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    words=st.lists(
        st.sampled_from(
            ["inspect", "evaluate", "export", "align", "report", "--graph", "--links",
             "a", "b", "triples=t.tsv", "rdf=g.nt", "leaves=drop", "--to", "x.nt",
             "--json", "--ratio", "0.5", "-1", "nan", "run", "images=."]
        ) | st.text(max_size=5),
        max_size=9,
    ),
    table=st.binary(max_size=60),
)  # fmt: skip
def test_any_command_line_ends_with_an_exit_code(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    table: bytes,
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    monkeypatch.chdir(folder)
    for name in ("t.tsv", "g.nt"):
        (folder / name).write_bytes(table)
    try:
        code = main(words)
    except SystemExit as stopped:
        code = stopped.code or 0
    assert code in (0, 1, 2)
    assert {path.name for path in folder.iterdir()} <= {"t.tsv", "g.nt"}


def test_interrupted_training_says_how_to_resume(
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train_epoch = Training.train_epoch

    def interrupted(training: Training) -> dict[str, float]:
        os.kill(os.getpid(), signal.SIGTERM)
        return train_epoch(training)

    out = tmp_path / "run"
    words = ["train", *problem(files), *TINY, "--refits", "0", "--out", str(out)]
    monkeypatch.setattr(Training, "train_epoch", interrupted)
    assert main(words) == 130
    err = capsys.readouterr().err
    assert f"stopped after epoch 0 of {out}; resume the run with --resume" in err
    monkeypatch.undo()
    assert main([*words, "--resume"]) == 0
    whole = tmp_path / "whole"
    assert main([*words[:-1], str(whole)]) == 0
    # As if it had never been interrupted.
    for name in ("alignment.tsv", "pseudo_seeds.tsv"):
        assert (out / name).read_text() == (whole / name).read_text()


def test_run_of_version_0_1_is_read(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    shutil.copytree(trained, out)
    config = json.loads((out / "config.json").read_text())
    for name in ("modal_dropout", "init_logstd", "count_modalities"):
        del config[name]
    config |= {
        "bottleneck": "features",
        "beta": "1e-4,relation=1e-3,attribute=1e-3",
    }
    (out / "config.json").write_text(json.dumps(config))
    (out / "alignment.tsv").unlink()
    assert main(["align", str(out)]) == 0
    same = (out / "alignment.tsv").read_text()
    assert same == (trained / "alignment.tsv").read_text()
    capsys.readouterr()


def test_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pyg_ibmea", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == __version__


def test_what_is_our_fault_is_a_traceback_that_asks_for_a_report(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(path: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("pyg_ibmea.cli._commands.read_config", fail)
    assert main(["evaluate", str(trained)]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "KeyError: 'a bug'" in err
    assert "please report it" in err.splitlines()[-1]


def test_what_a_user_can_put_right_has_a_traceback_only_if_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for debug in ([], ["--debug"]):
        assert main(["evaluate", str(tmp_path), *debug]) == 1
        err = capsys.readouterr().err
        assert ("Traceback" in err) == bool(debug)
        assert err.splitlines()[-1].startswith("error: ")

    for error in (
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    ):

        def too_much(path: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr("pyg_ibmea.cli._commands.read_config", too_much)
        assert main(["evaluate", str(tmp_path)]) == 1
        assert capsys.readouterr().err.startswith("error: the memory is used up")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written(trained: Path) -> None:
    command = [sys.executable, "-m", "pyg_ibmea", "evaluate", str(trained)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: [Errno 28]")
    assert "Traceback" not in done.stderr


def test_output_that_nobody_reads_to_its_end(trained: Path) -> None:
    command = [sys.executable, "-m", "pyg_ibmea", "evaluate", str(trained)]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = subprocess.run(
            command, stdout=closed, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "")


def test_all_known_pairs_as_validation_pairs_leave_nothing_to_learn_from(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*problem(files), *TINY, "--val-ratio", "1", "--out", str(tmp_path / "run")]
    assert main(["train", *words]) == 1
    assert "there are no training pairs to learn from" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
