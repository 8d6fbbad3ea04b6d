"""The results page, made from the committed results."""

import json
import re
import shutil
from pathlib import Path

# The results' own READMEs, in the order of the page.
PARTS = {
    "The study": "benchmarks/study/results/README.md",
    "Where the bottleneck helps over GAT": "benchmarks/results/noisy_nodes/README.md",
    "Time and memory of layers, losses and searches": "benchmarks/results/report.md",
}


def write_results(root: Path, page: Path) -> None:
    """Joins the committed tables and plots into one page.

    Args:
        root: The project.
        page: The file to write; pictures go into ``_results`` beside it.
    """
    results = root / "benchmarks/study/results/runs.jsonl"
    lines = results.read_text(encoding="utf-8").splitlines()
    runs = [json.loads(line) for line in lines]
    days = sorted(run["date"][:10] for run in runs if "date" in run)
    sections = [
        "# Results\n",
        f"Made from the committed results: {len(runs)} runs of the study, the last on "
        f"{days[-1]}. Each section names the commands that made it.\n",
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
            target = pictures / file.relative_to(root / "benchmarks")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
            return f"![{match[1]}]({target.relative_to(page.parent).as_posix()})"

        text = re.sub(r"!\[([^\]]*)\]\(([^)]+)\)", picture, text)
        # Links to other files of the project lead nowhere from here.
        text = re.sub(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)([^)]+)\)", r"\1", text)
        sections.append(f"## {title}\n\n{text.strip()}\n")
    page.write_text("\n".join(sections), encoding="utf-8")
