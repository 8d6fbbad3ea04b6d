"""The study's tables and its page."""

import sys

import pytest

from benchmarks.study import __main__ as study
from benchmarks.study.report import write_report
from benchmarks.study.tables import worth_table


def test_what_bottlenecks_are_worth_compares_like_with_like():
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


def test_without_results_there_is_nothing_to_report(tmp_path):
    with pytest.raises(ValueError, match="no results yet"):
        write_report(tmp_path)


def test_the_page_of_the_study_is_that_of_its_results(tmp_path, monkeypatch):
    made = study.RESULTS
    for name in ("runs.jsonl", "published.csv"):
        (tmp_path / name).write_bytes((made / name).read_bytes())
    monkeypatch.setattr(sys, "argv", ["study", "report", "--results", str(tmp_path)])
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
