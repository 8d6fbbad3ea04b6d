"""The study's table of runs, its bookkeeping and its report."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.train import TrainConfig

EXAMPLES = Path(__file__).parents[2] / "examples"
MODULES = ("study", "study_problems", "study_report", "study_contrastive", "train_mmea")


@pytest.fixture
def study(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    import study

    return study


def test_every_run_has_a_key_of_its_own_and_valid_options(study):
    runs = [run for group in study.GROUPS.values() for run in group()]
    assert len({run.key for run in runs}) == len(runs) > 200
    for run in runs:
        TrainConfig(**run.config)
    main = {(r.problem, r.ratio, r.row, r.seed) for r in runs if r.group == "main"}
    assert len(main) == 3 * (5 * 2 + 2) + 1
    sweeps = [r for r in runs if r.group in ("noise", "low resource", "missing")]
    # What is compared differs in the bottleneck and in nothing else.
    assert {r.row for r in sweeps} == set(study.BOTTLENECKS)
    points = [replace(r, row="", config={}) for r in sweeps]
    assert all(points.count(point) == (3 if point.seed else 4) for point in points)


@pytest.fixture
def small(study, monkeypatch):
    """Two runs on synthetic graphs in place of the table, in this process."""
    config = {"epochs": 4, "graph_channels": 16, "modal_channels": 8}
    runs = [
        study.Run("ablation", "all bottlenecks", config=config),
        study.Run("ablation", "no bottleneck", config={**config, "refits": 1}),
        study.Run("noise", "on", config=config, damage="edges rewired", level=0.5),
        study.Run("noise", "off", config=config, damage="edges rewired", level=0.5),
    ]
    trained = []

    def in_this_process(command, **_):
        (run,) = [
            run for run in runs if run.key == command[command.index("--match") + 1]
        ]
        trained.append(run.key)
        work = Path(command[command.index("--work") + 1])
        with study.metered(study.cost_file(run, work)):
            study.train_one(run, None, None, work)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(study, "GROUPS", {"small": lambda: runs})
    monkeypatch.setattr(
        study, "load_problem", lambda *_: SyntheticMMKG(num_entities=100)[0]
    )
    monkeypatch.setattr(subprocess, "run", in_this_process)
    return study, runs, trained


# Notes for a user, which four epochs on a hundred entities earn.
@pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
def test_what_is_done_is_not_done_again(small, tmp_path, capsys):
    study, runs, trained = small
    args = SimpleNamespace(
        results=tmp_path / "results", raw=Path(), root=Path(), work=tmp_path / "work",
        group=None, match="| all bottlenecks", minutes=60, names=None, jobs=1,
    )  # fmt: skip
    study.run_all(args)
    assert trained == [runs[0].key]
    args.match = ""
    args.minutes = -1
    study.run_all(args)
    assert trained == [runs[0].key]
    args.minutes = 60
    study.run_all(args)
    study.run_all(args)
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
    study.write_results(path, results)
    table = {run.key: run for run in runs}
    current = [study.is_current(result, table) for result in results]
    assert current == [True, False, True, True]
    assert not results[0]["options"]["iterative"]
    results[0]["options"]["propose_every"] = 7  # It proposes nothing.
    assert study.is_current(results[0], table)
    for name, idle in (("none", True), ("all", False)):
        run = study.Run("ablation", "beta", config={"bottleneck": name})
        options = {**study.options_of(run), "beta": "7"}
        result = {"key": run.key, "options": options}
        assert study.is_current(result, {run.key: run}) is idle
    earlier = "Made with earlier defaults"
    study.write_report(path.parent, lambda result: study.is_current(result, table))
    assert earlier in (path.parent / "README.md").read_text()
    study.run_all(args)
    assert trained[4:] == [runs[1].key]
    again = study.read_results(path)
    assert sorted(r["key"] for r in again) == sorted(table)
    assert all(study.is_current(result, table) for result in again)

    results = sorted(again, key=lambda result: trained.index(result["key"]))
    study.write_results(path, results)
    (path.parent / "noise_earlier.png").touch()
    study.write_report(tmp_path / "results", order=[results[1]["key"]])
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


def test_what_bottlenecks_are_worth_compares_like_with_like(study):
    from study_report import worth_table

    def result(row, seed, hits, damage=None, level=0.0, ratio=0.3):
        test = {"csls": {"mean": {"hits@1": hits}}}
        return {"row": row, "seed": seed, "damage": damage, "level": level,
                "ratio": ratio, "test": test}  # fmt: skip

    results = [
        result("on", 0, 0.8),
        result("off", 0, 0.75),
        result("off", 1, 0.25),  # No other row has this seed.
        result("on", 0, 0.4, ratio=0.1),
        result("off", 0, 0.3, ratio=0.1),
        result("on", 0, 0.2, "wrong seeds", 0.5),
        result("off", 0, 0.45, "wrong seeds", 0.5),
        result("off", 1, 0.2, "wrong seeds", 0.5),
    ]
    table = worth_table(results).splitlines()
    # +.05, +.1 and -.25 with the same seed; .4 / .8, .2 / .8; .3 / .75, .45 / .75,
    # .2 / .25.
    assert table[2:] == [
        "| few seed pairs | +0.075 ± 0.035 (2 of 2) |  |  | 50.0% |  | 40.0% |  |",
        "| wrong seeds | -0.250 (0 of 1) |  |  | 25.0% |  | 70.0% |  |",
        "| all | -0.033 ± 0.189 (2 of 3) |  |  | 37.5% |  | 60.0% |  |",
    ]


def test_names_are_read_for_the_rows_that_have_them(study, tmp_path):
    raw, own = tmp_path / "raw", tmp_path / "names.npz"
    usual = raw / "DBP15K" / "zh_en" / "translated_ent_name.json"
    for names, given, expected in [
        (False, own, None),
        (True, own, own),
        (True, None, usual),
    ]:
        args = SimpleNamespace(raw=raw, names=given)
        run = study.Run("main", "row", names=names)
        assert study.names_file(run, args) == expected
    own.write_bytes(b"abc")
    # The digest of "abc" that FIPS 180-2 gives.
    assert study.names_of(own)["sha256"].startswith("ba7816bf8f01cfea414140de5dae2223")


def test_cost_counts_what_earlier_tries_took(study, tmp_path):
    path = tmp_path / "work" / "run.cost.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"cpu_seconds": 1e6, "peak_rss_mb": 1.0}))
    began = time.process_time()

    def interrupted():
        with study.metered(path, every=0.01):
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


def test_without_results_there_is_nothing_to_report(study, tmp_path):
    with pytest.raises(ValueError, match="no results yet"):
        study.write_report(tmp_path)


def test_a_run_that_fails_says_where_its_output_is(study, tmp_path, capsys):
    args = SimpleNamespace(
        results=tmp_path / "results", raw=tmp_path / "nowhere", root=tmp_path / "root",
        work=tmp_path / "work", group="main", match="zh_en", minutes=60, names=None,
        jobs=2,
    )  # fmt: skip
    with pytest.raises(RuntimeError, match="seed 0 failed; its output is in") as error:
        study.run_all(args)
    log = Path(str(error.value).split(" is in ")[1])
    assert "nowhere" in log.read_text()
    # The other runs of the table were not begun.
    assert len(list((tmp_path / "work").glob("*.log"))) <= 2
    assert not study.read_results(tmp_path / "results" / "runs.jsonl")


def test_command_line_errors():
    for arguments, message in [
        (["run"], "--raw is needed"),
        (["report", "--results", "nowhere"], "nowhere has no results yet"),
        (["walk"], "invalid choice"),
        (["one", "--raw", ".", "--match", "nothing"], "no run has the key 'nothing'"),
        (["run", "--raw", ".", "--jobs", "0"], "--jobs must be at least 1, got 0"),
    ]:
        process = subprocess.run(
            [sys.executable, str(EXAMPLES / "study.py"), *arguments],
            capture_output=True,
            text=True,
        )
        assert process.returncode != 0
        assert message in process.stderr
        assert "Traceback" not in process.stderr


def test_emoji_problem(study, tmp_path):
    from study_problems import emoji_problem

    kinds = ["Symbols"] * 20 + ["Flags"]
    codes = [f"00{i:02}" for i in range(21)]
    table = [
        f"{code}\tx\t{kind}\ty\t1.0\t{code}.png"
        for code, kind in zip(codes, kinds, strict=True)
    ]
    (tmp_path / "emoji.tsv").write_text("\n".join(table) + "\n")
    words = [(codes[0], "sun"), (codes[1], "sun"), (codes[2], "moon")]
    words += [(codes[3], "flag"), (codes[20], "flag")]
    for language in ("zh", "en"):
        lines = [f"{code}\t{word}" for code, word in words]
        (tmp_path / f"keywords_{language}.tsv").write_text("\n".join(lines) + "\n")
    random = np.random.default_rng(0)
    for vendor in ("google", "twitter"):
        (tmp_path / f"img_{vendor}").mkdir()
        for code in codes:
            pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"img_{vendor}" / f"{code}.png")
    data = emoji_problem(tmp_path, 0.5)
    # "moon" is used once; of the two uses of "flag" one is by a flag.
    assert data.uri["zh"] == [*codes[:20], "sun"]
    assert data["zh", "rel", "zh"].edge_index.tolist() == [[0, 1], [20, 20]]
    assert data["en"].mask_image.tolist() == [True] * 20 + [False]
    assert not data["en"].x_image[20].any()
    assert data["en"].x_image[:20].norm(dim=1).allclose(torch.ones(20))
    links = data["zh", "same_as", "en"]
    assert links.edge_index.tolist() == [list(range(20))] * 2
    assert int(links.test_mask.sum()) == 10


@pytest.mark.parametrize(
    "row", ["InfoNCE", "multi-similarity", "canonical correlation"]
)
def test_losses_alone_find_what_there_is(study, row):
    from study_contrastive import contrastive_alone

    clear, step = contrastive_alone(row, 0.1, 0, steps=60)
    assert clear["csls"]["mean"]["hits@1"] > 0.9
    assert step % 10 == 0
    noise, _ = contrastive_alone(row, 5.0, 0, steps=20)
    assert noise["csls"]["mean"]["hits@1"] < 0.05


def test_the_page_of_the_study_is_that_of_its_results(study, tmp_path, monkeypatch):
    made = Path(__file__).parents[2] / "results" / "study"
    for name in ("runs.jsonl", "published.csv"):
        (tmp_path / name).write_bytes((made / name).read_bytes())
    monkeypatch.setattr(sys, "argv", ["study.py", "report", "--results", str(tmp_path)])
    study.main()
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert page == (made / "README.md").read_text(encoding="utf-8")
    plots = {path.name for path in made.glob("*.png")}
    assert {path.name for path in tmp_path.glob("*.png")} == plots
    assert "| DBP15K zh-en | 30% | IBMEA | yes | yes | .859 |" in page
    assert page.index("| IBMEA |") < page.index("## Real images")
    # Where nothing is known of others, nothing is said of them.
    (tmp_path / "published.csv").unlink()
    study.main()
    assert "IBMEA" not in (tmp_path / "README.md").read_text(encoding="utf-8")
