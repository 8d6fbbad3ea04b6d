"""What the commands do."""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from datetime import datetime
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import HeteroData

from pyg_ibmea import report
from pyg_ibmea.align import Alignment, Explanation
from pyg_ibmea.align._alignment_files import MAPPINGS, form_of, suffixes
from pyg_ibmea.aligner import Aligner
from pyg_ibmea.anchors import find_anchors, seed_problem
from pyg_ibmea.anchors.seedless import DECODER, pairs_of_graphs
from pyg_ibmea.anchors.seeds import has_seeds
from pyg_ibmea.cli._choices import choice_of
from pyg_ibmea.cli._continue import next_folder, plot_curves, proceed
from pyg_ibmea.cli._endings import ENDINGS, PAIRS, check_ending
from pyg_ibmea.cli._examples import hard_examples
from pyg_ibmea.cli._exports import (
    join_known,
    read_labels,
    write_embeddings,
    write_merged,
)
from pyg_ibmea.cli._flag_names import with_flags
from pyg_ibmea.cli._problem import (
    graph_files,
    read_again,
    read_remembered,
    remembered_problem,
)
from pyg_ibmea.data.readers.link_tables import read_pairs
from pyg_ibmea.datasets import KnowledgeGraphs, inspect_problem
from pyg_ibmea.datasets._dropped import table_of
from pyg_ibmea.datasets._understood import first_rows
from pyg_ibmea.datasets.inspection import exchanged_columns
from pyg_ibmea.files import FullDiskError
from pyg_ibmea.large import LARGE
from pyg_ibmea.options import EXACT
from pyg_ibmea.problem import (
    Pair,
    entity_counts,
    linked_pairs,
    links_of,
    pair_problems,
    pair_title,
)
from pyg_ibmea.report.table import threshold_table
from pyg_ibmea.run_files import (
    CONFIG,
    METRICS,
    RESTORE,
    read_config,
    read_metrics,
)
from pyg_ibmea.train import (
    Estimate,
    MetricLogger,
    Options,
    RunFolder,
    Stopped,
    estimate,
    processes,
)
from pyg_ibmea.train._anchor_figures import anchor_metrics
from pyg_ibmea.train.logging_to import logger_to

_WITH_EVIDENCE = 10_000
"""How many matches of a report have evidence, unless asked otherwise."""


def inspect(args: argparse.Namespace) -> int:
    """Says what graphs hold, before training."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The problems below say the same.
        remembered = remembered_problem(args)
        dataset = read_remembered(remembered, not args.json, allow_dropped=True)
    found = inspect_problem(dataset[0])
    found["problems"] = [*dataset.notes, *found["problems"]]
    found["first_rows"] = _first_rows(remembered)
    found["dropped"] = [asdict(row) for row in dataset.dropped]
    cost = estimate(dataset[0], modalities=remembered["modalities"])
    found["estimate"] = {k: v for k, v in asdict(cost).items() if k != "switches"}
    found["problems"] += cost.warnings(Path("runs"))
    if not has_seeds(dataset[0]):
        anchors = [
            find_anchors(dataset[0], pair) for pair in pairs_of_graphs(dataset[0])
        ]
        found["anchors"] = {pair_title(a.graphs): a.counts for a in anchors}
        found["problems"] += [note for each in anchors for note in each.notes]
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    for name, graph in found["graphs"].items():
        degree = graph["degree"]
        print(
            f"{name}: {graph['entities']} entities, {graph['triples']} triples, "
            f"{graph['relations']} relations"
        )
        print(
            f"  triples per entity: median {degree[5]:g}, 90 % have at most "
            f"{degree[9]:g}, maximum {degree[10]:g}; without any: {graph['isolated']}"
        )
        most = max(1, *graph["degrees"].values())
        for triples, count in graph["degrees"].items():
            bar = "#" * round(40 * count / most)
            print(f"  {triples:>9} triples {count:8} {bar}".rstrip())
        for modality, share in graph["coverage"].items():
            print(f"  {modality:<12}{share:7.1%}  {'#' * round(40 * share)}")
    for pair, parts in found["links"].items():
        print(
            f"{pair}: {parts['train']} training, {parts['val']} validation, "
            f"{parts['test']} test pairs"
        )
    for graphs, counts in found.get("anchors", {}).items():
        kinds = ", ".join(f"{count} by {kind}" for kind, count in counts.items())
        print(
            f"{graphs}: without known pairs, {sum(counts.values())} anchors"
            f"{f' ({kinds})' if kinds else ''}"
        )
    print(f"relation names shared by all graphs: {found['shared_relations']}")
    print(cost.line())
    for note in (*found["first_rows"], *found["problems"]):
        print(f"note: {with_flags(note, vars(args))}")
    return 0


def _first_rows(remembered: dict[str, Any]) -> list[str]:
    links = [Path(file) for _, _, file in remembered["links"]]
    return first_rows(graph_files(remembered), links)


def train(args: argparse.Namespace) -> int:
    """Learns from known pairs and aligns all entities."""
    if args.go_on is not None:
        out = args.out or next_folder(args.go_on)
        work = partial(proceed, args, out)
    else:
        remembered = remembered_problem(args)
        if args.without_training:
            return _match_alone(args, remembered)
        aligner = Aligner(
            options=Options.from_flags(args).replace(**args.more_options),
            modalities=remembered["modalities"],
            seed=args.seed,
            device=args.device,
        )
        out = args.out or Path(f"runs/{datetime.now():%Y%m%d-%H%M%S}")
        work = partial(_read_and_fit, aligner, args, out, remembered)
    try:
        with processes.joined():
            first = processes.rank() == 0
            aligner, data = work()
    except FullDiskError as error:
        again = ", with --resume" if (out / CONFIG).exists() else ""
        raise OSError(f"{error}{again}") from error
    except Stopped as where:
        go_on = "" if args.go_on is None else f"--continue {args.go_on} "
        print(
            f"stopped after {where}; resume the run with {go_on}--resume --out {out}",
            file=sys.stderr,
        )
        return 130
    if not first:
        return 0
    metrics = aligner.metrics_
    if args.json:
        print(json.dumps({"run": str(out), **metrics}, indent=2))
        return 0
    print_metrics(metrics, linked_pairs(data))
    print(
        f"\ntrained {metrics['seconds']:.0f} s; the alignment is in "
        f"{out / 'alignment.tsv'}"
    )
    return 0


def _match_alone(args: argparse.Namespace, remembered: dict[str, Any]) -> int:
    """Aligns by anchors and what follows from them over relations, without a model."""
    out = args.out or Path(f"runs/{datetime.now():%Y%m%d-%H%M%S}")
    run = RunFolder(out, {**remembered, "without_training": True})
    dataset = read_remembered(remembered, not args.json, args.allow_dropped)
    data = dataset[0]
    for note in _first_rows(remembered):
        print(f"note: {note}", file=sys.stderr)
    start = time.perf_counter()
    found = seed_problem(data)
    matches = found.all_matches()
    seconds = time.perf_counter() - start
    for said in found.sentences():
        print(said, file=sys.stderr)
    run.files = {"anchors.tsv": found.table()}
    if dataset.dropped:
        run.files["problems.tsv"] = table_of(dataset.dropped)
    with run.locked():
        run.start()
        figures = {"anchors": anchor_metrics(found, matches)}
        rough = {"decoder": DECODER, "calibrated": False}
        if len(matches.pairs) == 1:
            figures["confidence"] = rough
        else:
            titles = map(pair_title, matches.pairs)
            figures["pairs"] = {title: {"confidence": rough} for title in titles}
        run.write_metrics(figures, 0, seconds)
        matches.save(run.path / "alignment.tsv")
    if args.json:
        print(json.dumps({"run": str(out), **figures}, indent=2))
        return 0
    for pair in matches.pairs:
        own = matches.between(*pair)
        likely = len(own.sure(0.5))
        print(
            f"{pair_title(pair)}: {len(own)} matches, {likely} of them more probable "
            "than not"
        )
    print(f"the alignment is in {out / 'alignment.tsv'}")
    return 0


def _read_and_fit(
    aligner: Aligner, args: argparse.Namespace, out: Path, remembered: dict[str, Any]
) -> tuple[Aligner, HeteroData]:
    """Reads the problem and trains; of several processes, the first tells of it."""
    first = processes.rank() == 0
    aligner.check(out, args.resume, remembered)
    loggers = [logger_to(name, out) for name in args.log_to] if first else []
    device = processes.device_of(args.device)
    shown = first and not args.json
    dataset = processes.in_turn(
        lambda: read_remembered(remembered, shown, args.allow_dropped, device)
    )
    data = dataset[0]
    if first and not args.resume:
        for note in (*_first_rows(remembered), *exchanged_columns(data)):
            print(f"note: {note}", file=sys.stderr)
        _tell_cost(estimate(data, aligner.options, aligner.modalities), data, out)
    _fit(aligner, dataset, out, args.resume, remembered, loggers)
    return aligner, data


def _tell_cost(cost: Estimate, data: HeteroData, out: Path) -> None:
    """Says what a large training will take, and what the machine lacks for any."""
    if sum(entity_counts(data).values()) > LARGE:
        print(f"note: {cost.line()}", file=sys.stderr)
    for lack in cost.warnings(out):
        print(f"warning: {lack}", file=sys.stderr)


def _fit(
    aligner: Aligner,
    dataset: KnowledgeGraphs,
    out: Path,
    resume: bool,
    remembered: dict[str, Any],
    loggers: Sequence[MetricLogger],
) -> None:
    """Trains, and writes all files of the run."""
    lost = {"problems.tsv": table_of(dataset.dropped)} if dataset.dropped else {}
    aligner.fit(dataset[0], out, resume, about=remembered, files=lost, loggers=loggers)
    plot_curves(aligner, out)


def print_metrics(metrics: dict[str, Any], pairs: Sequence[Pair]) -> None:
    """Prints the figures by pair of graphs.

    What a user will meet comes first: how many of the matches of held-out entities are
    right.

    Args:
        metrics (dict): What ``metrics.json`` holds.
        pairs (sequence of tuple): The pairs of graphs that may be in it; if it is of
            only one, that is the first.
    """
    titled = {pair_title(pair): pair for pair in pairs}
    if "pairs" in metrics:
        for part, matches in metrics.get("matches", {}).items():
            print(f"\nall graphs: {report.matches_line(matches, part)}")
    only = pair_title(pairs[0])
    for graphs, figures in (metrics.get("pairs") or {only: metrics}).items():
        if graphs not in titled:
            raise ValueError(
                f"{METRICS} has figures of {graphs!r}, but the run aligned "
                f"{', '.join(titled)}; {RESTORE}"
            )
        source, target = titled[graphs]
        for part in ("test", "val"):
            if part in figures:
                name = {"val": "validation", "test": "test"}[part]
                print(f"\n{graphs}: {name} pairs")
                matches = figures.get("matches", {}).get(part)
                table = (figures[part], source, target, matches, part)
                print(report.metrics_table(*table))
                if part in figures.get("vectors_alone", {}):
                    print(report.embeddings_line(figures["vectors_alone"][part]))
        if line := report.candidates_line(figures.get("candidates", {})):
            print(f"\n{line}")
        text = report.confidence_table(figures.get("confidence", {}))
        print(f"\n{text}" if text else "")
    if "all" in metrics.get("anchors", {}):
        found = metrics["anchors"]
        seeds, every = found["seeds"], found["all"]
        print(
            f"\nseed pairs that were found: {seeds['right']} of {seeds['asked']} right "
            f"({seeds['precision']:.1%}); with all matches, {every['right']} of the "
            f"{every['asked']} known ({every['precision']:.1%})"
        )
    if "clusters" in metrics:
        print(report.clusters_table(metrics["clusters"]))


def align(args: argparse.Namespace) -> int:
    """Aligns again with the models of a run."""
    config = read_config(args.run)
    choice, to = choice_of(args), args.to or args.run / "alignment.tsv"
    data = read_again(args.run, config, args.device)
    run = RunFolder(args.run, config, resume=True)
    with run.locked() if args.to is None else nullcontext():
        aligner = Aligner.load(args.run, data, device=args.device)
        found = aligner.align(**choice)
        found.save(to)
        if len(found.pairs) > 1 and args.to is None:
            run.write_clusters(data, aligner.clusters())
    said: list[dict[str, Any]] = [
        {
            "graphs": pair,
            "matches": len(found.between(*pair)),
            "decoder": found.decoder[pair],
            "calibrated": found.calibrated[pair],
        }
        for pair in found.pairs
    ]
    if args.json:
        print(json.dumps(said))
        return 0
    for line in said:
        print(
            f"{pair_title(line['graphs'])}: {line['matches']} matches by "
            f"{line['decoder']} in {to}"
            + ("" if line["calibrated"] else "; their confidence is NOT calibrated")
        )
    return 0


def evaluate(args: argparse.Namespace) -> int:
    """Judges the matches of a run by known pairs."""
    config = read_config(args.run)
    if args.pairs is None:
        metrics = read_metrics(args.run)
        if args.json:
            print(json.dumps(metrics, indent=2))
        else:
            print_metrics(metrics, _pairs_of(args.run, config))
        return 0
    check_ending(args.pairs, PAIRS)
    matches = _selected(args)
    known = _known_to_training(args.run, config)
    given = [two for pair in matches.pairs for two in known.get(pair, [])]
    found = matches.judge(read_pairs(args.pairs), given)
    if found.pop("exchanged", False):
        raise ValueError(
            f"{args.pairs} has no pair that was found, but fits the other way round: "
            "its first column must name entities of the source graph; exchange the "
            "columns"
        )
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    if found["known"]:
        print(f"{found['known']} pairs were known to the training and do not count")
    print(
        f"{found['given']} matches for the source entities of the {found['pairs']} "
        f"pairs, {found['right']} of them right"
    )
    print(
        f"precision {found['precision']:.3f}, recall {found['recall']:.3f}, "
        f"F1 {found['f1']:.3f}"
    )
    if "thresholds" in found:
        print(threshold_table(found["thresholds"]))
    print(report.confidence_table(found))
    return 0


def _pairs_of(run: Path, config: dict[str, Any]) -> list[Pair]:
    """The pairs of graphs of a run, those with known pairs first."""
    linked = [(link[0], link[1]) for link in config.get("links", [])]
    # Links that follow from others link further pairs.
    names = [words[0] for words in config.get("graphs", [])]
    found = linked + list(permutations(names, 2))
    return found or list(Alignment.load(run / "alignment.tsv").pairs)


def export(args: argparse.Namespace) -> int:
    """Writes what a run found in another form."""
    check_ending(args.to, ENDINGS[args.what])
    if args.safe_cells and args.what != "matches":
        raise ValueError("--safe-cells is for matches in .tsv or .csv")
    if args.rows_per_file is not None and args.what != "matches":
        raise ValueError("--rows-per-file is for matches in .parquet")
    if args.exact_from is not None and not (
        args.what == "matches" and form_of(args.to) in MAPPINGS
    ):
        raise ValueError(f"--exact-from is for matches in {suffixes(MAPPINGS)}")
    if args.exact_from is not None and not 0 <= args.exact_from <= 1:
        raise ValueError(f"--exact-from must be in [0, 1], got {args.exact_from}")
    if args.device is not None and args.what != "embeddings":
        raise ValueError(
            f"--device is for --what embeddings: {args.what} are read from files"
        )
    count, what = EXPORTS[args.what](args)
    rough = [] if args.what == "embeddings" else _not_calibrated(args.run)
    if args.json:
        said = {"not_calibrated": rough} if rough else {}
        print(json.dumps({what: count, "file": str(args.to), **said}))
        return 0
    print(f"{count} {what} in {args.to}")
    if rough:
        where = f" ({', '.join(filter(None, rough))})" if any(rough) else ""
        print(f"note: the confidence{where} is NOT calibrated; see {args.run}")
    return 0


def _not_calibrated(run: Path) -> list[str]:
    """The pairs of graphs of a run whose confidence is not calibrated; ``''`` for the
    only one.
    """
    metrics = read_metrics(run) if (run / METRICS).is_file() else {}
    return [
        graphs
        for graphs, figures in (metrics.get("pairs") or {"": metrics}).items()
        if figures.get("confidence", {}).get("calibrated") is False
    ]


def page(args: argparse.Namespace) -> int:
    """Writes ``report.html`` into a run folder."""
    examples: list[dict[str, Any]] = []
    told: list[Explanation | None] = []
    config = read_config(args.run)
    if "graphs" in config:
        data = read_again(args.run, config)
        matches = Alignment.load(args.run / "alignment.tsv")
        examples = hard_examples(data, matches, graph_files(config))
        told = _evidence(args, data, matches)
    path = report.write_page(args.run, examples, told)
    print(json.dumps({"file": str(path)}) if args.json else f"{path} is written")
    return 0


def _evidence(
    args: argparse.Namespace, data: HeteroData, matches: Alignment
) -> list[Explanation | None]:
    """Why the first of the matches were found; nothing where the models are gone."""
    most = args.evidence
    if most is None:
        most = 0 if sum(entity_counts(data).values()) > LARGE else _WITH_EVIDENCE
    matches = matches[: max(0, most)]
    if not len(matches):
        return []
    try:
        return Aligner.load(args.run, data, device=args.device).explain_all(matches)
    except (OSError, ValueError) as error:
        warnings.warn(f"the page shows no evidence for matches: {error}", stacklevel=1)
        return []


def _selected(args: argparse.Namespace) -> Alignment:
    """The matches of a run that were asked for."""
    read_config(args.run)
    matches = Alignment.load(args.run / "alignment.tsv")
    if args.graphs is not None:
        matches = matches.between(*args.graphs)
    least = args.min_confidence
    if least is None:  # Graphs are joined where it is more likely right than wrong.
        least = 0.5 if getattr(args, "what", "") == "merged" else 0.0
    matches = matches.sure(least)
    return matches.one_to_one() if args.one_to_one else matches


def _known_pairs(data: HeteroData) -> dict[Pair, list[Pair]]:
    """By pair of graphs, the pairs that a training learned from."""
    known = {}
    for (a, b), problem in pair_problems(data):
        parts = [links_of(problem, part) for part in ("train", "val")]
        # By URI: the problem may lack entities that the files have (leaves=drop).
        ids = torch.cat(parts, dim=1).t().tolist()
        known[a, b] = [(data.uri[a][i], data.uri[b][j]) for i, j in ids]
    return known


def _known_to_training(run: Path, config: dict[str, Any]) -> dict[Pair, list[Pair]]:
    """The same for a run; none where its files cannot be read again."""
    if "graphs" not in config:
        return {}
    try:
        return _known_pairs(read_again(run, config))
    except (OSError, ValueError) as error:
        warnings.warn(
            f"pairs known to the training count as missed, since its files cannot be "
            f"read again: {error}",
            stacklevel=1,
        )
        return {}


def _export_matches(args: argparse.Namespace) -> tuple[int, str]:
    matches, form = _selected(args), form_of(args.to)
    least = EXACT if args.exact_from is None else args.exact_from
    known = read_labels(read_config(args.run)) if form == "sssom.tsv" else None
    matches.save(
        args.to,
        safe_cells=args.safe_cells,
        rows_per_file=args.rows_per_file,
        labels=known,
        exact_from=least,
    )
    return len(matches), "matches"


def _export_embeddings(args: argparse.Namespace) -> tuple[int, str]:
    data = read_again(args.run, read_config(args.run), args.device)
    z = Aligner.load(args.run, data, device=args.device).embed()
    write_embeddings(args.to, z, data.uri)
    return sum(len(rows) for rows in z.values()), "embeddings"


def _export_merged(args: argparse.Namespace) -> tuple[int, str]:
    config = read_config(args.run)
    matches = _selected(args)
    known = _known_pairs(read_again(args.run, config))
    graphs = [file.read() for file in graph_files(config)]
    clusters = join_known(graphs, known, matches)
    return write_merged(args.to, graphs, clusters).num_nodes, "entities"


EXPORTS: dict[str, Callable[[argparse.Namespace], tuple[int, str]]] = {
    "matches": _export_matches,
    "embeddings": _export_embeddings,
    "merged": _export_merged,
}
