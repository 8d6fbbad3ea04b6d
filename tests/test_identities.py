"""Odd names, byte for byte from tables through training and export to evaluation."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from pyg_ibmea.align import Alignment
from pyg_ibmea.cli import main
from pyg_ibmea.data.readers.link_tables import read_pairs

pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
TINY = ["--epochs", "1", "--eval-every", "1", "--graph-channels", "8", "--refits", "0",
        "--modal-channels", "8", "--propose-from", "2"]  # fmt: skip
ODD = [
    *("tab\there", "line\nend", "return\rhere", "\r", 'say "hi"', "=1+1", "-1", "@x"),
    *(
        "blank after ",
        " before",
        "\u202eright to left",
        "\\t",
        "C:\\temp",
        "\U0001f600",
    ),
    *("http://x/東京", "http://x/a b", "http://x/a%20b", "http://x/a\xa0b", "é\u2028"),
    *("urn:x-entity:a%20b", "a b", "a%20b", "e\u0301", "\xe9", "<b>&amp;", "\x7f\x85"),
    # Python 3.10 reads no CSV with a zero byte.
    *(["zero\0byte"] if sys.version_info >= (3, 11) else []),
]


def write(path: Path, rows: list[tuple[str, ...]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    random = np.random.default_rng(0)
    names = [*ODD, *(f"plain {i}" for i in range(60 - len(ODD)))]
    triples = random.integers(0, [60, 3, 60], (400, 3)).tolist()
    words = ["train"]
    for side in "ab":
        rows = [(names[h] + side, f"in\t{r}", names[t] + side) for h, r, t in triples]
        rows += [(names[i] + side, "next", names[i - 1] + side) for i in range(60)]
        table = write(folder / f"{side}.csv", rows)
        words += ["--graph", side, f"triples={table}"]
    pairs = [(name + "a", name + "b") for name in names]
    known = write(folder / "known.csv", pairs[len(ODD) :])
    write(folder / "pairs.csv", pairs[: len(ODD)])
    words += ["--links", "a", "b", str(known), "--cache", str(folder / "cache")]
    assert main([*words, *TINY, "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_run_has_all_names(run: Path) -> None:
    matches = Alignment.load(run / "alignment.tsv")
    assert {match.source for match in matches} == {name + "a" for name in ODD}


@pytest.mark.parametrize("suffix", ["tsv", "csv", "parquet", "nt"])
def test_evaluation_by_an_export_is_perfect(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    for library in {"parquet": ["pyarrow"], "nt": ["pyoxigraph"]}.get(suffix, []):
        pytest.importorskip(library)
    to = tmp_path / f"m.{suffix}"
    assert main(["export", str(run), "--to", str(to)]) == 0
    matches = Alignment.load(run / "alignment.tsv")
    exported = list(read_pairs(to))
    assert exported == [(match.source, match.target) for match in matches]
    capsys.readouterr()
    assert main(["evaluate", str(run), "--pairs", str(to), "--json"]) == 0
    judged = json.loads(capsys.readouterr().out)
    assert judged["precision"] == judged["recall"] == 1
    assert judged["pairs"] == len(ODD)


def test_merged_graph_is_read_back(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyoxigraph")
    from pyg_ibmea.data import read_rdf

    to = tmp_path / "m.nt"
    words = ["export", str(run), "--what", "merged", "--to", str(to)]
    assert main([*words, "--min-confidence", "1"]) == 0
    read = read_rdf("m", to)
    assert {name + "a" for name in ODD} <= set(read.entities)
    assert set(read.relations) == {"next", "in\t0", "in\t1", "in\t2"}


def test_cells_are_safe_on_demand(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(run), "--safe-cells", "--to"]
    assert main([*words, str(tmp_path / "m.csv")]) == 0
    sources = {match.source for match in Alignment.load(tmp_path / "m.csv")}
    assert {"'=1+1a", "'-1a", "'@xa", "'\ra", "http://x/東京a"} <= sources
    assert not {"=1+1a", "-1a", "@xa", "\ra"} & sources
    capsys.readouterr()
    assert main([*words, str(tmp_path / "m.nt")]) == 1
    assert "only .tsv, .csv have cells" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "m.nt"), "--what", "merged"]) == 1
    assert "--safe-cells is for matches" in capsys.readouterr().err


def test_matches_in_parts(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyarrow")
    parts = tmp_path / "parts.parquet"
    words = ["export", str(run), "--rows-per-file", "2", "--to", str(parts)]
    assert main(words) == 0
    assert list(Alignment.load(parts)) == list(Alignment.load(run / "alignment.tsv"))
    assert main([*words, "--what", "merged", "--to", "m.nt"]) == 1
    assert "--rows-per-file is for matches" in capsys.readouterr().err
