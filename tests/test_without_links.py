"""Alignment without known pairs: from files by commands, and by the front door."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pyg_ibmea.align import Alignment
from pyg_ibmea.aligner import Aligner
from pyg_ibmea.cli import main
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.problem import links_between, links_of, set_labels

pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
TINY = ["--epochs", "2", "--eval-every", "2", "--graph-channels", "16",
        "--modal-channels", "8", "--refits", "0"]  # fmt: skip
NAMED = 60


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two graphs of one world; half of the entities have names."""
    folder = tmp_path_factory.mktemp("files")
    random = np.random.default_rng(0)
    triples = np.unique(random.integers(0, [120, 4, 120], (700, 3)), axis=0)
    words = ["".join(random.choice(list("abcdefghijklmnop"), 9)) for _ in range(NAMED)]
    for side in "ab":
        kept = triples[random.random(len(triples)) < 0.8]
        rows = [f"{side}{h}\tr{r}\t{side}{t}\n" for h, r, t in kept]
        (folder / f"{side}.tsv").write_text("".join(rows))
        names = [f"{side}{i}\t{word}\n" for i, word in enumerate(words)]
        (folder / f"{side}_names.tsv").write_text("".join(names))
    links = [f"a{i}\tb{i}\n" for i in range(120)]
    (folder / "links.tsv").write_text("".join(links))
    return folder


def graphs(files: Path, named: bool = True) -> list[str]:
    words = []
    for side in "ab":
        words += ["--graph", side, f"triples={files / side}.tsv"]
        words += [f"names={files / side}_names.tsv"] * named
    return [*words, "--cache", str(files / "cache")]


@pytest.fixture(scope="module")
def trained(files: Path) -> Path:
    out = files / "run"
    assert main(["train", *graphs(files), *TINY, "--out", str(out)]) == 0
    return out


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as table:
        return list(csv.DictReader(table, delimiter="\t"))


def test_training_without_links(
    trained: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    anchors = rows(trained / "anchors.tsv")
    assert len(anchors) >= NAMED
    reasons = [row["reason"] for row in anchors]
    assert sum(reason.startswith("equal labels") for reason in reasons) == NAMED
    assert any(reason.startswith("both ") for reason in reasons)
    figures = json.loads((trained / "metrics.json").read_text())["anchors"]
    assert figures["kinds"] == {"equal labels": NAMED}
    assert figures["seed_pairs"] == len(anchors)
    assert "all" not in figures  # No link is known.
    found = Alignment.load(trained / "alignment.tsv")
    assert len(found) == 120  # The seed pairs are among them.
    two = {(row["source"], row["target"]) for row in anchors}
    assert two <= {(match.source, match.target) for match in found}
    before = (trained / "alignment.tsv").read_text()
    assert main(["align", str(trained)]) == 0
    assert (trained / "alignment.tsv").read_text() == before
    pairs = ["--pairs", str(files / "links.tsv"), "--json"]
    capsys.readouterr()
    assert main(["evaluate", str(trained), *pairs]) == 0
    judged = json.loads(capsys.readouterr().out)
    assert (judged["known"], judged["pairs"]) == (0, 120)
    assert judged["right"] >= 100
    merged = files / "merged.nt"
    words = ["--what", "merged", "--to", str(merged)]
    assert main(["export", str(trained), *words]) == 0
    assert merged.read_text().count("owl#sameAs") >= NAMED


def test_links_that_only_judge_change_nothing(
    trained: Path, files: Path, tmp_path: Path
) -> None:
    words = [*graphs(files), "--links", "a", "b", str(files / "links.tsv")]
    out = tmp_path / "run"
    words += ["--ratio", "0", *TINY, "--out", str(out)]
    assert main(["train", *words]) == 0
    assert (out / "anchors.tsv").read_text() == (trained / "anchors.tsv").read_text()
    assert (out / "alignment.tsv").read_text() == (
        trained / "alignment.tsv"
    ).read_text()
    figures = json.loads((out / "metrics.json").read_text())["anchors"]
    found = Alignment.load(out / "alignment.tsv")
    right = sum(m.source[1:] == m.target[1:] for m in found)
    assert (figures["all"]["right"], figures["all"]["asked"]) == (right, 120)
    anchors = rows(out / "anchors.tsv")
    true = sum(row["source"][1:] == row["target"][1:] for row in anchors)
    assert figures["seeds"]["right"] == true
    assert figures["seeds"]["asked"] == len(anchors)


def test_inspect_counts_anchors(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", *graphs(files)]) == 0
    said = capsys.readouterr().out
    assert f"a - b: without known pairs, {NAMED} anchors ({NAMED} by equal lab" in said
    assert main(["inspect", *graphs(files), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["anchors"]
    assert found == {"a - b": {"equal labels": NAMED}}


def test_matches_without_training(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    words = [*graphs(files), "--without-training", "--out", str(out)]
    assert main(["train", *words]) == 0
    said = capsys.readouterr()
    assert "more probable than not" in said.out
    assert f"a - b: {NAMED} anchors ({NAMED} by equal labels)" in said.err
    found = Alignment.load(out / "alignment.tsv")
    right = sum(m.source[1:] == m.target[1:] for m in found)
    assert right >= 110
    assert main(["export", str(out), "--to", str(out / "found.nt")]) == 0
    assert "NOT calibrated" in capsys.readouterr().out
    assert main(["train", *words]) == 1
    assert "already holds another run" in capsys.readouterr().err
    words = [*words[:-1], str(tmp_path / "json"), "--json"]
    assert main(["train", *words]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["anchors"]["kinds"] == {"equal labels": NAMED}


def test_names_from_uris_only_when_asked(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for side in "ab":
        text = (files / f"{side}.tsv").read_text().replace(side, f"http://{side}/e_")
        (tmp_path / f"{side}.tsv").write_text(text)
    words = [*graphs(tmp_path, named=False), "--out", str(tmp_path / "run")]
    assert main(["train", *words, "--without-training"]) == 1
    assert "nothing identifies an entity in both graphs" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert main(["train", *words, "--without-training", "--labels-from-uris"]) == 0
    assert rows(tmp_path / "run" / "anchors.tsv")[0]["reason"].startswith("equal")


def test_known_pairs_are_used_where_there_are_any(files: Path, tmp_path: Path) -> None:
    words = [*graphs(files), "--links", "a", "b", str(files / "links.tsv")]
    out = tmp_path / "run"
    assert main(["train", *words, "--ratio", "0.5", *TINY, "--out", str(out)]) == 0
    assert not (out / "anchors.tsv").exists()
    assert "anchors" not in json.loads((out / "metrics.json").read_text())


def test_the_front_door_without_links(capsys: pytest.CaptureFixture[str]) -> None:
    data = SyntheticMMKG(num_entities=100)[0]
    for kg in data.node_types:
        set_labels(data, kg, [[f"name {i}"] for i in range(100)])
    del data["source", "same_as", "target"]
    aligner = Aligner(epochs=2, graph_channels=16, device="cpu").fit(data)
    assert "100 by equal labels" in capsys.readouterr().err
    found = aligner.align()
    assert sorted(found.source.tolist()) == list(range(100))
    known = links_of(aligner._trained.data, "train")
    assert torch.equal(known[0], known[1])
    assert ("source", "same_as", "target") not in data.edge_types
    again = aligner.align(data)
    assert again.target.tolist() == found.target.tolist()


def test_without_anything_to_go_by_nothing_is_trained(tmp_path: Path) -> None:
    data = SyntheticMMKG(num_entities=100)[0]
    for kg in data.node_types:
        for modality in ("image", "name"):
            del data[kg][f"x_{modality}"], data[kg][f"mask_{modality}"]
    store = links_between(data, ("source", "target"))
    store.test_mask = torch.ones_like(store.train_mask)
    store.train_mask = store.val_mask = torch.zeros_like(store.train_mask)
    with pytest.raises(ValueError, match="nothing identifies an entity in both graphs"):
        Aligner(epochs=2, device="cpu").fit(data, tmp_path / "run")
    assert not (tmp_path / "run").exists()
