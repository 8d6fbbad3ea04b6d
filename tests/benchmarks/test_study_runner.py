"""The study's bookkeeping: what is trained, what it cost, what is made again."""

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from benchmarks.study import problems
from benchmarks.study import runs as table_of_runs
from benchmarks.study.report import write_report
from benchmarks.study.results import is_current, read_results, write_results
from benchmarks.study.runner import run_all
from benchmarks.study.runs import Run
from benchmarks.study.training import cost_file, metered, train_one
from pyg_ibmea.datasets import SyntheticMMKG

ROOT = Path(__file__).parents[2]


@pytest.fixture
def small(monkeypatch):
    """Two runs on synthetic graphs in place of the table, in this process."""
    config = {"epochs": 4, "graph_channels": 16, "modal_channels": 8}
    runs = [
        Run("ablation", "all bottlenecks", config=config),
        Run("ablation", "no bottleneck", config={**config, "refits": 1}),
        Run("noise", "on", config=config, damage="edges rewired", level=0.5),
        Run("noise", "off", config=config, damage="edges rewired", level=0.5),
    ]
    trained = []

    def in_this_process(command, **_):
        (run,) = [
            run for run in runs if run.key == command[command.index("--match") + 1]
        ]
        trained.append(run.key)
        work = Path(command[command.index("--work") + 1])
        with metered(cost_file(run, work)):
            train_one(run, None, None, work)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(table_of_runs, "GROUPS", {"small": lambda: runs})
    monkeypatch.setattr(
        problems, "load_problem", lambda *_: SyntheticMMKG(num_entities=100)[0]
    )
    monkeypatch.setattr(subprocess, "run", in_this_process)
    return runs, trained


# Notes for a user, which four epochs on a hundred entities earn.
@pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
def test_what_is_done_is_not_done_again(small, tmp_path, capsys):
    runs, trained = small
    args = SimpleNamespace(
        results=tmp_path / "results", raw=Path(), root=Path(), work=tmp_path / "work",
        group=None, match="| all bottlenecks", minutes=60, names=None, jobs=1,
    )  # fmt: skip
    run_all(args)
    assert trained == [runs[0].key]
    args.match = ""
    args.minutes = -1
    run_all(args)
    assert trained == [runs[0].key]
    args.minutes = 60
    run_all(args)
    run_all(args)
    assert trained == [run.key for run in runs]
    assert "4 of 4 runs are done" in capsys.readouterr().out
    # Run folders are gone, but for what they said.
    assert not list((tmp_path / "work").iterdir())
    lines = (tmp_path / "results" / "runs.jsonl").read_text().splitlines()
    results = [json.loads(line) for line in lines]
    assert [result["key"] for result in results] == trained
    assert results[1]["config"]["refits"] == 1
    assert results[0]["cpu_seconds"] > 0
    assert results[0]["threads"] >= 1
    assert results[0]["versions"]["torch"] == torch.__version__
    plane = results[0]["curve"][-1]["information"]["graph"]
    assert plane["prediction"] <= plane["log_pairs"]

    # What was made with other defaults is made again, and stands apart until then.
    results[1]["options"]["epochs"] = 3
    path = tmp_path / "results" / "runs.jsonl"
    write_results(path, results)
    table = {run.key: run for run in runs}
    current = [is_current(result, table) for result in results]
    assert current == [True, False, True, True]
    assert not results[0]["options"]["iterative"]
    results[0]["options"]["propose_every"] = 7  # It proposes nothing.
    assert is_current(results[0], table)
    for name, idle in (("none", True), ("all", False)):
        run = Run("ablation", "beta", config={"bottleneck": name})
        options = {**run.options, "beta": "7"}
        result = {"key": run.key, "options": options}
        assert is_current(result, {run.key: run}) is idle
    earlier = "Made with earlier defaults"
    write_report(path.parent, lambda result: is_current(result, table))
    assert earlier in (path.parent / "README.md").read_text()
    run_all(args)
    assert trained[4:] == [runs[1].key]
    again = read_results(path)
    assert sorted(r["key"] for r in again) == sorted(table)
    assert all(is_current(result, table) for result in again)

    results = sorted(again, key=lambda result: trained.index(result["key"]))
    write_results(path, results)
    (path.parent / "noise_earlier.png").touch()
    write_report(tmp_path / "results", order=[results[1]["key"]])
    assert not list(path.parent.glob("*_earlier.png"))
    assert earlier not in (path.parent / "README.md").read_text()
    page = (tmp_path / "results" / "README.md").read_text()
    for result in results[:2]:
        hits = [result["test"][d]["mean"]["hits@1"] for d in ("cosine", "csls")]
        row = f"| {result['row']} | 1 | {hits[0]:.3f} | {hits[1]:.3f} |"
        assert row in page
    assert page.index(f"| {results[1]['row']} |") < page.index(
        f"| {results[0]['row']} |"
    )
    on, off = (r["test"]["csls"]["mean"]["hits@1"] for r in results[2:])
    row = f"| edges rewired | 50% | {on:.3f} |  | {off:.3f} |  | {on - off:+.3f} |  |"
    assert row in page
    worth = f"| edges rewired | {on - off:+.3f} ({int(on > off)} of 1) |"
    assert worth in page
    for image in ("noise.png", "plane.png"):
        assert f"({image})" in page
        with Image.open(tmp_path / "results" / image) as picture:
            assert picture.width > 300


def test_cost_counts_what_earlier_tries_took(tmp_path):
    path = tmp_path / "work" / "run.cost.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"cpu_seconds": 1e6, "peak_rss_mb": 1.0}))
    began = time.process_time()

    def interrupted():
        with metered(path, every=0.01):
            while json.loads(path.read_text())["cpu_seconds"] == 1e6:
                sum(range(1000))  # Until it has written of itself.
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    cost = json.loads(path.read_text())
    assert cost["cpu_seconds"] - 1e6 == pytest.approx(time.process_time(), abs=1.0)
    assert cost["cpu_seconds"] > 1e6 + began
    assert cost["peak_rss_mb"] > 50
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_run_that_fails_says_where_its_output_is(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)  # It is called from the root of a clone.
    args = SimpleNamespace(
        results=tmp_path / "results", raw=tmp_path / "nowhere", root=tmp_path / "root",
        work=tmp_path / "work", group="main", match="zh_en", minutes=60, names=None,
        jobs=2,
    )  # fmt: skip
    with pytest.raises(RuntimeError, match="seed 0 failed; its output is in") as error:
        run_all(args)
    log = Path(str(error.value).split(" is in ")[1])
    assert "nowhere" in log.read_text()
    # The other runs of the table were not begun.
    assert len(list((tmp_path / "work").glob("*.log"))) <= 2
    assert not read_results(tmp_path / "results" / "runs.jsonl")


def test_command_line_errors():
    for arguments, message in [
        (["run"], "--raw is needed"),
        (["report", "--results", "nowhere"], "nowhere has no results yet"),
        (["walk"], "invalid choice"),
        (["one", "--raw", ".", "--match", "nothing"], "no run has the key 'nothing'"),
        (["run", "--raw", ".", "--jobs", "0"], "--jobs must be at least 1, got 0"),
    ]:
        process = subprocess.run(
            [sys.executable, "-m", "benchmarks.study", *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert process.returncode != 0
        assert message in process.stderr
        assert "Traceback" not in process.stderr
