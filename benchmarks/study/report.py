"""The page of the study: tables and plots from its results."""

from __future__ import annotations

import json

from benchmarks.study.plots import plot_plane, plot_sweeps
from benchmarks.study.results import read_results
from benchmarks.study.tables import (
    published_table,
    rows_table,
    sweep_table,
    worth_table,
)

TITLES = {
    "main": "Published benchmarks",
    "emoji": "Real images: emoji of two vendors, with zh and en keywords",
    "ablation": "Ablation on DBP15K zh-en",
    "worth": "What the bottlenecks are worth when data are poor",
    "low resource": "Few seed pairs",
    "noise": "Noise",
    "missing": "Missing modalities",
    "contrastive": "The contrastive losses alone",
}
WORTH = (
    "Over the sweeps below: the difference in Hits@1 (CSLS) between trainings that "
    "differ only in the bottleneck, as mean ± standard deviation (how many are better "
    "with it); and the mean share of the Hits@1 without damage and with most seed "
    "pairs that is retained."
)
PUBLISHED = (
    "For comparison, Hits@1 as reported in papers, often at the epoch that was best on "
    "the test pairs; FB15K-DB15K with all of FB15K (empty: not known):"
)
SWEEPS = ("low resource", "noise", "missing")
MEMBERS = {"worth": SWEEPS}


def _section(group, results, folder, suffix):
    """The plot and the table of some results of a group."""
    if group in SWEEPS:
        name = group.replace(" ", "_") + suffix + ".png"
        plot_sweeps(TITLES[group], results, folder / name)
        return [f"![{TITLES[group]}]({name})", sweep_table(results)]
    if group == "worth":
        return [WORTH, worth_table(results)]
    text = [rows_table(results, with_problem=group == "main")]
    if group == "ablation" and plot_plane(results, folder / f"plane{suffix}.png"):
        text.append(f"![Information plane](plane{suffix}.png)")
    return text


def _introduction(results):
    """How the results were made, and how to read them."""
    versions = {json.dumps(r["versions"], sort_keys=True) for r in results}
    dates = sorted({r["date"][:10] for r in results})
    when = " to ".join(dict.fromkeys((dates[0], dates[-1])))
    hours = sum(r["cpu_seconds"] for r in results) / 3600
    text = [
        "Made by `python -m benchmarks.study run --raw FOLDER` and `python -m "
        "benchmarks.study report` from [runs.jsonl](runs.jsonl): "
        f"{len(results)} trainings, which took {hours:.1f} hours of one CPU core in "
        f"all, {when}, with "
        + "; ".join(
            ", ".join(f"{k} {v}" for k, v in json.loads(version).items())
            for version in sorted(versions)
        )
        + ". All figures are of the test pairs; validation pairs chose the "
        "epoch. Hits@1 and MRR rank among the counterparts of the test pairs, as the "
        "literature does, and are the mean of both directions. Matches right is the "
        "share of right matches among all unaligned entities, which is what a user of "
        "the matches meets (empty for runs from before it was recorded). Where there "
        "are several seeds: mean (least to largest). The ablation, the sweeps, and the "
        "emoji rows that vary the bottleneck or use one modality alone are with "
        "embeddings only (`--neighbor-agreement 0`), which is where layers differ; "
        "elsewhere a second row gives the figures of the same trainings with "
        "embeddings only.",
    ]
    names = {(n["file"], n["sha256"]) for r in results if (n := r.get("names_of"))}
    for file, digest in sorted(names):
        text.append(
            f"Rows with names: `--names {file}` (SHA-256 `{digest[:16]}…`), a file "
            "such as `python examples/encode_names.py "
            "FOLDER/DBP15K/zh_en/translated_ent_name.json names.npz` makes."
        )
    return text


def write_report(folder, is_current=lambda result: True, order=()):
    """Writes README.md and the plots beside the results.

    Args:
        folder: Folder of ``runs.jsonl`` (pathlib.Path).
        is_current: Whether a result was made with the defaults of now; those that were
            not stand apart.
        order: Keys of runs, in the order of the rows; others follow as they came.

    Raises:
        ValueError: If there are no results.
    """
    results = read_results(folder / "runs.jsonl")
    if not results:
        raise ValueError(f"{folder} has no results yet; `run` makes them")
    place = {key: number for number, key in enumerate(order)}
    results.sort(key=lambda result: place.get(result["key"], len(place)))
    for plot in folder.glob("*_earlier.png"):
        plot.unlink()
    text = ["# The study", *_introduction(results)]
    for group in TITLES:
        of_group = [r for r in results if r["group"] in MEMBERS.get(group, [group])]
        if not of_group:
            continue
        text.append(f"## {TITLES[group]}")
        current = [r for r in of_group if is_current(r)]
        earlier = [r for r in of_group if not is_current(r)]
        if current:
            text += _section(group, current, folder, "")
        published = folder / "published.csv"
        if group == "main" and published.exists():
            text += [PUBLISHED, published_table(published)]
        if earlier:
            text.append(
                "Made with earlier defaults and not repeated yet, or no longer in the "
                "table:"
            )
            text += _section(group, earlier, folder, "_earlier")
    (folder / "README.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")
