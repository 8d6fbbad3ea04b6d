"""A table of the figures without known pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HEAD = """# Without known pairs

Each case once, one thread, no seed pairs; made by `python -m benchmarks.seedless`.
Recall is over all links; Hits@1 is the same where all matches count. Precision is over
matches with an entity of a link, for anatomy over all matches of classes. "Likely"
matches have a probability of 0.5 or more. CPU seconds are those of everything but
reading. Constants were chosen on anatomy, DBP15K and SRPRS en-fr, so that their figures
flatter; FB15K-DB15K was measured once, after that. Without names nothing identifies an
entity of SRPRS, and a training says so.

| case | stage | precision | recall | F1 | matches | CPU seconds |
|---|---|---|---|---|---|---|
"""


def rows(line: dict[str, Any]) -> list[str]:
    """The rows of a run."""
    epochs = f", {line['epochs']} epochs" if "epochs" in line else ""
    return [
        f"| {line['case']} | {stage}{epochs} | {f['precision']:.3f} | "
        f"{f['recall']:.3f} | {f['f1']:.3f} | {f['matches']} | "
        f"{format(f['cpu_seconds'], '.0f') if 'cpu_seconds' in f else ''} |"
        for stage, f in line["stages"].items()
    ]


def write_report(results: Path) -> Path:
    """Writes ``README.md`` beside the figures: the last run of each kind."""
    latest: dict[tuple[str, int], dict[str, Any]] = {}
    for text in (results / "runs.jsonl").read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        latest[line["case"], line.get("epochs", 0)] = line
    table = [row for line in latest.values() for row in rows(line)]
    path = results / "README.md"
    path.write_text(HEAD + "\n".join(table) + "\n", encoding="utf-8")
    return path
