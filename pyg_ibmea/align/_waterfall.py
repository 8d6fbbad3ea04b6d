"""An explanation as a waterfall plot."""

from __future__ import annotations

from typing import Any

_UP, _DOWN, _SCORE = "#1f6fb4", "#c8553d", "#555555"
_WIDEST = 52


def waterfall(explanation: Any) -> Any:
    """The plot of an :class:`Explanation`; see its :meth:`plot`."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            'a plot needs matplotlib: pip install "pyg_ibmea[plot]"'
        ) from error
    shown = [explanation]
    if explanation.runner_up is not None:
        shown.append(explanation.runner_up)
    most = max(len(one.contributions) for one in shown)
    size = (8.5 * len(shown), 1.6 + 0.34 * (most + 1))
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    # One scale for both, so that bars can be compared by eye.
    ends = [end for one in shown for end in _ends(one)]
    room = 0.12 * (max(ends) - min(ends) or 1.0)
    for axis, one in zip(panels, shown, strict=True):
        _draw(axis, one)
        axis.set_xlim(min(ends) - room, max(ends) + room)
    return figure


def _ends(explanation: Any) -> list[float]:
    """Where the bars begin and end: 0, and the sum after each contribution."""
    ends = [0.0]
    for found in explanation.contributions:
        ends.append(ends[-1] + found.value)
    return [*ends, explanation.score]


def _draw(axis: Any, explanation: Any) -> None:
    begun, labels = 0.0, []
    for place, found in enumerate(explanation.contributions):
        colour = _UP if found.value >= 0 else _DOWN
        axis.barh(place, found.value, left=begun, color=colour, height=0.7)
        begun += found.value
        axis.plot([begun, begun], [place, place + 1], color="0.6", linewidth=0.8)
        _write(axis, place, begun, f"{found.value:+.3f}", found.value)
        labels.append(_cut(f"{found.name}: {found.text}"))
    last, score = len(labels), explanation.score
    axis.barh(last, score, color=_SCORE, height=0.7)
    _write(axis, last, score, f"{score:.3f}", score)
    axis.set_yticks(range(last + 1), [*labels, "score"], parse_math=False)
    axis.invert_yaxis()
    axis.axvline(0, color="0.3", linewidth=0.8)
    title = f"{_short(explanation.source)}\n= {_short(explanation.target)}"
    axis.set_title(title, fontsize="medium", parse_math=False)
    axis.set_xlabel(f"score by {explanation.decoder}" if explanation.decoder else "")
    axis.spines[["top", "right"]].set_visible(False)


def _write(axis: Any, place: int, end: float, text: str, value: float) -> None:
    """A number at the end of a bar, on the side it points to."""
    axis.annotate(
        text,
        (end, place),
        xytext=(3 if value >= 0 else -3, 0),
        textcoords="offset points",
        ha="left" if value >= 0 else "right",
        va="center",
        fontsize="small",
    )


def _short(text: str) -> str:
    """The end of a long text, as the URIs of a graph start alike."""
    text = _printable(text)
    return text if len(text) <= _WIDEST else f"…{text[1 - _WIDEST :]}"


def _cut(text: str) -> str:
    """The beginning of a long text."""
    text = _printable(text)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)
