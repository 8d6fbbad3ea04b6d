"""The results page, made from the committed results."""

import json
import re
import shutil
from pathlib import Path

# The results' own READMEs, in the order of the page.
PARTS = {
    "The study": "results/study/README.md",
    "Where the bottleneck helps over GAT": "results/noisy_nodes/README.md",
    "Time and memory of layers, losses and searches": "benchmarks/results/report.md",
}


def write_results(root: Path, page: Path) -> None:
    """Joins the committed tables and plots into one page.

    Args:
        root: The project.
        page: The file to write; pictures go into ``_results`` beside it.
    """
    lines = (root / "results/study/runs.jsonl").read_text().splitlines()
    runs = [json.loads(line) for line in lines]
    days = sorted(run["date"][:10] for run in runs if "date" in run)
    sections = [
        "# Results\n",
        f"Made from the files of the project: {len(runs)} runs of the study, the last "
        f"on {days[-1]}. The commands that made them are named with each.\n",
    ]
    pictures = page.parent / "_results"
    shutil.rmtree(pictures, ignore_errors=True)
    for title, name in PARTS.items():
        source = root / name
        text = source.read_text(encoding="utf-8")
        text = re.sub(r"^# .*\n", "", text, count=1)
        text = re.sub(r"^(#+) ", r"#\1 ", text, flags=re.M)

        def picture(match, source=source):
            file = source.parent / match[2]
            target = pictures / source.parent.name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
            return f"![{match[1]}](_results/{source.parent.name}/{file.name})"

        text = re.sub(r"!\[([^\]]*)\]\(([^)]+)\)", picture, text)
        # Links to other files of the project lead nowhere from here.
        text = re.sub(r"\[([^\]]+)\]\((?!https?:|#)([^)]+)\)", r"\1", text)
        text = re.sub(r"!([^\n]*?)(?=\n)", lambda m: m[0], text)
        sections.append(f"## {title}\n\n{text.strip()}\n")
    page.write_text("\n".join(sections), encoding="utf-8")
