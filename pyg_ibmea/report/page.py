"""One self-contained page about a run."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from pyg_ibmea.report._page_parts import SCRIPT, STYLE
from pyg_ibmea.report.matches import read_matches

_DECODERS = {"cosine": "cosine", "csls": "CSLS", "sinkhorn": "Sinkhorn scaling"}
_PARTS = {"test": "Test pairs", "val": "Validation pairs"}


def write_page(
    folder: str | os.PathLike[str], examples: Sequence[Mapping[str, Any]] = ()
) -> Path:
    """Writes ``report.html`` into a run folder: one file that needs no network.

    It shows the figures, the curves of the training, how far the confidence can be
    trusted, wrong matches that were sure, and a table of all to search and sort.
    Every text from the data is escaped.

    Args:
        folder: The run folder; ``metrics.json`` and ``alignment.tsv`` must be there.
        examples: Wrong matches, each with ``confidence`` and the entities ``source``,
            ``target`` and ``truth``, dictionaries of ``uri`` and, as far as there are
            any, ``name``, ``neighbours`` and ``image`` (a ``data:`` URI).

    Returns:
        The file.

    Raises:
        FileNotFoundError: If the training has not ended.
        ValueError: If a file is malformed.
    """
    folder = Path(folder)
    metrics = read_json(folder / "metrics.json")
    config = read_json(folder / "config.json")
    matches = read_matches(folder / "alignment.tsv")
    title = " and ".join(g[0] for g in config.get("graphs", [])) or folder.name
    confidence = metrics.get("confidence", {})
    sections = [
        _figures(metrics),
        _trust(confidence),
        _curves(folder),
        _examples(examples),
        _settings(config),
    ]
    rows = [[m.source, m.target, m.confidence, m.score, m.runner_up] for m in matches]
    page = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Alignment of {escape(title)}</title><style>{STYLE}</style></head><body>
<header><h1>Alignment of {escape(title)}</h1>
<p>{len(matches):,} entities aligned · trained {metrics.get("seconds", 0):,.0f} s</p>
</header><main>
{"".join(sections)}
<section id="matches"><h2>All matches</h2>
<div class="controls"><label>Search <input id="search" type="search"></label>
<label>Confidence at least <input id="least" type="number" min="0" max="1" step="0.05"
value="0"></label><output id="count"></output></div>
<div class="wide"><table><thead><tr>
<th><button data-column="0">source</button></th>
<th><button data-column="1">target</button></th>
<th><button data-column="2">confidence</button></th>
<th><button data-column="3">score</button></th>
<th>runner-up</th></tr></thead><tbody id="rows"></tbody></table></div>
<div class="controls"><button id="back">previous</button>
<button id="next">next</button></div>
<noscript>The table needs JavaScript; the same is in alignment.tsv.</noscript></section>
</main>
<script type="application/json" id="data">{_inert(rows)}</script>
<script>{SCRIPT}</script></body></html>
"""
    path = folder / "report.html"
    unfinished = folder / ".report.html.part"
    unfinished.write_text(page, encoding="utf-8")
    os.replace(unfinished, path)
    return path


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON file of a run folder."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; has the training ended?")
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    return content


def _inert(value: Any) -> str:
    """JSON that can neither end its element nor begin another."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _figures(metrics: Mapping[str, Any]) -> str:
    rows = []
    for part, name in _PARTS.items():
        for decoder, values in metrics.get(part, {}).items():
            cells = "".join(
                f"<td>{values['mean'][key]:{form}}</td>"
                for key, form in (("hits@1", ".3f"), ("hits@10", ".3f"), ("mrr", ".3f"))
            )
            rows.append(
                f"<tr><th>{name}</th><td>{_DECODERS.get(decoder, escape(decoder))}</td>"
                f"{cells}</tr>"
            )
    if not rows:
        return ""
    return (
        "<section><h2>Figures</h2><p>Mean of both directions; Sinkhorn scaling "
        "presumes one counterpart for each.</p><div class='wide'><table><thead><tr>"
        "<th>pairs</th><th>decoder</th><th>Hits@1</th><th>Hits@10</th><th>MRR</th>"
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _trust(confidence: Mapping[str, Any]) -> str:
    if "coverage" not in confidence:
        return ""
    rows = "".join(
        f"<tr><td>{line['coverage']:.0%}</td><td>{line['threshold']:.3f}</td>"
        f"<td>{line['precision']:.3f}</td><td>{line['recall']:.3f}</td>"
        f"<td>{line['f1']:.3f}</td></tr>"
        for line in confidence["coverage"]
    )
    lonely = ""
    if "dangling" in confidence:
        found = confidence["dangling"]
        lonely = (
            "<p>Entities without a counterpart, taken for such below a confidence of "
            f"{confidence['threshold']:.3f}: precision {found['precision']:.3f}, "
            f"recall {found['recall']:.3f}, F1 {found['f1']:.3f}.</p>"
        )
    return (
        "<section><h2>How far to trust it</h2><p>Expected calibration error "
        f"{confidence['expected_calibration_error']:.3f}: how far, on average, the "
        f"confidence is from how often matches are right (test pairs).</p>{lonely}"
        f"<div class='pair'>{_reliability_plot(confidence['reliability'])}"
        "<div class='wide'><table><thead><tr><th>given</th><th>confidence at least</th>"
        "<th>precision</th><th>recall</th><th>F1</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div></div></section>"
    )


def _reliability_plot(lines: Sequence[Mapping[str, float]]) -> str:
    """Share of right matches over confidence, as SVG."""
    dots = "".join(
        f"<circle cx='{40 + 240 * line['confidence']:.1f}' "
        f"cy='{260 - 240 * line['right']:.1f}' r='5'><title>confidence "
        f"{line['confidence']:.3f}: {line['right']:.3f} of {line['matches']:.0f} right"
        "</title></circle>"
        for line in lines
    )
    ticks = "".join(
        f"<text x='{40 + 240 * t:.0f}' y='277' text-anchor='middle'>{t:g}</text>"
        f"<text x='34' y='{264 - 240 * t:.0f}' text-anchor='end'>{t:g}</text>"
        for t in (0, 0.5, 1)
    )
    return (
        "<svg viewBox='0 0 300 300' role='img' aria-label='Reliability plot'>"
        "<rect x='40' y='20' width='240' height='240'/>"
        f"<line x1='40' y1='260' x2='280' y2='20'/>{dots}{ticks}"
        "<text x='160' y='295' text-anchor='middle'>confidence</text>"
        "<text x='10' y='140' text-anchor='middle' transform='rotate(-90 10 140)'>"
        "share right</text></svg>"
    )


def _curves(folder: Path) -> str:
    path = folder / "curves.png"
    if not path.is_file():
        return ""
    picture = base64.b64encode(path.read_bytes()).decode()
    return (
        "<section><h2>Training</h2><img class='curves' alt='Loss, validation Hits@1, "
        f"fusion weights and KL over the epochs' src='data:image/png;base64,{picture}'>"
        "</section>"
    )


def _examples(examples: Sequence[Mapping[str, Any]]) -> str:
    if not examples:
        return ""
    cards = "".join(
        f"<article><p>confidence {example['confidence']:.3f}</p><div class='three'>"
        + "".join(
            _entity(label, example[key])
            for label, key in (
                ("entity", "source"),
                ("found", "target"),
                ("right", "truth"),
            )
        )
        + "</div></article>"
        for example in examples
    )
    return (
        "<section><h2>Hardest errors</h2><p>The wrong matches of test pairs that were "
        f"the surest.</p><div class='cards'>{cards}</div></section>"
    )


def _entity(label: str, entity: Mapping[str, Any]) -> str:
    image = str(entity.get("image", ""))
    picture = ""
    if image.startswith("data:image/png;base64,"):
        picture = f"<img alt='' src='{escape(image, quote=True)}'>"
    name = escape(str(entity.get("name") or entity["uri"]))
    uri = escape(str(entity["uri"])) if entity.get("name") else ""
    near = "".join(f"<li>{escape(str(n))}</li>" for n in entity.get("neighbours", ()))
    return (
        f"<div><small>{label}</small>{picture}<b>{name}</b><small>{uri}</small>"
        f"<ul>{near}</ul></div>"
    )


def _settings(config: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{escape(str(key))}</th><td>{escape(json.dumps(value))}</td></tr>"
        for key, value in config.items()
    )
    return (
        "<section><details><summary>Settings</summary><div class='wide'><table><tbody>"
        f"{rows}</tbody></table></div></details></section>"
    )
