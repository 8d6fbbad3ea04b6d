"""Why, and several matches, from the command line and a run folder."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from pyg_ibmea import Alignment
from pyg_ibmea.cli import main

pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explained")
    random = np.random.default_rng(0)
    triples = np.unique(random.integers(0, [80, 3, 80], (600, 3)), axis=0)
    for side in "ab":
        kept = triples[random.random(len(triples)) < 0.9]
        rows = [f"{side}{h}\tr{r}\t{side}{t}\n" for h, r, t in kept]
        # Everything has one of two types.
        rows += [f"{side}{i}\ttype\t{side}type{i % 2}\n" for i in range(80)]
        (folder / f"{side}.tsv").write_text("head\trelation\ttail\n" + "".join(rows))
    links = [f"a{i}\tb{i}\n" for i in range(80)]
    (folder / "links.tsv").write_text("source\ttarget\n" + "".join(links))
    return folder


@pytest.fixture(scope="module")
def run(files: Path) -> Path:
    words = ["--links", "a", "b", str(files / "links.tsv"), "--ratio", "0.5"]
    for side in "ab":
        words += ["--graph", side, f"triples={files / side}.tsv"]
    words += ["--epochs", "4", "--eval-every", "4", "--graph-channels", "16",
              "--modal-channels", "8", "--no-iterative", "--refits", "0"]  # fmt: skip
    out = files / "run"
    assert main(["train", *words, "--out", str(out)]) == 0
    return out


def test_a_match_is_explained_with_its_runner_up(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    matches = Alignment.load(run / "alignment.tsv")
    match = next(m for m in matches if m.source in {f"a{i}" for i in range(80)})
    plot = tmp_path / "why.svg"
    words = ["explain", str(run), match.source]
    assert main([*words, "--plot", str(plot)]) == 0
    text = capsys.readouterr().out
    assert f"{match.source} = {match.target} (a - b)" in text
    assert f"runner-up: {match.runner_up}" in text
    assert f"the plot is in {plot}" in text
    assert "<svg" in plot.read_text(encoding="utf-8")
    values = re.findall(r"^ +([+-][\d.]+)  \S", text, re.M)
    assert sum(map(float, values)) == pytest.approx(match.score, abs=0.02)
    assert main([*words, "--json", "--facts", "50"]) == 0
    said = json.loads(capsys.readouterr().out)
    total = sum(term["value"] for term in said["contributions"])
    assert total == pytest.approx(match.score, abs=1e-4)
    assert said["confidence"] == pytest.approx(match.confidence, abs=1e-6)
    assert said["runner_up"]["target"] == match.runner_up
    assert main([*words, match.runner_up, "--json"]) == 0
    other = json.loads(capsys.readouterr().out)
    assert other["score"] == pytest.approx(match.score - match.margin, abs=1e-4)
    assert match.target in other["notes"][0]
    # From Python, by the table alone.
    why = matches.explain(match.source)
    assert why.score == pytest.approx(said["score"], abs=1e-6)


def test_what_cannot_be_explained(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text("{}")
    found = set(Alignment.load(run / "alignment.tsv").uris["a"])
    known = next(f"a{i}" for i in range(80) if f"a{i}" not in found)
    for words, message in [
        (["explain", str(tmp_path), "a1"], "in Python, give the data: Aligner.load("),
        (["explain", str(run), "nobody"], "there is no entity 'nobody' in 'a'"),
        (["explain", str(run), known], f"{known!r} is in the known pair {known} = b"),
        (["explain", str(run), "a1", "--plot", "x.txt"], "must end in .png, .svg or"),
        (["explain", str(run), "a1", "--facts", "-1"], "--facts must be at least 0"),
        (["explain", str(tmp_path / "x"), "a1"], "is not a run folder"),
        (["align", str(run), "--k", "2"], "--k: say with --to FILE where to write"),
        (["align", str(run), "--k", "0", "--to", "x.tsv"], "k must be at least 1"),
        (["align", str(run), "--to", "x.sssom.csv"], "and not in .sssom.csv"),
        (
            ["align", str(run), "--same-type", "kind", "--to", "x.tsv"],
            "graph 'a' has no relation 'kind' that could lead to types; there are",
        ),
    ]:
        assert main(words) == 1, words
        assert message in capsys.readouterr().err, words


def test_several_matches_of_some_entities(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run / "alignment.tsv").read_bytes()
    usual = Alignment.load(run / "alignment.tsv")
    wanted = [m.source for m in usual if m.source != "atype0"][:5]
    (tmp_path / "some.tsv").write_text("entity\n" + "\n".join(wanted) + "\n")
    to = tmp_path / "several.csv"
    words = ["align", str(run), "--k", "3", "--to", str(to)]
    assert main([*words, "--sources", str(tmp_path / "some.tsv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["matches"] == 15
    found = Alignment.load(to)
    assert [m.source for m in found] == [name for name in wanted for _ in range(3)]
    best = {m.source: m.target for m in usual}
    assert [m.target for m in found][::3] == [best[name] for name in wanted]
    assert main([*words, "--cardinality", "one-to-one"]) == 0
    one = Alignment.load(to)
    assert len({m.source for m in one}) == len({m.target for m in one}) == len(one)
    targets = tmp_path / "targets.tsv"
    targets.write_text("entity\n" + "\n".join({m.target for m in one}) + "\n")
    assert main([*words, "--targets", str(targets), "--same-type", "type"]) == 0
    typed = [m for m in Alignment.load(to) if "type" not in m.source + m.target]
    assert typed
    assert all(int(m.source[1:]) % 2 == int(m.target[1:]) % 2 for m in typed)
    assert (run / "alignment.tsv").read_bytes() == before


def test_the_report_shows_the_evidence(run: Path) -> None:
    assert main(["report", str(run), "--evidence", "7"]) == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    found = re.search(r'id="evidence">(.*?)</script>', page, re.S)
    assert found is not None
    told = json.loads(found.group(1))
    assert len(told["rows"]) == 7
    matches = Alignment.load(run / "alignment.tsv")
    for match, row in zip(matches[:7], told["rows"], strict=True):
        assert sum(term[1] for term in row) == pytest.approx(match.score, abs=0.01)
    assert main(["report", str(run), "--evidence", "0"]) == 0
    assert 'id="evidence"' not in (run / "report.html").read_text(encoding="utf-8")
    # Where the models are gone, the page is written without it.
    (run / "checkpoint.pt").rename(run / "elsewhere.pt")
    with pytest.warns(UserWarning, match="the page shows no evidence for matches"):
        assert main(["report", str(run)]) == 0
    (run / "elsewhere.pt").rename(run / "checkpoint.pt")
