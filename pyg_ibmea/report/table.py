"""The metrics of a run as text tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_COLUMNS = {"hits@1": "Hits@1", "hits@10": "Hits@10", "mr": "MR", "mrr": "MRR"}


_RANKS = "ranks among the counterparts of the {} pairs, as the literature reports"
_PARTS = {"test": "test", "val": "validation"}


def metrics_table(
    metrics: Mapping[str, Mapping[str, Any]],
    source: str,
    target: str,
    matches: Mapping[str, Any] | None = None,
    part: str = "test",
) -> str:
    """Formats metrics by decoder and direction.

    Args:
        metrics (dict): The result of :func:`pyg_ibmea.align.ranking_metrics` for each
            decoder.
        source (str): Name of the source graph.
        target (str): Name of the target graph.
        matches (dict, optional): What ``metrics.json`` holds under ``matches`` of the
            part: it comes first, and both figures are named. (default: unknown)
        part (str, optional): The part of the pairs. (default: :obj:`'test'`)

    Example:
        >>> row = {'hits@1': 0.5, 'hits@10': 1.0, 'mr': 2.0, 'mrr': 0.75}
        >>> print(metrics_table(
        ...     {'csls': {**row, 'target_to_source': row, 'mean': row}}, 'zh', 'en'))
        decoder  direction  Hits@1  Hits@10     MR    MRR
        csls     zh -> en    0.500    1.000    2.0  0.750
        csls     en -> zh    0.500    1.000    2.0  0.750
        csls     mean        0.500    1.000    2.0  0.750
    """
    rows = [["decoder", "direction", *_COLUMNS.values()]]
    for decoder, values in metrics.items():
        for direction, row in (
            (f"{source} -> {target}", values),
            (f"{target} -> {source}", values["target_to_source"]),
            ("mean", values["mean"]),
        ):
            cells = [
                f"{row[key]:.1f}" if key == "mr" else f"{row[key]:.3f}"
                for key in _COLUMNS
            ]
            rows.append([decoder, direction, *cells])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    # Columns are wide enough for a mean rank of up to 9999.9.
    widths = [w if i < 2 else max(w, 5) for i, w in enumerate(widths)]
    first = []
    if matches:
        first = [matches_line(matches, part), f"{_RANKS.format(_PARTS[part])}:"]
    lines = (
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join([*first, *lines])


def metrics_html(
    metrics: Mapping[str, Mapping[str, Any]],
    source: str,
    target: str,
    matches: Mapping[str, Any] | None = None,
    part: str = "test",
) -> str:
    """The same as :func:`metrics_table`, for a notebook."""
    table = metrics_table(metrics, source, target, matches, part)
    return f"<pre>{escape(table)}</pre>"


def matches_line(matches: Mapping[str, Any], part: str = "test") -> str:
    """Says how many matches of the entities of a part of the pairs are right.

    Args:
        matches (dict): What ``metrics.json`` holds under ``matches`` of the part.
        part (str, optional): The part. (default: :obj:`'test'`)

    Example:
        >>> found = {'right': 9, 'asked': 10, 'precision': 0.9,
        ...          'interval': [0.596, 0.982]}
        >>> matches_line(found).split(': ')[1]
        '0.900 right (9 of 10; 95% interval 0.596 to 0.982)'
    """
    low, high = matches["interval"]
    by = " by models that did not learn from them" if part == "val" else ""
    return (
        f"matches of {_PARTS[part]} entities{by}, each among all unaligned entities: "
        f"{matches['precision']:.3f} right ({matches['right']} of {matches['asked']}; "
        f"95% interval {low:.3f} to {high:.3f})"
    )


def embeddings_line(alone: Mapping[str, Any]) -> str:
    """Formats the Hits@1 of embeddings only, without neighbourhood agreement, as the
    mean of both directions.

    Args:
        alone (dict): The entry of ``vectors_alone`` in ``metrics.json`` for one part of
            the split: the metrics of each decoder.

    Example:
        >>> print(embeddings_line({
        ...     'csls': {'mean': {'hits@1': 0.5}},
        ...     'sinkhorn': {'mean': {'hits@1': 0.75}}}))
        embeddings only (--neighbor-agreement 0): Hits@1 0.500 csls, 0.750 sinkhorn
    """
    hits = [f"{found['mean']['hits@1']:.3f} {name}" for name, found in alone.items()]
    return f"embeddings only (--neighbor-agreement 0): Hits@1 {', '.join(hits)}"


def candidates_line(candidates: Mapping[str, Any]) -> str:
    """Says how the pairs to choose among were found; ``''`` where it was among all.

    Args:
        candidates (dict): What ``metrics.json`` holds under ``candidates``.

    Example:
        >>> line = candidates_line({'search': 'hnsw', 'nearest': 100, 'pairs': 1500000,
        ...     'ranked': {'test': 5000}, 'recall': 0.991})
        >>> line.split(' (')[0]
        'chosen among 1,500,000 candidate pairs'
        >>> line.split('; ')[1]
        'ranked: 5,000 test pairs'
    """
    if not candidates:
        return ""
    count, search = candidates["pairs"], candidates["search"]
    text = (
        f"chosen among {count:,} candidate pairs ({search}, "
        f"{candidates['nearest']} nearest entities of each)"
    )
    if "recall" in candidates:
        text += f", which hold {candidates['recall']:.1%} of the validation pairs"
    ranked = [
        f"{count:,} {_PARTS[part]} pairs"
        for part, count in candidates["ranked"].items()
    ]
    return f"{text}; ranked: {' and '.join(ranked)}" if ranked else text


def confidence_table(confidence: Mapping[str, Any]) -> str:
    """Formats how far the confidence can be trusted.

    Args:
        confidence (dict): The entry ``confidence`` of ``metrics.json``.

    Example:
        >>> line = {'coverage': 0.5, 'threshold': 0.9, 'precision': 1.0,
        ...         'recall': 0.5, 'f1': 0.667}
        >>> print(confidence_table(
        ...     {'expected_calibration_error': 0.03, 'coverage': [line]}))
        expected calibration error 0.030
        given  confidence at least  precision  recall     F1
          50%                0.900      1.000   0.500  0.667
    """
    rows = []
    if line := calibration_line(confidence):
        rows.append(line)
    if "expected_calibration_error" in confidence:
        error = confidence["expected_calibration_error"]
        rows.append(f"expected calibration error {error:.3f}")
    if "dangling" in confidence:
        found = confidence["dangling"]
        rows.append(
            f"entities without a counterpart, detected below confidence "
            f"{confidence['threshold']:.3f}: precision {found['precision']:.3f}, "
            f"recall {found['recall']:.3f}, F1 {found['f1']:.3f}"
        )
    if "coverage" in confidence:
        rows.append("given  confidence at least  precision  recall     F1")
        rows += [
            f"{line['coverage']:5.0%}  {line['threshold']:19.3f}  "
            f"{line['precision']:9.3f}  {line['recall']:6.3f}  {line['f1']:5.3f}"
            for line in confidence["coverage"]
        ]
    return "\n".join(rows)


def threshold_table(curve: Sequence[Mapping[str, Any]]) -> str:
    """Formats precision and recall from some confidences on, with 95 % intervals.

    Args:
        curve (sequence of dict): ``thresholds`` of
            :meth:`~pyg_ibmea.align.alignment.Alignment.judge`.

    Example:
        >>> line = {'threshold': 0.5, 'given': 9, 'precision': 1.0, 'recall': 0.9,
        ...         'precision_interval': [0.7, 1.0], 'recall_interval': [0.6, 0.98]}
        >>> print(threshold_table([line]))
        confidence at least  given  precision  95 %           recall  95 %
                       0.50      9      1.000  [0.700, 1.000]  0.900  [0.600, 0.980]
    """
    rows = ["confidence at least  given  precision  95 %           recall  95 %"]
    for line in curve:
        ends = (line["precision_interval"], line["recall_interval"])
        precise, complete = (f"[{low:.3f}, {high:.3f}]" for low, high in ends)
        rows.append(
            f"{line['threshold']:19.2f}  {line['given']:5}  {line['precision']:9.3f}  "
            f"{precise}  {line['recall']:5.3f}  {complete}"
        )
    return "\n".join(rows)


def calibration_line(confidence: Mapping[str, Any]) -> str:
    """Says what the confidence was learned from; ``''`` where that is unknown.

    Args:
        confidence (dict): What ``metrics.json`` holds under ``confidence``.

    Example:
        >>> calibration_line({'calibrated': True, 'calibrated_on': 18})
        'confidence calibrated on 18 validation entities: at most 0.950'
    """
    if confidence.get("calibrated") is False:
        return (
            "confidence NOT calibrated: no validation pairs to learn it from; it "
            "orders the matches and is not a probability"
        )
    count = confidence.get("calibrated_on", 0)
    if not count:
        return ""
    return (
        f"confidence calibrated on {count} validation entities: at most "
        f"{(count + 1) / (count + 2):.3f}"
    )


def clusters_table(clusters: Mapping[str, Any]) -> str:
    """Formats what joining the matches of three or more graphs into clusters improves.

    Args:
        clusters (dict): The entry ``clusters`` of ``metrics.json``.

    Example:
        >>> row = {'precision': 0.9, 'recall': 0.8, 'f1': 0.847}
        >>> print(clusters_table({'clusters': 7, 'cycle_consistency': 0.75,
        ...     'pairs': {'zh - en': {'matches': row, 'clusters': row}}}))
        7 clusters; around cycles of graphs, 75.0% of the matches agreed
        graphs   of        precision  recall     F1
        zh - en  matches       0.900   0.800  0.847
        zh - en  clusters      0.900   0.800  0.847
    """
    rows = [
        f"{clusters['clusters']} clusters; around cycles of graphs, "
        f"{clusters['cycle_consistency']:.1%} of the matches agreed"
    ]
    width = max(6, *map(len, clusters["pairs"])) if clusters["pairs"] else 6
    rows.append(f"{'graphs':<{width}}  of        precision  recall     F1")
    rows += [
        f"{graphs:<{width}}  {kind:<8}  {row['precision']:9.3f}  {row['recall']:6.3f}"
        f"  {row['f1']:5.3f}"
        for graphs, figures in clusters["pairs"].items()
        for kind, row in figures.items()
    ]
    return "\n".join(rows)
