"""A review from the command line: ask, answer, train on, and obey."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch

from pyg_ibmea.align import Alignment
from pyg_ibmea.aligner import Aligner
from pyg_ibmea.cli import main
from pyg_ibmea.cli._continue import next_folder
from pyg_ibmea.cli._problem import read_again
from pyg_ibmea.problem import different_of, links_of
from pyg_ibmea.run_files import read_config
from pyg_ibmea.train import read_answers
from pyg_ibmea.train.continuing import read_pseudo_seeds

pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
TINY = ["--epochs", "4", "--eval-every", "4", "--graph-channels", "16",
        "--modal-channels", "8", "--propose-from", "2", "--propose-every", "1",
        "--propose-easing", "0", "--propose-threshold", "0.2", "--refits", "1",
        "--refit-epochs", "2", "--device", "cpu"]  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    random = np.random.default_rng(0)
    triples = np.unique(random.integers(0, [90, 4, 90], (500, 3)), axis=0)
    for side in "ab":
        kept = triples[random.random(len(triples)) < 0.7]
        rows = [f"{side}{h}\tr{r}\t{side}{t}\n" for h, r, t in kept]
        (folder / f"{side}.tsv").write_text("".join(rows))
    known = [f"a{i}\tb{i}\n" for i in range(40)]
    (folder / "links.tsv").write_text("".join(known))
    return folder


@pytest.fixture(scope="module")
def trained(files: Path) -> Path:
    out = files / "run"
    words = []
    for side in "ab":
        words += ["--graph", side, f"triples={files / side}.tsv"]
    words += ["--links", "a", "b", str(files / "links.tsv")]
    words += ["--cache", str(files / "cache")]
    assert main(["train", *words, *TINY, "--out", str(out)]) == 0
    return out


def matches_of(run: Path) -> set[tuple[str, str]]:
    return {(m.source, m.target) for m in Alignment.load(run / "alignment.tsv")}


@pytest.fixture(scope="module")
def reviewed(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run, with a third of its questions answered by different."""
    table = tmp_path_factory.mktemp("table") / "questions.tsv"
    assert main(["review", str(trained), "--to", str(table), "--number", "15"]) == 0
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) == 15
    for place, row in enumerate(rows):  # Some that are right, to see who obeys.
        row["answer"] = "same" if place % 3 else "different"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    for _ in range(2):  # The second adds nothing.
        assert main(["review", str(trained), "--answers", str(table)]) == 0
    assert len(read_answers(trained)) == 15
    return trained


@pytest.fixture(scope="module")
def continued(reviewed: Path) -> Path:
    before = {p: p.read_bytes() for p in reviewed.rglob("*") if p.is_file()}
    words = ["train", "--continue", str(reviewed), "--device", "cpu"]
    assert main(words) == 0
    assert {p: p.read_bytes() for p in reviewed.rglob("*") if p.is_file()} == before
    return reviewed.with_name("run-2")


def test_a_training_goes_on_and_obeys(reviewed: Path, continued: Path) -> None:
    answers = read_answers(reviewed)
    assert read_answers(continued) == answers
    same = {(a.source, a.target) for a in answers if a.answer == "same"}
    different = {(a.source, a.target) for a in answers if a.answer == "different"}
    assert different <= matches_of(reviewed)  # What it had proposed.
    found = matches_of(continued)
    assert not found & different
    assert not {source for source, _ in found} & {source for source, _ in same}
    config = read_config(continued)
    assert (config["answers"], config["continues"]) == (15, str(reviewed))
    data = read_again(continued, config)
    seeds = {
        (data.uri["a"][i], data.uri["b"][j])
        for i, j in links_of(data, "train").t().tolist()
    }
    assert same <= seeds
    assert len(different_of(data).t()) == len(different)
    adopted = read_pseudo_seeds(continued / "pseudo_seeds.tsv", data)["a", "b"]
    pairs = {(data.uri["a"][i], data.uri["b"][j]) for i, j in adopted.t().tolist()}
    assert not pairs & different


@pytest.mark.parametrize("decoder", ["cosine", "csls", "sinkhorn"])
@pytest.mark.parametrize("search", ["auto", "exact"])
def test_every_decoder_obeys(continued: Path, decoder: str, search: str) -> None:
    data = read_again(continued, read_config(continued))
    aligner = Aligner.load(continued, decoder=decoder, device="cpu")
    count = 0 if search == "auto" else 5
    aligner.options = aligner.options.replace(search=search, num_candidates=count)
    found = aligner.align(data)
    pairs = torch.stack([torch.from_numpy(c) for c in (found.source, found.target)])
    different = {tuple(two) for two in different_of(data).t().tolist()}
    assert len(different) > 3
    assert len(found) > 20
    assert not {tuple(two) for two in pairs.t().tolist()} & different


def test_the_commands_know_the_answers(
    continued: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The models were made with them: reading the run again needs them."""
    before = matches_of(continued)
    assert main(["align", str(continued), "--device", "cpu"]) == 0
    assert matches_of(continued) == before
    capsys.readouterr()
    assert main(["review", str(continued), "--to", str(tmp_path / "more.tsv")]) == 0
    with (tmp_path / "more.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    asked = {(a.source, a.target) for a in read_answers(continued)}
    assert rows
    assert not {(row["source"], row["target"]) for row in rows} & asked


def test_a_run_goes_on_twice_and_keeps_all_answers(
    continued: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = continued.parent / "more.tsv"
    row = ["same", "a", "b", "a50", "b50"]
    head = ["answer", "source_graph", "target_graph", "source", "target"]
    table.write_text("\n".join("\t".join(line) for line in (head, row)) + "\n")
    assert main(["review", str(continued), "--answers", str(table)]) == 0
    words = ["train", "--continue", str(continued), "--device", "cpu"]
    assert main(words) == 0
    third = continued.with_name("run-3")
    answers = read_answers(third)
    assert answers[:15] == read_answers(continued)[:15]
    assert answers[15].source == "a50"
    assert read_config(third)["answers"] == 16
    assert ("a50", "b50") not in matches_of(third)
    # Resuming what has ended loses no later answer.
    table.write_text("\n".join(["\t".join(head), "skip\ta\tb\ta51\tb51", ""]))
    assert main(["review", str(third), "--answers", str(table)]) == 0
    words += ["--out", str(third), "--resume"]
    assert main(words) == 0
    assert [a.source for a in read_answers(third)[15:]] == ["a50", "a51"]


def test_contradictions_are_told(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "copy"
    run.mkdir()
    for name in ("config.json", "alignment.tsv", "metrics.json"):
        (run / name).write_bytes((trained / name).read_bytes())
    table = tmp_path / "table.tsv"
    head = "answer\tsource_graph\ttarget_graph\tsource\ttarget\n"
    rows = ["same\ta\tb\ta0\tb1\n", "same\ta\tb\ta60\tb60\n", "same\ta\tb\ta60\tb61\n"]
    table.write_text(head + "".join(rows))
    assert main(["review", str(run), "--answers", str(table), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["answers"] == 3
    assert "they contradict a known pair: 1 pair, such as a0 - b1" in "".join(
        found["notes"]
    )
    assert "give an entity two counterparts: 2 pairs" in "".join(found["notes"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "--continue", "RUN", "--epochs", "9"], "leave out --epochs"),
        (["train", "--continue", "RUN", "--seed", "1"], "leave out --seed"),
        (["train", "--continue", "RUN", "--out", "RUN"], "the run that is continued"),
        (["train", "--continue", "NONE"], "is not a run folder"),
        (["review", "RUN", "--number", "0"], "--number must be at least 1"),
        (["review", "RUN", "--port", "65536"], "--port must lie in 0 to 65535"),
        (["review", "RUN", "--terminal", "--to", "x.tsv"], "give one of --to"),
        (["review", "NONE"], "is not a run folder"),
    ],
)
def test_what_cannot_be_asked_for(
    trained: Path,
    tmp_path: Path,
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = {"RUN": str(trained), "NONE": str(tmp_path / "none")}
    assert main([names.get(word, word) for word in words]) == 1
    assert message in capsys.readouterr().err


def test_free_folders(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert next_folder(run) == tmp_path / "run-2"
    (tmp_path / "run-2").mkdir()
    assert next_folder(run) == tmp_path / "run-3"
    assert next_folder(tmp_path / "run-2") == tmp_path / "run-3"
    assert next_folder(tmp_path / "2026-01").name == "2026-2"


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT for a child process")
def test_the_page_and_its_end(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "copy"
    run.mkdir()
    for name in ("config.json", "alignment.tsv", "metrics.json"):
        (run / name).write_bytes((trained / name).read_bytes())
    command = [sys.executable, "-m", "pyg_ibmea", "review", str(run), "--no-browser"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"(\d+) questions at (http://127.0.0.1:\d+/\S+/)$", line)
    assert found is not None
    data = json.dumps({"number": 0, "answer": "same"}).encode()
    request = urllib.request.Request(
        found[2] + "answer", data, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        assert json.loads(reply.read())["progress"]["same"] == 1
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert out.strip().splitlines()[-1] == (
        f"1 answer is in {run / 'answers.tsv'}; learn from it with "
        f"pyg-ibmea train --continue {run}"
    )
    assert len(read_answers(run)) == 1
