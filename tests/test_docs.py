"""Every code block of the documentation runs, page by page, from top to bottom."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if page.name != "results.md")
WHY = r"(?:<!-- not run: (?P<why>.*?) -->\n)?"
BLOCK = re.compile(WHY + r"```(?P<kind>\w+)\n(?P<code>.*?)```", re.DOTALL)


def blocks(page):
    return [m.groupdict() for m in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def test_only_these_are_not_run():
    left_out = [
        (page.name, block["why"])
        for page in PAGES
        for block in blocks(page)
        if block["why"]
    ]
    assert [name for name, _ in left_out] == ["explain.md"] * 2 + ["benchmark.md"]
    assert {block["kind"] for page in PAGES for block in blocks(page)} == {
        "python",
        "sh",
    }


def test_the_results_page_shows_every_plot(tmp_path):
    spec = importlib.util.spec_from_file_location("make", DOCS / "make_results.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    make.write_results(DOCS.parent, tmp_path / "results.md")
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page)
    plots = [
        DOCS.parent / "benchmarks" / Path(name).relative_to("_results")
        for name in shown
    ]
    assert sorted(plots) == sorted((DOCS.parent / "benchmarks").rglob("*.png"))
    for name, plot in zip(shown, plots, strict=True):
        assert (tmp_path / name).read_bytes() == plot.read_bytes()


@pytest.mark.filterwarnings(
    "ignore:(modality|the bottleneck|pseudo-seeds|Modality|answers)"
)
@pytest.mark.parametrize(
    "page", [p for p in PAGES if blocks(p)], ids=lambda page: page.stem
)
def test_blocks_of_a_page(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for module in ("PIL", "safetensors"):
        if module in page.read_text() or page.stem == "tour":
            pytest.importorskip(module)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    scope = {"__name__": "docs"}
    for block in blocks(page):
        if block["why"]:
            continue
        if block["kind"] == "python":
            exec(compile(block["code"], str(page), "exec"), scope)
            continue
        ended = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", block["code"]],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert ended.returncode == 0, ended.stderr
