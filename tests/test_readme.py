"""What the README shows must run as it stands there."""

import csv
import json
import re
from pathlib import Path
from statistics import fmean

import pytest

from pyg_ibmea.problem import links_of
from pyg_ibmea.train import Options

README = Path(__file__).parents[1] / "README.md"
STUDY = README.parent / "benchmarks" / "study" / "results"


def block(marker, language):
    text = README.read_text(encoding="utf-8")
    found = re.search(rf"<!-- {marker} -->\n```{language}\n(.*?)```", text, re.DOTALL)
    assert found, f"README.md has no {language} block below <!-- {marker} -->"
    return found[1]


def test_every_block_is_marked_and_so_tested():
    text = README.read_text(encoding="utf-8")
    marked = re.findall(r"^<!-- (\w+) -->\n```", text, re.M)
    assert sorted(marked) == ["commands", "layer", "main", "tests", "tour"]
    assert len(re.findall(r"^```\w", text, re.M)) == len(marked)


def test_it_is_short_and_its_links_lead_somewhere():
    text = README.read_text(encoding="utf-8")
    assert len(text.split()) <= 900
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert len(links) > 5
    for link in links:
        assert (README.parent / link).is_file(), link


def test_quick_tour(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scope = {}
    exec(block("tour", "python"), scope)
    data, matches = scope["data"], scope["matches"]
    uri = data.uri
    rows, columns = links_of(data, "test").tolist()
    counterpart = {
        uri["source"][i]: uri["target"][j] for i, j in zip(rows, columns, strict=True)
    }
    found = {match.source: match.target for match in matches}
    assert counterpart.keys() <= found.keys()
    seeds = {uri["source"][i] for i in links_of(data, "train")[0].tolist()}
    assert not seeds & found.keys()
    right = sum(found[source] == target for source, target in counterpart.items())
    assert right / len(counterpart) > 0.5
    sure = [match for match in matches if match.confidence >= 0.9]
    lines = Path("same_as.nt").read_text(encoding="utf-8").splitlines()
    assert sum("owl#sameAs" in line for line in lines) == len(sure)
    for match in sure[:3]:
        assert any(match.source in line and match.target in line for line in lines)
    assert capsys.readouterr().out.count("http://source.example") <= 3


def test_layer():
    scope = {}
    exec(block("layer", "python"), scope)
    assert scope["z"].shape == (4, 8)
    scope["loss"].backward()


def test_the_two_commands_stand_alone():
    for marker in ("main", "tests"):
        assert len(block(marker, "sh").splitlines()) == 1


def figures_of(row):
    """The figures of a row of the results, from the study's runs: means over seeds."""
    benchmark, ratio, setting = (cell.strip() for cell in row[0].split(",", 2))
    problem = {
        "DBP15K zh-en": "zh_en",
        "SRPRS en-fr": "en_fr",
        "FB15K-DB15K": "FB15K_DB15K",
    }[benchmark]
    if setting == "names, pseudo-seeds":
        setting = "pseudo-seeds, names"
    lines = STUDY.joinpath("runs.jsonl").read_text(encoding="utf-8").splitlines()
    runs = [
        run
        for run in map(json.loads, lines)
        if (run["group"], run["problem"], run["row"]) == ("main", problem, setting)
        and f"{run['ratio']:.0%}" == ratio.replace(" ", "")
    ]
    assert len({run["seed"] for run in runs}) == len(runs) == 3
    csls = [run["test"]["csls"] for run in runs]
    embeddings = [run["vectors_alone"]["test"]["csls"] for run in runs]
    return {
        1: fmean(m["hits@1"] for m in csls),
        2: fmean(run["test"]["sinkhorn"]["hits@1"] for run in runs),
        3: fmean(m["mrr"] for m in csls),
        4: fmean(run["cpu_seconds"] for run in runs) / 60,
        6: fmean(m["hits@1"] for m in embeddings),
    }


def test_the_results_are_those_of_the_study():
    text = README.read_text(encoding="utf-8")
    table = re.findall(r"^\| (.* %, .*) \|$", text, re.M)
    assert 4 <= len(table) <= 5
    for line in table:
        row = [cell.strip() for cell in line.split("|")]
        for column, figure in figures_of(row).items():
            stated = float(row[column].removesuffix(" min"))
            within = 0.6 if column == 4 else 0.00051
            assert stated == pytest.approx(figure, abs=within), row


def test_what_is_reported_by_the_paper_is_in_the_table_of_what_others_report():
    with open(STUDY / "published.csv", encoding="utf-8", newline="") as file:
        reported = {
            (row["data"], row["seeds"]): row["Hits@1"]
            for row in csv.DictReader(file)
            if row["system"] == "IBMEA"
        }
    text = README.read_text(encoding="utf-8")
    stated = re.findall(r"^\| ([\w -]+), (\d+) %.* min \| (\.\d+)", text, re.M)
    assert len(stated) == 2
    for benchmark, ratio, hits in stated:
        assert reported[benchmark, f"{ratio}%"] == hits


def test_every_option_of_a_command_exists():
    import runpy
    import sys

    pages = [README, *README.parent.joinpath("docs").rglob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    flags = set(re.findall(r"--[a-z-]+", " ".join(re.findall(r"train_mmea.*", text))))
    assert {"--dataset", "--iterative", "--ratio"} <= flags
    example = README.parent / "examples" / "train_mmea.py"
    argv, sys.argv = sys.argv, ["train_mmea.py"]
    try:
        scope = runpy.run_path(str(example))
        known = {f"--{name}" for name in scope["OPTIONS"]} | {"--resume", "--help"}
        known |= {f"--{name.replace('_', '-')}" for name in Options().by_name()}
    finally:
        sys.argv = argv
    assert flags - {"--help"} <= known, flags - known


def test_every_option_of_the_command_line_exists():
    from pyg_ibmea.cli._all_commands import make_parser

    commands = block("commands", "sh").splitlines()
    assert len(commands) == 3
    for command in commands:
        program, *words = command.split()
        assert program == "pyg-ibmea"
        make_parser().parse_args(words)
