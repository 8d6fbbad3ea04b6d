"""Plots of the report: the sweeps, and the information plane."""

from __future__ import annotations

import statistics

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

from benchmarks.study.tables import NAMES, STYLE, figure_of, sweep_points


def plot_sweeps(title, results, path):
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
    title = f"{title}: {NAMES['zh_en_small']}"
    if len({result["seed"] for result in results}) > 1:
        title += "\nshaded: range over seeds"
    fig.suptitle(title, fontsize="medium")
    fig.tight_layout()
    fig.savefig(path, dpi=120)
    plt.close(fig)


def plot_plane(results, path):
    """How each modality moves through the information plane in training."""
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
