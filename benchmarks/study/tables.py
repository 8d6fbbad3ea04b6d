"""Tables of the report: rows by seed, sweeps, and what a bottleneck is worth."""

from __future__ import annotations

import csv
import statistics
from collections import defaultdict

NAMES = {
    "zh_en": "DBP15K zh-en",
    "zh_en_small": "DBP15K zh-en, 4,500 densest pairs",
    "en_fr": "SRPRS en-fr",
    "FB15K_DB15K": "FB15K (81.6 %)-DB15K",
    "emoji": "emoji without flags",
    "vectors": "two noisy views of vectors",
}
STYLE = {
    "on": ("C0", "o"),
    "features only": ("C1", "D"),
    "off": ("C3", "s"),
    "ten times beta": ("C2", "^"),
}


def figure_of(result, decoder, name="hits@1"):
    """A figure of the test pairs, mean of both directions."""
    return result["test"][decoder]["mean"][name]


def share_of_matches(runs):
    """How many of the matches of test entities were right among all unaligned entities;
    nothing of runs from before this was recorded.
    """
    given = [r["matches"]["test"] for r in runs if "test" in r.get("matches", {})]
    return spread([found["precision"] for found in given])


def embeddings_only(runs):
    """Those runs that used neighbourhood agreement, with the figures of the same
    trainings without it.
    """
    alone = [(r, r["vectors_alone"]) for r in runs if "vectors_alone" in r]
    return [{**r, "test": figures["test"]} for r, figures in alone]


def spread(values, form=".3f"):
    """The mean, with the least and largest of several; empty for no values."""
    if not values:
        return ""
    mean = statistics.mean(values)
    if len(values) == 1:
        return f"{mean:{form}}"
    return f"{mean:{form}} ({min(values):{form}} to {max(values):{form}})"


def grouped(results, *keys):
    """Results by the values of some keys, in their first order."""
    groups = defaultdict(list)
    for result in results:
        groups[tuple(result[key] for key in keys)].append(result)
    return groups


def markdown(header, rows):
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def rows_table(results, with_problem):
    """Rows by decoder: mean and range over seeds, time and memory."""
    rows = []
    keys = ("problem", "ratio", "damage", "level", "row")
    for (problem, ratio, damage, level, row), runs in grouped(results, *keys).items():
        where = [NAMES[problem], f"{ratio:.0%}"] if with_problem else []
        if damage:
            row = f"{row}; {damage}: {level:.0%}"
        pseudo = [r["pseudo_seeds"] for r in runs if r.get("pseudo_seeds")]
        pseudo = [found["right_of_known"] for found in pseudo]
        rows.append(
            [
                *where,
                row,
                *_figures(runs),
                share_of_matches(runs),
                f"{statistics.mean(pseudo):.0%}" if pseudo else "",
                f"{statistics.mean(r['cpu_seconds'] for r in runs):.0f} s",
                f"{max(r['peak_rss_mb'] for r in runs):.0f}",
            ]
        )
        if alone := embeddings_only(runs):
            rows.append(
                [*where, f"{row}; embeddings only", *_figures(alone), "", "", "", ""]
            )
    header = ["data", "seeds"] if with_problem else []
    header += ["row", "runs", "Hits@1 cosine", "CSLS", "Sinkhorn", "MRR CSLS"]
    header += ["matches right", "pseudo-seeds right", "core time", "peak memory, MiB"]
    return markdown(header, rows)


def published_table(path):
    """What others report, from a table separated by commas."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return markdown(header, rows)


def _figures(runs):
    """How many runs, and what they reach."""
    hits = [[figure_of(r, d) for r in runs] for d in ("cosine", "csls", "sinkhorn")]
    mrr = [figure_of(r, "csls", "mrr") for r in runs]
    return [len(runs), *map(spread, (*hits, mrr))]


def sweep_points(results):
    """For each sweep of a group its points: level, and the runs at it by row."""
    sweeps = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for result in results:
        sweep = result["damage"] or "share of the links that are seed pairs"
        level = result["level"] if result["damage"] else result["ratio"]
        sweeps[sweep][level][result["row"]].append(result)
    return sweeps


def sweep_table(results, decoder="csls"):
    """Hits@1 by level and bottleneck, and what the bottleneck is worth."""
    rows = []
    for sweep, levels in sweep_points(results).items():
        for level, by_row in sorted(levels.items()):
            cells = [
                spread([figure_of(r, decoder) for r in by_row[row]]) for row in STYLE
            ]
            off = {r["seed"]: figure_of(r, decoder) for r in by_row["off"]}
            for row in ("on", "features only"):
                runs = [r for r in by_row[row] if r["seed"] in off]
                gain = [figure_of(r, decoder) - off[r["seed"]] for r in runs]
                cells.append(spread(gain, "+.3f"))
            rows.append([sweep, f"{level:.0%}", *cells])
    header = ["sweep", "level", *(f"bottleneck {row}" for row in STYLE)]
    return markdown([*header, "on minus off", "features only minus off"], rows)


def worth_table(results, decoder="csls"):
    """What the bottlenecks are worth over none, by sweep: the difference in Hits@1
    between runs that are alike in all else, and the share that is retained of the
    Hits@1 at the harmless end of the sweep.
    """
    like = ("damage", "level", "ratio", "seed", "row")
    hits = {tuple(r[key] for key in like): figure_of(r, decoder) for r in results}
    most = max(r["ratio"] for r in results)
    others = [row for row in STYLE if row != "off"]
    gains, retained = (defaultdict(lambda: defaultdict(list)) for _ in range(2))
    for (damage, level, ratio, seed, row), value in hits.items():
        sweep = damage or "few seed pairs"
        off = hits.get((damage, level, ratio, seed, "off"))
        if row != "off" and off is not None:
            for name in (sweep, "all"):
                gains[name][row].append(value - off)
        harmless = hits.get((None, 0.0, most, seed, row))
        if harmless and (damage, ratio) != (None, most):
            for name in (sweep, "all"):
                retained[name][row].append(value / harmless)
    names = sorted(gains, key=lambda name: name == "all")
    rows = [
        [
            name,
            *(_gain(gains[name][row]) for row in others),
            *(
                f"{statistics.mean(shares):.1%}" if shares else ""
                for shares in (retained[name][row] for row in STYLE)
            ),
        ]
        for name in names
    ]
    header = ["sweep", *(f"{row} minus off" for row in others)]
    return markdown([*header, *(f"retained, {row}" for row in STYLE)], rows)


def _gain(values):
    """The mean of differences, their standard deviation, how many are positive."""
    if not values:
        return ""
    deviation = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    better = sum(value > 0 for value in values)
    return f"{statistics.mean(values):+.3f}{deviation} ({better} of {len(values)})"
