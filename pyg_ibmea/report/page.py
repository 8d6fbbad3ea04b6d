"""The HTML report: one self-contained page about a run."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from pyg_ibmea.align import Alignment, Explanation
from pyg_ibmea.files import replacing
from pyg_ibmea.problem import pair_title
from pyg_ibmea.report._page_evidence import evidence_of
from pyg_ibmea.report._page_parts import SCRIPT, STYLE
from pyg_ibmea.report._page_plots import plane_plot, reliability_plot
from pyg_ibmea.report.table import calibration_line
from pyg_ibmea.run_files import read_config, read_history, read_metrics

_DECODERS = {"cosine": "cosine", "csls": "CSLS", "sinkhorn": "Sinkhorn scaling"}
_PARTS = {"test": "Test pairs", "val": "Validation pairs"}


def write_page(
    folder: str | os.PathLike[str],
    examples: Sequence[Mapping[str, Any]] = (),
    explanations: Sequence[Explanation | None] = (),
) -> Path:
    """Writes ``report.html`` into a run folder, a single file that needs no network.

    It shows the metrics, the training curves, how far the confidence can be trusted,
    the most confident wrong matches, and a searchable, sortable table of all matches.
    All text from the data is escaped.

    Args:
        folder (str or os.PathLike): The run folder, with ``metrics.json``,
            ``config.json`` and ``alignment.tsv``.
        examples (sequence of dict, optional): Wrong matches, each with ``confidence``
            and the entities ``source``, ``target`` and ``truth``: dictionaries of
            ``uri`` and, where available, ``name``, ``neighbours`` and ``image`` (a
            ``data:`` URI). (default: none)
        explanations (sequence of Explanation, optional): Those of the first matches of
            ``alignment.tsv``, in its order; a row that is opened shows its own, and
            until then it costs no time. (default: none)

    Returns:
        Path: The path of the report.

    Raises:
        FileNotFoundError: If a file is missing because the training has not ended.
        ValueError: If a file is malformed, or there are more explanations than matches.
    """
    folder = Path(folder)
    metrics = read_metrics(folder)
    config = read_config(folder)
    matches = Alignment.load(folder / "alignment.tsv")
    if len(explanations) > len(matches):
        raise ValueError(
            f"{len(explanations)} explanations are of other matches than the "
            f"{len(matches)} in {folder / 'alignment.tsv'}"
        )
    names = [str(g[0]) for g in config.get("graphs", [])] or [folder.name]
    title = " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
    pairs: Mapping[str, Any] = metrics.get("pairs") or {"": metrics}
    sections = [
        _matches(metrics, pairs),
        _figures(pairs),
        _clusters(metrics.get("clusters", {})),
        *(_trust(name, found.get("confidence", {})) for name, found in pairs.items()),
        _modalities(folder),
        _curves(folder),
        _examples(examples),
        _settings(config),
    ]
    graphs = sorted(matches.pairs)
    rows = [[m.source, m.target, m.confidence, m.score, m.runner_up] for m in matches]
    choice, head = "", ""
    if len(graphs) > 1:
        for row, match in zip(rows, matches, strict=True):
            row.append(pair_title(match.graphs))
        names = [escape(pair_title(pair)) for pair in graphs]
        options = "".join(f"<option>{name}</option>" for name in names)
        choice = f"<label>Graphs <select id='graphs'><option></option>{options}"
        choice += "</select></label>"
        head = "<th>graphs</th>"
    evidence = ""
    if explanations:
        head += "<th>evidence</th>"
        told = _inert(evidence_of(explanations))
        evidence = f'<script type="application/json" id="evidence">{told}</script>'
    page = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Alignment of {escape(title)}</title><style>{STYLE}</style></head><body>
<header><h1>Alignment of {escape(title)}</h1>
<p>{len(matches):,} matches · trained for {metrics.get("seconds", 0):,.0f} s</p>
</header><main>
{"".join(sections)}
<section id="matches"><h2>All matches</h2>
<div class="controls"><label>Search <input id="search" type="search"></label>
<label>Confidence at least <input id="least" type="number" min="0" max="1" step="0.05"
value="0"></label>{choice}<output id="count"></output></div>
<div class="wide"><table><thead><tr>
<th><button data-column="0">source</button></th>
<th><button data-column="1">target</button></th>
<th><button data-column="2">confidence</button></th>
<th><button data-column="3">score</button></th>
<th>runner-up</th>{head}</tr></thead><tbody id="rows"></tbody></table></div>
<div class="controls"><button id="back">previous</button>
<button id="next">next</button></div>
<noscript>The table needs JavaScript; see alignment.tsv instead.</noscript></section>
</main>
<script type="application/json" id="data">{_inert(rows)}</script>
{evidence}
<script>{SCRIPT}</script></body></html>
"""
    path = folder / "report.html"
    with replacing(path) as unfinished:
        # Names of files need not be UTF-8.
        unfinished.write_text(page, encoding="utf-8", errors="backslashreplace")
    return path


def _inert(value: Any) -> str:
    """JSON text that can neither close its HTML element nor open another."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _matches(metrics: Mapping[str, Any], pairs: Mapping[str, Any]) -> str:
    """How many matches of held-out entities are right."""
    several = {"All graphs": metrics, **pairs} if len(pairs) > 1 else pairs
    rows = ""
    for graphs, figures in several.items():
        for part, found in figures.get("matches", {}).items():
            low, high = found["interval"]
            name = escape(f"{graphs} {_PARTS[part]}")
            rows += (
                f"<tr><th>{name}</th><td>{found['precision']:.3f}</td><td>{low:.3f} "
                f"to {high:.3f}</td><td>{found['right']} of {found['asked']}</td></tr>"
            )
    if not rows:
        return ""
    return (
        "<section><h2>How many matches are right</h2><p>Matches of the entities of "
        "held-out pairs, each found among all unaligned entities of the other graph: "
        "what to expect of the matches below, as far as their entities have a "
        "counterpart. Validation pairs are judged by models that did not learn from "
        "them.</p><div class='wide'><table><thead><tr><th>pairs</th><th>right</th>"
        "<th>95 % interval</th><th>matches</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _figures(pairs: Mapping[str, Any]) -> str:
    rows = []
    for graphs, metrics in pairs.items():
        alone = metrics.get("vectors_alone", {})
        for part, name in _PARTS.items():
            rows += _figure_rows(f"{graphs} {name}", metrics.get(part, {}))
            rows += _figure_rows(
                f"{graphs} {name}, embeddings only", alone.get(part, {})
            )
    if not rows:
        return ""
    return (
        "<section><h2>Ranks among the counterparts</h2><p>As the literature reports "
        "them: only the counterparts of the same pairs compete. Mean of both "
        "directions; Sinkhorn scaling presumes one counterpart for each. Embeddings "
        "only: without neighbourhood agreement.</p><div class='wide'><table><thead><tr>"
        "<th>pairs</th><th>decoder</th><th>Hits@1</th><th>Hits@10</th><th>MRR</th>"
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _figure_rows(name: str, figures: Mapping[str, Any]) -> list[str]:
    rows = []
    for decoder, values in figures.items():
        cells = "".join(
            f"<td>{values['mean'][key]:.3f}</td>"
            for key in ("hits@1", "hits@10", "mrr")
        )
        decoder = _DECODERS.get(decoder, escape(decoder))
        rows.append(f"<tr><th>{escape(name)}</th><td>{decoder}</td>{cells}</tr>")
    return rows


def _clusters(found: Mapping[str, Any]) -> str:
    if not found:
        return ""
    rows = "".join(
        f"<tr><th>{escape(graphs)}</th>"
        + "".join(
            f"<td>{figures[kind][key]:.3f}</td>"
            for kind in ("matches", "clusters")
            for key in ("precision", "recall", "f1")
        )
        + "</tr>"
        for graphs, figures in found["pairs"].items()
    )
    return (
        f"<section><h2>Clusters</h2><p>{found['clusters']:,} clusters of equivalent "
        f"entities. Around cycles of graphs, {found['cycle_consistency']:.1%} of the "
        "matches agreed before they were joined; among those that did not, clusters "
        "keep the more confident ones (test pairs).</p><div class='wide'>"
        "<table><thead><tr><th></th><th>matches: precision</th><th>recall</th>"
        "<th>F1</th><th>clusters: precision</th><th>recall</th><th>F1</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _modalities(folder: Path) -> str:
    """Fusion weights and the information plane at the best epoch."""
    lines = read_history(folder, ("mrr",))
    if not lines:
        return ""
    best = max(lines, key=lambda line: float(line["val"]["mrr"]))
    plane = best.get("information", {})
    rows = []
    for modality, weight in best["weights"].items():
        point = plane.get(modality, {})
        cells = [
            f"{point[key]:.2f}" if key in point else "-"
            for key in ("compression", "prediction", "log_pairs")
        ]
        bar = f"<meter min='0' max='1' value='{weight:.4f}'></meter>"
        rows.append(
            f"<tr><th>{escape(modality)}</th><td>{weight:.3f} {bar}</td>"
            + "".join(f"<td>{cell}</td>" for cell in cells)
            + "</tr>"
        )
    return (
        "<section><h2>What each modality contributes</h2><p>Weight: share of the fused "
        "embedding. Compression: information about the features that the bottleneck "
        "lets through. Prediction: information about the counterpart, and the most "
        "that the validation pairs can show (all in nats).</p>"
        f"<div class='pair'>{plane_plot(lines)}<div class='wide'><table><thead><tr>"
        "<th>modality</th><th>weight</th><th>compression</th><th>prediction</th>"
        f"<th>at most</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        "</div></section>"
    )


def _trust(name: str, confidence: Mapping[str, Any]) -> str:
    title = f"How far to trust it {f'({escape(name)})' if name else ''}"
    said = escape(calibration_line(confidence))
    if "coverage" not in confidence:
        return f"<section><h2>{title}</h2><p>{said}.</p></section>" if said else ""
    said = f"<p>{said}.</p>" if said else ""
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
            "<p>Entities without a counterpart, detected by a confidence below "
            f"{confidence['threshold']:.3f}: precision {found['precision']:.3f}, "
            f"recall {found['recall']:.3f}, F1 {found['f1']:.3f}.</p>"
        )
    return (
        f"<section><h2>{title}</h2>{said}"
        "<p>Expected calibration error "
        f"{confidence['expected_calibration_error']:.3f}: the mean difference between "
        f"the confidence and the share of right matches (test pairs).</p>{lonely}"
        f"<div class='pair'>{reliability_plot(confidence['reliability'])}"
        "<div class='wide'><table><thead><tr><th>given</th><th>confidence at least</th>"
        "<th>precision</th><th>recall</th><th>F1</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div></div></section>"
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
        "<section><h2>Hardest errors</h2><p>The wrong matches of test pairs with the "
        f"highest confidence.</p><div class='cards'>{cards}</div></section>"
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
