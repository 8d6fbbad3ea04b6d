"""``evaluate`` and the endings of files, on a run of two small graphs."""

import json
from pathlib import Path

import numpy as np
import pytest

from pyg_ibmea.align import Alignment
from pyg_ibmea.cli import main

pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
TINY = ["--epochs", "1", "--eval-every", "1", "--graph-channels", "8", "--refits", "0",
        "--modal-channels", "8", "--propose-from", "2"]  # fmt: skip
SEEDS = 30


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate")
    random = np.random.default_rng(0)
    triples = random.integers(0, [50, 3, 50], (300, 3)).tolist()
    triples += [[i, 0, (i - 1) % 50] for i in range(50)]
    words = ["train"]
    for side in "ab":
        rows = [f"{side}{h}\tr{r}\t{side}{t}\n" for h, r, t in triples]
        (folder / f"{side}.tsv").write_text("".join(rows))
        words += ["--graph", side, f"triples={folder / side}.tsv"]
    links = [f"a{i}\tb{i}\n" for i in range(SEEDS)]
    (folder / "links.tsv").write_text("".join(links))
    words += ["--links", "a", "b", str(folder / "links.tsv")]
    words += ["--cache", str(folder / "cache")]
    assert main([*words, *TINY, "--out", str(folder / "run")]) == 0
    return folder / "run"


def pairs_of(run: Path, path: Path, seeds: int, exchanged: bool = False) -> Path:
    """What the run found, all of it right, and some of its seed pairs."""
    found = [(m.source, m.target) for m in Alignment.load(run / "alignment.tsv")]
    found += [(f"a{i}", f"b{i}") for i in range(seeds)]
    rows = [two[::-1] if exchanged else two for two in found]
    path.write_text("".join("\t".join(row) + "\n" for row in rows))
    return path


def test_seed_pairs_are_not_missed(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(run), "--pairs"]
    for seeds in (0, 12, SEEDS):
        pairs = pairs_of(run, tmp_path / "pairs.tsv", seeds)
        capsys.readouterr()
        assert main([*words, str(pairs), "--json"]) == 0
        judged = json.loads(capsys.readouterr().out)
        assert (judged["pairs"], judged["known"]) == (20, seeds)
        assert judged["precision"] == judged["recall"] == 1
        # Twenty of twenty: Wilson's interval is 1 / (1 + 1.96 ** 2 / 20) to 1.
        low = judged["thresholds"][0]["precision_interval"][0]
        assert low == pytest.approx(0.8389, abs=1e-4)
        assert judged["recall_interval"][0] == low
        assert main([*words, str(pairs)]) == 0
        told = capsys.readouterr().out
        assert (f"{seeds} pairs were known to the training" in told) == bool(seeds)
        assert "0.00     20      1.000  [0.839, 1.000]  1.000  [0.839, 1.000]" in told
    assert main([*words, str(run.parent / "links.tsv")]) == 1
    assert f"all {SEEDS} pairs were known" in capsys.readouterr().err


def test_without_the_files_of_the_training_a_note_says_so(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = pairs_of(run, tmp_path / "pairs.tsv", 5)
    moved = (run.parent / "a.tsv").rename(tmp_path / "a.tsv")
    try:
        with pytest.warns(UserWarning, match=r"count as missed.*no file .*a\.tsv"):
            assert main(["evaluate", str(run), "--pairs", str(pairs), "--json"]) == 0
    finally:
        moved.rename(run.parent / "a.tsv")
    assert json.loads(capsys.readouterr().out)["recall"] == 20 / 25


@pytest.mark.parametrize("seeds", [0, 12, SEEDS])
def test_exchanged_columns_are_named(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], seeds: int
) -> None:
    pairs = pairs_of(run, tmp_path / "pairs.tsv", seeds, exchanged=True)
    assert main(["evaluate", str(run), "--pairs", str(pairs)]) == 1
    error = capsys.readouterr().err
    assert "fits the other way round" in error
    assert "exchange the columns" in error


@pytest.mark.parametrize(
    ("what", "name", "message"),
    [
        ("matches", "x.sssom.csv", "or .rdf, and not in .sssom.csv"),
        ("matches", "x.txt", "must end in .tsv, .csv, .parquet, .sssom.tsv, .nt, "),
        ("matches", "x", "must end in .tsv, .csv, .parquet, .sssom.tsv, .nt, "),
        ("matches", "x.nt.gz", "must end in .tsv, .csv, .parquet, .sssom.tsv, .nt, "),
        ("merged", "x.ttl", "must end in .nt or .pt"),
        ("embeddings", "x.tsv", "must be a folder"),
    ],
)
def test_unknown_endings_are_refused(
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    what: str,
    name: str,
    message: str,
) -> None:
    to = tmp_path / name
    assert main(["export", str(run), "--what", what, "--to", str(to)]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_pairs_of_unknown_form_are_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("x.sssom.csv", "x.ods", "x.json.gz"):
        pairs = pairs_of(run, tmp_path / name, 0)
        assert main(["evaluate", str(run), "--pairs", str(pairs)]) == 1
        assert "must end in .csv, .tsv, .txt, .parquet" in capsys.readouterr().err
    for name in ("pairs", "en.fr.tsv", "x.txt"):
        pairs = pairs_of(run, tmp_path / name, 0)
        assert main(["evaluate", str(run), "--pairs", str(pairs)]) == 0


@pytest.mark.parametrize("ending", ["sssom.tsv", "ttl", "jsonld", "rdf", "nt"])
def test_exports_are_read_as_pairs(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    pairs = tmp_path / f"found.{ending}"
    words = ["export", str(run), "--to", str(pairs)]
    exact = ["--exact-from", "0"] if ending in ("sssom.tsv", "ttl", "jsonld") else []
    assert main([*words, *exact]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(run), "--pairs", str(pairs), "--json"]) == 0
    judged = json.loads(capsys.readouterr().out)
    assert judged["right"] == judged["given"] == 20


def test_exact_from_is_for_mappings_only(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(run), "--to", str(tmp_path / "x.nt"), "--exact-from"]
    assert main([*words, "0.5"]) == 1
    assert "--exact-from is for matches in .sssom.tsv, .ttl" in capsys.readouterr().err
    words[3] = str(tmp_path / "x.ttl")
    assert main([*words, "90"]) == 1
    assert "--exact-from must be in [0, 1], got 90.0" in capsys.readouterr().err
