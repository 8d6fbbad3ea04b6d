"""Tables and plots from the results of examples/study.py."""

import csv
import json
import statistics
from collections import defaultdict

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

TITLES = {
    "main": "Published benchmarks",
    "emoji": "Real images: emoji, zh keywords and one vendor, en and another",
    "ablation": "Ablation on DBP15K zh-en",
    "worth": "What the bottlenecks are worth when data are poor",
    "low resource": "Few seed pairs",
    "noise": "Noise",
    "missing": "Missing modalities",
    "contrastive": "The contrastive losses alone",
}
NAMES = {
    "zh_en": "DBP15K zh-en",
    "zh_en_small": "DBP15K zh-en, 4,500 densest pairs",
    "en_fr": "SRPRS en-fr",
    "FB15K_DB15K": "FB15K (81.6 %)-DB15K",
    "emoji": "emoji without flags",
    "vectors": "two noisy views of vectors",
}
WORTH = (
    "Over the sweeps below: the difference in Hits@1 (CSLS) between trainings that are "
    "alike but for the bottleneck, as mean ± standard deviation (how many are better "
    "with it); and the mean share that is retained of the Hits@1 without damage and "
    "with most seed pairs."
)
PUBLISHED = (
    "For comparison, Hits@1 as papers report it, often of the epoch best by the "
    "test pairs; FB15K-DB15K with all of FB15K (empty: not known):"
)
STYLE = {
    "on": ("C0", "o"),
    "features only": ("C1", "D"),
    "off": ("C3", "s"),
    "ten times beta": ("C2", "^"),
}
SWEEPS = ("low resource", "noise", "missing")
MEMBERS = {"worth": SWEEPS}


def read_results(path):
    """The lines of the results; none if there is no file."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def figure_of(result, decoder, name="hits@1"):
    """A figure of the test pairs, mean of both directions."""
    return result["test"][decoder]["mean"][name]


def without_neighbours(runs):
    """Those runs that went by the neighbours too, with the figures that their vectors
    alone give: the training is the same.
    """
    alone = [(r, r["vectors_alone"]) for r in runs if "vectors_alone" in r]
    return [{**r, "test": figures["test"]} for r, figures in alone]


def spread(values, form=".3f"):
    """The mean, and the least and largest of several; nothing of none."""
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
                f"{statistics.mean(pseudo):.0%}" if pseudo else "",
                f"{statistics.mean(r['cpu_seconds'] for r in runs):.0f} s",
                f"{max(r['peak_rss_mb'] for r in runs):.0f}",
            ]
        )
        if alone := without_neighbours(runs):
            rows.append([*where, f"{row}; vectors alone", *_figures(alone), "", "", ""])
    header = ["data", "seeds"] if with_problem else []
    header += ["row", "runs", "Hits@1 cosine", "CSLS", "Sinkhorn", "MRR CSLS"]
    header += ["pseudo-seeds right", "core time", "peak memory, MiB"]
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


def plot_sweeps(group, results, path):
    """Hits@1 over the level, a panel for each sweep."""
    sweeps = sweep_points(results)
    fig, axes = plt.subplots(
        1,
        len(sweeps),
        figsize=(max(5, 4.2 * len(sweeps)), 3.8),
        squeeze=False,
        sharey=True,
    )
    for axis, (sweep, levels) in zip(axes[0], sweeps.items(), strict=True):
        for row, (colour, marker) in STYLE.items():
            points = [(x, by[row]) for x, by in sorted(levels.items()) if by[row]]
            if not points:  # The legend would name a line that is not there.
                continue
            x = [level for level, _ in points]
            values = [[figure_of(r, "csls") for r in runs] for _, runs in points]
            mean = [statistics.mean(v) for v in values]
            axis.plot(x, mean, color=colour, marker=marker, label=row)
            low, high = [min(v) for v in values], [max(v) for v in values]
            axis.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        axis.set_xlabel(sweep)
        axis.xaxis.set_major_formatter(
            matplotlib.ticker.PercentFormatter(1, decimals=0)
        )
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("Hits@1 (CSLS, test pairs)")
    axes[0][-1].legend(title="bottleneck", frameon=False, fontsize="small")
    title = f"{TITLES[group]}: {NAMES['zh_en_small']}"
    if len({result["seed"] for result in results}) > 1:
        title += "\nshaded: range over seeds"
    fig.suptitle(title, fontsize="medium")
    fig.tight_layout()
    fig.savefig(path, dpi=120)
    plt.close(fig)


def plot_plane(results, path):
    """The way of each modality through the information plane while training."""
    curves = [r for r in results if r["row"] == "all bottlenecks" and r["seed"] == 0]
    if not curves:
        return False
    curve = curves[0]["curve"]
    fig, axis = plt.subplots(figsize=(5.5, 4))
    start = curve[0]["information"]
    behind = [m for m, point in start.items() if "compression" in point]
    for number, modality in enumerate(behind):
        points = [line["information"][modality] for line in curve]
        x = [point["compression"] for point in points]
        y = [point["prediction"] for point in points]
        axis.plot(x, y, color=f"C{number}", marker=".", label=modality)
        axis.plot(x[0], y[0], color=f"C{number}", marker="o", mfc="white")
        axis.plot(x[-1], y[-1], color=f"C{number}", marker="D")
    most = curve[0]["information"]["graph"]["log_pairs"]
    axis.axhline(most, color="0.6", linestyle="--", linewidth=1)
    axis.annotate(
        "log of the number of pairs: the bound's end",
        (0.02, most),
        xycoords=("axes fraction", "data"),
        va="bottom",
        fontsize="x-small",
    )
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,.0f}"))
    axis.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    axis.set_xlabel("KL, upper bound on I(X; Z) (nats)")
    axis.set_ylabel("InfoNCE, lower bound on\nI(Z source; Z target) (nats)")
    first, last = curve[0]["epoch"], curve[-1]["epoch"]
    axis.set_title(
        "Information plane, validation pairs of DBP15K zh-en\n"
        f"circle: epoch {first}, diamond: epoch {last}",
        fontsize="medium",
    )
    axis.legend(frameon=False, title="modality")
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    fig.tight_layout()
    fig.savefig(path, dpi=120)
    plt.close(fig)
    return True


def _section(group, results, folder, suffix):
    """The plot and the table of some results of a group."""
    if group in SWEEPS:
        name = group.replace(" ", "_") + suffix + ".png"
        plot_sweeps(group, results, folder / name)
        return [f"![{TITLES[group]}]({name})", sweep_table(results)]
    if group == "worth":
        return [WORTH, worth_table(results)]
    text = [rows_table(results, with_problem=group == "main")]
    if group == "ablation" and plot_plane(results, folder / f"plane{suffix}.png"):
        text.append(f"![Information plane](plane{suffix}.png)")
    return text


def write_report(folder, is_current=lambda result: True, order=()):
    """Writes README.md and the plots beside the results, in the order of some keys and
    then as they came; those made with other than the defaults of now stand apart.
    """
    results = read_results(folder / "runs.jsonl")
    if not results:
        raise ValueError(f"{folder} has no results yet; `run` makes them")
    place = {key: number for number, key in enumerate(order)}
    results.sort(key=lambda result: place.get(result["key"], len(place)))
    for plot in folder.glob("*_earlier.png"):
        plot.unlink()
    versions = {json.dumps(r["versions"], sort_keys=True) for r in results}
    dates = sorted({r["date"][:10] for r in results})
    when = " to ".join(dict.fromkeys((dates[0], dates[-1])))
    hours = sum(r["cpu_seconds"] for r in results) / 3600
    text = [
        "# The study",
        "Made by `python examples/study.py run --raw FOLDER` and `python "
        "examples/study.py report` from [runs.jsonl](runs.jsonl): "
        f"{len(results)} trainings, which took {hours:.1f} hours of one CPU core in "
        f"all, {when}, with "
        + "; ".join(
            ", ".join(f"{k} {v}" for k, v in json.loads(version).items())
            for version in sorted(versions)
        )
        + ". Figures are of the test pairs, mean of both directions; validation pairs "
        "chose the epoch. Where there are several seeds: mean (least to largest). "
        "Ablation, sweeps and the emoji's bottlenecks and modalities alone go by the "
        "vectors alone (`--neighbor-agreement 0`), which is where layers differ; "
        "elsewhere a second row gives those figures of the same trainings.",
    ]
    names = {(n["file"], n["sha256"]) for r in results if (n := r.get("names_of"))}
    for file, digest in sorted(names):
        text.append(
            f"Rows with names: `--names {file}` (SHA-256 `{digest[:16]}…`), a file "
            "such as `python examples/encode_names.py "
            "FOLDER/DBP15K/zh_en/translated_ent_name.json names.npz` makes."
        )
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
                "Made with earlier defaults, not yet again, or no longer in the table:"
            )
            text += _section(group, earlier, folder, "_earlier")
    (folder / "README.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")
