"""The training curves as a picture."""

from __future__ import annotations

from math import nan
from pathlib import Path
from typing import Any

from pyg_ibmea.files import replacing
from pyg_ibmea.run_files import HISTORY, read_history


def plot_curves(folder: str | Path) -> Path:
    """Plots loss terms, validation Hits@1, fusion weights and KL by modality over the
    epochs, from ``metrics.jsonl`` in a run folder.

    Args:
        folder (str or Path): The run folder.

    Returns:
        Path: ``curves.png`` in that folder.

    Raises:
        ImportError: If matplotlib is not installed.
        FileNotFoundError: If the folder has no ``metrics.jsonl``.
        ValueError: If ``metrics.jsonl`` is empty, or was edited or damaged.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            'curves need matplotlib: pip install "pyg_ibmea[plot]"'
        ) from (error)
    folder = Path(folder)
    if not (folder / HISTORY).exists():
        raise FileNotFoundError(f"{folder} has no {HISTORY}; has the training begun?")
    lines = read_history(folder, ("hits@1", "mrr"))
    if not lines:
        raise ValueError(f"{folder / HISTORY} has no evaluation yet")

    figure = Figure(figsize=(10, 7), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2)
    for axis, (title, curves) in zip(axes.flat, _panels(lines).items(), strict=True):
        _draw(axis, [line["epoch"] for line in lines], curves, title)
    _mark_best(axes[0, 1], lines)
    target = folder / "curves.png"
    with replacing(target) as unfinished:
        figure.savefig(unfinished, dpi=120, format="png")
    return target


def _panels(lines: list[dict[str, Any]]) -> dict[str, dict[str, list[float]]]:
    """The curves of each panel by title, in drawing order."""
    terms = [name for name in lines[0]["loss"] if name == "hybrid" or "nce/" in name]
    modalities = list(lines[0]["weights"])
    with_kl = [name for name in modalities if f"kl/{name}" in lines[0]["loss"]]
    return {
        "loss terms (training)": {
            name.replace("info_nce/", "InfoNCE "): _series(lines, "loss", name)
            for name in terms
        },
        "Hits@1 on validation pairs": {"validation": _series(lines, "val", "hits@1")},
        "fusion weight by modality": {
            name: _series(lines, "weights", name) for name in modalities
        },
        "KL by modality (nats per entity)": {
            name: _series(lines, "loss", f"kl/{name}") for name in with_kl
        },
    }


def _mark_best(axis: Any, lines: list[dict[str, Any]]) -> None:
    """Marks the epoch whose weights were kept."""
    best = max(lines, key=lambda line: line["val"]["mrr"])
    axis.axvline(best["epoch"], color="0.6", linestyle="--", linewidth=1)
    # At the bottom of the panel, where a rising curve leaves room.
    axis.annotate(
        f"kept: epoch {best['epoch']} ",
        (best["epoch"], 0.05),
        xycoords=axis.get_xaxis_transform(),
        ha="right",
    )


def _series(lines: list[dict[str, Any]], group: str, name: str) -> list[float]:
    return [line[group].get(name, nan) for line in lines]


def _draw(
    axis: Any, epochs: list[int], curves: dict[str, list[float]], title: str
) -> None:
    for label, values in curves.items():
        axis.plot(epochs, values, label=label, marker="." if len(epochs) < 40 else "")
    axis.set_title(title)
    axis.set_xlabel("epoch")
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    if len(curves) > 1:
        axis.legend(frameon=False, fontsize="small")
