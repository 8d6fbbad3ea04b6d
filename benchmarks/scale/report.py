"""The table of large runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.scale.stages import growth_table

_HEAD = (
    "| problem | CPU minutes (limit) | peak memory, GiB (limit) | matches right "
    "| decoder | Hits@1 | MRR | recall of candidates |\n"
    "|---|---|---|---|---|---|---|---|\n"
)


def write_report(results: Path) -> None:
    """Writes ``README.md`` beside the results: the last run of each case."""
    path = results / "runs.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    last = {line["case"]: line for line in map(json.loads, lines)}
    text = "# Large problems\n\nEach run once, whole processes; made by "
    text += "`python -m benchmarks.scale`.\n\n" + _HEAD
    text += "".join(_row(line) for line in last.values())
    if grown := growth_table(results):
        text += "\nSingle stages of synthetic problems of so many entities a side, on "
        text += (
            "one thread: CPU seconds and peak memory. Up to 60,000 a side each stage "
        )
        text += "compares all pairs itself; beyond, the search for candidates, which "
        text += "proposals share with the judgement before, is a stage that others "
        text += "save.\n" + grown
    results.mkdir(parents=True, exist_ok=True)
    (results / "README.md").write_text(text)


def _row(line: dict[str, Any]) -> str:
    limit, metrics = line["limit"], line["metrics"]
    cost = (
        f"{line['cpu_seconds'] / 60:.1f} ({limit['cpu_minutes']:g}) "
        f"| {line['peak_rss_gib']:.1f} ({limit['gibibytes']:g})"
    )
    if metrics is None:
        ended = line["stages"][-1]
        return (
            f"| {line['case']} | {cost} | stopped in {ended['stage']} |  |  |  |  |\n"
        )
    decoder = metrics["confidence"]["decoder"]  # What validation pairs chose.
    figures = metrics["test"][decoder]["mean"]
    right = metrics["matches"]["test"]["precision"]
    recall = metrics.get("candidates", {}).get("recall")
    return (
        f"| {line['case']} | {cost} | {right:.3f} | {decoder} "
        f"| {figures['hits@1']:.3f} | {figures['mrr']:.3f} "
        f"| {'all' if recall is None else f'{recall:.3f}'} |\n"
    )
