"""The command line under several processes: the first writes and prints."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from started_processes import Forked

from pyg_ibmea import Aligner
from pyg_ibmea.datasets import SyntheticMMKG

pytestmark = pytest.mark.slow
TINY = ["--epochs", "4", "--eval-every", "2", "--graph-channels", "8",
        "--modal-channels", "4", "--propose-from", "2", "--propose-every", "1",
        "--propose-easing", "0", "--propose-threshold", "0.2", "--ratio", "0.5",
        "--refits", "1", "--refit-epochs", "2", "--device", "cpu"]  # fmt: skip
EXAMPLE = Path(__file__).parents[2] / "examples" / "train_mmea.py"


@pytest.fixture
def words(tmp_path):
    """The command of a training on two tiny graphs, without its run folder."""
    random, size = np.random.default_rng(0), 40
    triples = np.unique(random.integers(0, [size, 4, size], (6 * size, 3)), axis=0)
    for side in "ab":
        kept = triples[random.random(len(triples)) < 0.8]
        rows = [f"{side}{h}\tr{r}\t{side}{t}\n" for h, r, t in kept]
        (tmp_path / f"{side}.tsv").write_text("".join(rows))
    links = [f"a{i}\tb{i}\n" for i in range(size)]
    (tmp_path / "links.tsv").write_text("".join(links))
    found = ["-m", "pyg_ibmea", "train", *TINY]
    for side in "ab":
        found += ["--graph", side, f"triples={tmp_path / side}.tsv"]
    return [*found, "--links", "a", "b", tmp_path / "links.tsv"]


def test_the_first_process_writes_and_prints(words, tmp_path):
    out = tmp_path / "run"
    codes, told = Forked(2, [*words, "--out", out], tmp_path).end(120)
    assert codes == [0, 0], told
    assert told[1] == ""
    assert told[0].count("the alignment is in") == 1
    assert "training 1 of " in told[0]
    assert "done in " in told[0]
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["processes"]["count"] == 2
    assert len((out / "alignment.tsv").read_text().splitlines()) == 1 + 40 - 20
    assert not (out / "run.lock").exists()

    codes, told = Forked(2, [*words, "--out", out], tmp_path).end(60)
    assert codes == [1, 1]
    assert told[0].endswith("or continue an interrupted run with --resume\n")
    assert told[1] == ""


def test_a_killed_run_goes_on_with_another_number_of_processes(words, tmp_path):
    out = tmp_path / "run"
    forked = Forked(2, [*words, "--out", out], tmp_path)
    while not (out / "checkpoint.previous.pt").exists():
        assert all(process.is_alive() for process in forked.all)
        time.sleep(0.01)
    forked.all[1].kill()
    codes, _ = forked.end(60)
    assert codes == [1, -9]
    assert not (out / "metrics.json").exists()
    codes, told = Forked(3, [*words, "--out", out, "--resume"], tmp_path).end(120)
    assert codes == [0, 0, 0], told
    lines = (out / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [2, 4]
    assert json.loads((out / "metrics.json").read_text())["processes"]["count"] == 3


FIT = """
import warnings
from pyg_ibmea import Aligner
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.train import evaluation, processes

warnings.simplefilter("ignore")
evaluation.LARGE = 100
with processes.joined():
    aligner = Aligner(
        epochs=1, graph_channels=8, modal_channels=4, parts=2, num_candidates=5,
        refits=1, progress=False, device="cpu",
    )
    aligner.fit(SyntheticMMKG(num_entities=90)[0], out="run")
"""


@pytest.mark.filterwarnings("ignore")
def test_what_all_encode_and_search_at_the_end_is_what_one_finds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fit.py").write_text(FIT)
    codes, told = Forked(2, [tmp_path / "fit.py"], tmp_path).end(240)
    assert codes == [0, 0], told
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["processes"]["count"] == 2
    assert metrics["candidates"]["nearest"] == 5
    alone = Aligner.load("run", SyntheticMMKG(num_entities=90)[0], device="cpu")
    expected = alone.metrics()
    for part in ("val", "test", "candidates"):
        assert metrics[part] == json.loads(json.dumps(expected[part])), part
    rows = (tmp_path / "run" / "alignment.tsv").read_text().splitlines()[1:]
    found = {tuple(row.split("\t")[:2]) for row in rows}
    matches = alone.align()
    uris = matches.uris["source"], matches.uris["target"]
    assert found == {
        (uris[0][i], uris[1][j])
        for i, j in zip(matches.source, matches.target, strict=True)
    }


def test_example(tmp_path):
    small = ["--graph-channels", "8", "--modal-channels", "4", "--epochs", "2"]
    words = [EXAMPLE, *small, "--device", "cpu", "--out", tmp_path / "run"]
    codes, told = Forked(2, words, tmp_path).end(120)
    assert codes == [0, 0], told
    assert told[1] == ""
    assert told[0].count("test pairs, weights of epoch 2") == 1
    assert (tmp_path / "run" / "curves.png").exists()
