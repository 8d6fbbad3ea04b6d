"""Plots of the HTML report, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_LEFT, _TOP, _SIDE = 40, 20, 240
_BOTTOM, _RIGHT = _TOP + _SIDE, _LEFT + _SIDE
COLOURS = ("#1f6fb4", "#d1661e", "#2e8b57", "#b03a7a", "#7a5fc0", "#8a6d1f", "#4d8f9e")


def _plot(label: str, x_name: str, y_name: str, inside: str) -> str:
    middle = _LEFT + _SIDE // 2
    return (
        f"<svg viewBox='-14 0 314 300' role='img' aria-label='{escape(label)}'>"
        f"<rect x='{_LEFT}' y='{_TOP}' width='{_SIDE}' height='{_SIDE}'/>{inside}"
        f"<text x='{middle}' y='295' text-anchor='middle'>{escape(x_name)}</text>"
        "<text x='0' y='140' text-anchor='middle' transform='rotate(-90 0 140)'>"
        f"{escape(y_name)}</text></svg>"
    )


def reliability_plot(lines: Sequence[Mapping[str, float]]) -> str:
    """The share of right matches by confidence, as SVG."""
    dots = "".join(
        f"<circle cx='{_LEFT + _SIDE * line['confidence']:.1f}' "
        f"cy='{_BOTTOM - _SIDE * line['right']:.1f}' r='5'><title>confidence "
        f"{line['confidence']:.3f}: {line['right']:.3f} of {line['matches']:.0f} right"
        "</title></circle>"
        for line in lines
    )
    diagonal = f"<line x1='{_LEFT}' y1='{_BOTTOM}' x2='{_RIGHT}' y2='{_TOP}'/>"
    inside = diagonal + dots + _ticks(1.0, 1.0)
    return _plot("Reliability plot", "confidence", "share right", inside)


def plane_plot(lines: Sequence[Mapping[str, Any]]) -> str:
    """The path of each modality with a bottleneck through the information plane, as
    SVG.

    Args:
        lines (sequence of dict): The lines of ``metrics.jsonl``.
    """
    ways: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        for modality, point in line.get("information", {}).items():
            if {"compression", "prediction"} <= point.keys():
                at = float(point["compression"]), float(point["prediction"])
                ways.setdefault(modality, []).append(at)
    if not ways:
        return ""
    points = [point for way in ways.values() for point in way]
    most_x = max(max(x for x, _ in points), 1e-6)
    most_y = max(max(y for _, y in points), 1e-6)
    drawn = []
    for number, (modality, way) in enumerate(ways.items()):
        colour = COLOURS[number % len(COLOURS)]
        places = [
            (_LEFT + _SIDE * x / most_x, _BOTTOM - _SIDE * max(y, 0.0) / most_y)
            for x, y in way
        ]
        line_of = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        x, y = places[-1]
        drawn.append(
            f"<polyline points='{line_of}' style='fill:none;stroke:{colour}'/>"
            f"<circle cx='{x:.1f}' cy='{y:.1f}' r='5' style='fill:{colour}'>"
            f"<title>{escape(modality)}</title></circle>"
        )
    names = "".join(
        f"<text x='{_RIGHT - 6}' y='{_BOTTOM - 8 - 14 * i}' text-anchor='end' "
        f"style='fill:{COLOURS[i % len(COLOURS)]}'>{escape(modality)}</text>"
        for i, modality in enumerate(ways)
    )
    inside = "".join(drawn) + names + _ticks(most_x, most_y)
    label = "Information plane"
    return _plot(label, "compression, nats", "prediction, nats", inside)


def _ticks(most_x: float, most_y: float) -> str:
    return "".join(
        f"<text x='{_LEFT + _SIDE * t:.0f}' y='277' text-anchor='middle'>"
        f"{_short(t * most_x)}</text>"
        f"<text x='34' y='{_BOTTOM + 4 - _SIDE * t:.0f}' text-anchor='end'>"
        f"{_short(t * most_y)}</text>"
        for t in (0, 0.5, 1)
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
