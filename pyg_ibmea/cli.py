"""The command line: from files of knowledge graphs to an alignment to trust."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import HeteroData

from pyg_ibmea import __version__, report, train
from pyg_ibmea._examples import hard_examples
from pyg_ibmea._exports import join_known, write_embeddings, write_merged
from pyg_ibmea.data.readers.link_tables import read_pairs
from pyg_ibmea.datasets import (
    GraphFiles,
    KnowledgeGraphs,
    inspect_problem,
    read_problem,
)
from pyg_ibmea.problem import Pair, linked_pairs, links_of, pair_problems
from pyg_ibmea.report.page import read_json

GRAPH_HELP = """\
  --graph NAME KEY=FILE ...   a knowledge graph. Keys:
      folder      folder with triples, attributes, entities, names (.tsv, .csv,
                  .parquet, .gz) and images
      rdf         .nt, .ttl, .nq, .trig, .rdf, also .gz
      triples     table head, relation, tail (or head, tail)
      attributes  table entity, attribute, value (numbers and labels are used)
      entities    table of entities;  exclude: those to leave out
      names       table entity, name
      images      folder of files named after entities, or table entity, file
      feature:M   vectors of a modality M (.npz, .npy, .h5, .pkl)
      leaves=drop leave out entities known only as the tail of one triple
  --links A B FILE            known pairs of graphs A and B: table source, target,
                              or RDF with owl:sameAs
  --alone A B FILE            entities of graph A known to have no counterpart in B

example:
  pyg-ibmea train --graph zh triples=zh.tsv images=pictures_zh \\
      --graph en triples=en.tsv images=pictures_en --links zh en known.tsv \\
      --out runs/first
  pyg-ibmea report runs/first
  pyg-ibmea export runs/first --to same_as.nt --min-confidence 0.9
"""
#: Of the keys of a run's configuration, those that say what was read and how.
_READ = (
    *("ratio", "val_ratio", "split_seed", "modalities", "num_features"),
    *("image_encoder", "name_encoder"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: The command line. (default: that of the process)

    Returns:
        0 if all went well, 1 if the user has something to put right, 130 if the
        training was interrupted and can go on.
    """
    args = make_parser().parse_args(arguments)
    train.keep_freed_memory()
    told = warnings.formatwarning
    warnings.formatwarning = lambda text, *_, **__: f"note: {text}\n"
    try:
        command: Callable[[argparse.Namespace], int] = args.command
        return command(args)
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        warnings.formatwarning = told


def make_parser() -> argparse.ArgumentParser:
    """The command line as a parser."""
    parser = argparse.ArgumentParser(
        prog="pyg-ibmea",
        description="Finds the same entities in knowledge graphs, and says how sure "
        "it is.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, run: Callable[[argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            epilog=GRAPH_HELP if name in ("inspect", "train") else None,
        )
        command.set_defaults(command=run)
        command.add_argument("--json", action="store_true", help="write JSON to stdout")
        return command

    inspect = add("inspect", _inspect, "say what is in graphs before training")
    trainer = add("train", _train, "learn from known pairs and align all entities")
    for command in (inspect, trainer):
        _add_problem(command)
    trainer.add_argument("--out", type=Path, help="run folder (default: a new one "
                         "under runs/)")  # fmt: skip
    trainer.add_argument("--resume", action="store_true", help="go on with --out")
    trainer.add_argument("--seed", type=int, default=0, help="seed of the model")
    trainer.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu"
    )
    train.add_arguments(trainer)
    trainer.set_defaults(iterative=True, refits=3)

    align = add("align", _align, "align anew with the models of a run")
    align.add_argument("run", type=Path, help="run folder")
    evaluate = add("evaluate", _evaluate, "judge the matches of a run by known pairs")
    evaluate.add_argument("run", type=Path, help="run folder")
    evaluate.add_argument("--pairs", type=Path, help="table source, target of true "
                          "pairs (default: the figures of the training)")  # fmt: skip
    export = add("export", _export, "write what a run found in another form")
    export.add_argument("run", type=Path, help="run folder")
    export.add_argument("--to", type=Path, required=True, metavar="FILE",
                        help="matches: .tsv, .csv, .parquet, or .nt for owl:sameAs; "
                        "embeddings: a folder; merged: .nt, or .pt for "
                        "HeteroData")  # fmt: skip
    export.add_argument("--what", default="matches", choices=list(_EXPORTS),
                        help="matches of entities; a vector of each entity, whose "
                        "cosine says how alike two are; or the graphs as one, with "
                        "known and found pairs joined (default: matches)")  # fmt: skip
    for command in (evaluate, export):
        command.add_argument("--graphs", nargs=2, metavar=("A", "B"),
                             help="only matches from A to B")  # fmt: skip
        command.add_argument("--min-confidence", type=float, help="only matches at "
                             "least as sure (default: 0; 0.5 if merged)")  # fmt: skip
        command.add_argument("--one-to-one", action="store_true",
                             help="keep the surest match of each target")  # fmt: skip
    page = add("report", _report, "write report.html into a run folder")
    page.add_argument("run", type=Path, help="run folder")
    return parser


def _add_problem(command: argparse.ArgumentParser) -> None:
    command.add_argument("--graph", nargs="+", action="append", default=[],
                         metavar=("NAME", "KEY=FILE"), help="see below")  # fmt: skip
    command.add_argument("--links", nargs=3, action="append", default=[],
                         metavar=("A", "B", "FILE"), help="see below")  # fmt: skip
    command.add_argument("--alone", nargs=3, action="append", default=[],
                         metavar=("A", "B", "FILE"), help="see below")  # fmt: skip
    command.add_argument("--ratio", type=float, default=1.0, help="share of the known "
                         "pairs to learn from; the others test the result (default: "
                         "%(default)s)")  # fmt: skip
    command.add_argument("--val-ratio", type=float, default=0.3, help="share of those "
                         "that choose the epoch and calibrate the confidence before "
                         "they teach, too (default: %(default)s)")  # fmt: skip
    command.add_argument("--split-seed", type=int, default=0)
    command.add_argument("--modalities", help="joined by commas (default: all)")
    command.add_argument("--image-encoder", default="colours", metavar="ENCODER",
                         help="colours, or vision:FOLDER, a vision model of Hugging "
                         "Face's (default: %(default)s)")  # fmt: skip
    command.add_argument("--name-encoder", default="ngrams", metavar="ENCODER",
                         help="ngrams, sentences, or sentences:FOLDER, an encoder of "
                         "Hugging Face's (default: %(default)s)")  # fmt: skip
    command.add_argument("--cache", type=Path, default=Path("data/cache"), help="of "
                         "encoded images and names (default: %(default)s)")  # fmt: skip


def _read(args: argparse.Namespace) -> tuple[KnowledgeGraphs, dict[str, Any]]:
    """The problem that a command line names, and what to remember of it."""
    if len(args.graph) < 2 or not args.links:
        raise ValueError("give two graphs with --graph and their --links (see --help)")
    graphs = [[word[0], *(_absolute(w) for w in word[1:])] for word in args.graph]
    links, alone = (
        [[a, b, str(Path(file).absolute())] for a, b, file in given]
        for given in (args.links, args.alone)
    )
    wanted = args.modalities.split(",") if args.modalities else None
    remembered = {
        "graphs": graphs,
        "links": links,
        "alone": alone,
        **{name: getattr(args, name, None) for name in _READ},
        "num_features": getattr(args, "num_features", 1000),
        "image_encoder": _absolute(args.image_encoder, ":"),
        "name_encoder": _absolute(args.name_encoder, ":"),
        "modalities": wanted,
        "cache": str(args.cache.absolute()),
    }
    return _problem(remembered, not args.json), remembered


def _problem(remembered: dict[str, Any], progress: bool = False) -> KnowledgeGraphs:
    files = [GraphFiles.parse(words) for words in remembered["graphs"]]
    names = [f.name for f in files]
    if len(set(names)) != len(names):
        raise ValueError(f"graphs need different names, got {', '.join(names)}")
    links = _by_pair("links", remembered["links"])
    alone = _by_pair("alone", remembered["alone"])
    options = {name: remembered[name] for name in _READ if name in remembered}
    if options["modalities"]:
        features = [m for m in options["modalities"] if m != "graph"]
        options["modalities"] = features
    cache = Path(remembered["cache"])
    return read_problem(files, links, cache, progress, alone, **options)


def _by_pair(option: str, given: Sequence[Sequence[str]]) -> dict[Pair, Path]:
    """File by pair of graphs, each pair once (of links, in one direction)."""
    found: dict[Pair, Path] = {}
    for a, b, file in given:
        twice = (a, b) in found or (option == "links" and (b, a) in found)
        if twice or a == b:
            why = "twice; join the tables" if twice else "of one graph"
            raise ValueError(f"--{option} {a} {b} is given {why}")
        found[a, b] = Path(file)
    return found


def _absolute(word: str, sign: str = "=") -> str:
    key, found, value = word.partition(sign)
    if not found or key == "leaves":
        return word
    return f"{key}{sign}{Path(value).absolute()}"


def _inspect(args: argparse.Namespace) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The problems below say the same.
        dataset, _ = _read(args)
    found = inspect_problem(dataset[0])
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    for name, graph in found["graphs"].items():
        degree = graph["degree"]
        print(f"{name}: {graph['entities']} entities, {graph['triples']} triples, "
              f"{graph['relations']} relations")  # fmt: skip
        print(f"  triples of an entity: median {degree[5]:g}, nine in ten at most "
              f"{degree[9]:g}, most {degree[10]:g}; none: "
              f"{graph['isolated']}")  # fmt: skip
        most = max(1, *graph["degrees"].values())
        for triples, count in graph["degrees"].items():
            bar = "#" * round(40 * count / most)
            print(f"  {triples:>9} triples {count:8} {bar}".rstrip())
        for modality, share in graph["coverage"].items():
            print(f"  {modality:<12}{share:7.1%}  {'#' * round(40 * share)}")
    for pair, parts in found["links"].items():
        print(f"{pair}: {parts['train']} training, {parts['val']} validation, "
              f"{parts['test']} test pairs")  # fmt: skip
    print(f"relation names that all graphs have: {found['shared_relations']}")
    for problem in found["problems"]:
        print(f"note: {problem}")
    return 0


def _train(args: argparse.Namespace) -> int:
    device = train.usable_device(args.device)
    dataset, remembered = _read(args)
    config = train.config_from(args)
    settings = {**remembered, "seed": args.seed, **asdict(config)}
    out = args.out or Path(f"runs/{datetime.now():%Y%m%d-%H%M%S}")
    run = train.RunFolder(out, settings, resume=args.resume)
    data = dataset[0].to(device)
    modalities = remembered["modalities"]
    options = (args.seed, modalities, device)
    try:
        judged, states = train.train_models(data, config, run, *options)
    except train.Stopped as where:
        print(f"stopped after {where}; go on with --resume --out {out}",
              file=sys.stderr)  # fmt: skip
        return 130
    metrics = train.final_test(data, judged, states, config, run)
    if run.read_metrics():  # Without validation pairs there is no curve.
        try:
            report.plot_curves(run.path)
        except ImportError as error:
            warnings.warn(str(error), stacklevel=1)
    if args.json:
        print(json.dumps({"run": str(out), **metrics}, indent=2))
        return 0
    _print_metrics(metrics, " - ".join(linked_pairs(data)[0]))
    print(f"\ntrained {metrics['seconds']:.0f} s; the alignment is in "
          f"{out / 'alignment.tsv'}")  # fmt: skip
    return 0


def _print_metrics(metrics: dict[str, Any], pair: str) -> None:
    """By pair of graphs; ``pair`` names the only one."""
    for graphs, figures in (metrics.get("pairs") or {pair: metrics}).items():
        source, _, target = graphs.partition(" - ")
        for part in ("val", "test"):
            if part in figures:
                name = {"val": "validation", "test": "test"}[part]
                print(f"\n{name} pairs")
                print(report.metrics_table(figures[part], source, target))
                if part in figures.get("vectors_alone", {}):
                    print(report.vectors_line(figures["vectors_alone"][part]))
        text = report.confidence_table(figures.get("confidence", {}))
        print(f"\n{text}" if text else "")
    if "clusters" in metrics:
        print(report.clusters_table(metrics["clusters"]))


def _config(run: Path) -> dict[str, Any]:
    path = run / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{run} is no run folder: it has no config.json")
    return read_json(path)


def _again(run: Path) -> tuple[HeteroData, train.TrainConfig, dict[str, Any]]:
    """The problem of a run, read again from the files that it was read from."""
    settings = _config(run)
    if "graphs" not in settings:
        raise ValueError(f"{run} was not written by `pyg-ibmea train`")
    names = {f.name for f in fields(train.TrainConfig)}
    config = train.TrainConfig(**{k: v for k, v in settings.items() if k in names})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The training has said it.
        dataset = _problem(settings)
    return dataset[0], config, settings


def _align(args: argparse.Namespace) -> int:
    data, config, settings = _again(args.run)
    judged, models = train.load_models(data, config, args.run, settings["modalities"])
    found = train.align_pairs(judged, models, data, config)
    run = train.RunFolder(args.run, settings, resume=True)
    run.write_alignment(data, {pair: matches for pair, (_, matches) in found.items()})
    if len(found) > 1:
        run.write_clusters(data, train.join_matches(data, found))
    said: list[dict[str, Any]] = [
        {"graphs": list(pair), "matches": matches.source.numel(),
         "decoder": trust.decoder}
        for pair, (trust, matches) in found.items()
    ]  # fmt: skip
    if args.json:
        print(json.dumps(said))
        return 0
    for line in said:
        print(f"{' - '.join(line['graphs'])}: {line['matches']} matches by "
              f"{line['decoder']} in {args.run / 'alignment.tsv'}")  # fmt: skip
    return 0


def _selected(args: argparse.Namespace) -> list[report.Match]:
    _config(args.run)
    matches = report.read_matches(args.run / "alignment.tsv")
    least = args.min_confidence
    if least is None:  # Graphs are joined where it is more likely right than wrong.
        least = 0.5 if getattr(args, "what", "") == "merged" else 0.0
    return report.select_matches(matches, least, args.one_to_one, args.graphs)


def _evaluate(args: argparse.Namespace) -> int:
    settings = _config(args.run)
    if args.pairs is None:
        metrics = read_json(args.run / "metrics.json")
        if args.json:
            print(json.dumps(metrics, indent=2))
        else:
            pair = settings.get("links", [["source", "target"]])[0][:2]
            _print_metrics(metrics, " - ".join(pair))
        return 0
    found = report.judge_matches(_selected(args), read_pairs(args.pairs))
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    print(f"{found['given']} matches are given for the {found['pairs']} pairs' source "
          f"entities, {found['right']} of them are right")  # fmt: skip
    print(f"precision {found['precision']:.3f}, recall {found['recall']:.3f}, "
          f"F1 {found['f1']:.3f}")  # fmt: skip
    print(report.confidence_table(found))
    return 0


def _export(args: argparse.Namespace) -> int:
    count, what = _EXPORTS[args.what](args)
    if args.json:
        print(json.dumps({what: count, "file": str(args.to)}))
    else:
        print(f"{count} {what} in {args.to}")
    return 0


def _export_matches(args: argparse.Namespace) -> tuple[int, str]:
    matches = _selected(args)
    report.write_matches(matches, args.to)
    return len(matches), "matches"


def _export_embeddings(args: argparse.Namespace) -> tuple[int, str]:
    data, config, settings = _again(args.run)
    _, models = train.load_models(data, config, args.run, settings["modalities"])
    every = {kg: torch.arange(data[kg].num_nodes) for kg in data.node_types}
    z = train.encode_entities(models, data, every)
    write_embeddings(args.to, z, data.uri)
    return sum(len(rows) for rows in z.values()), "embeddings"


def _export_merged(args: argparse.Namespace) -> tuple[int, str]:
    settings = _config(args.run)
    matches = _selected(args)
    data, _, _ = _again(args.run)
    files = [GraphFiles.parse(words) for words in settings["graphs"]]
    graphs = [file.read() for file in files]
    known = {}
    for (a, b), problem in pair_problems(data):
        parts = [links_of(problem, part) for part in ("train", "val")]
        # By URI: the problem may lack entities that the files have (leaves=drop).
        ids = torch.cat(parts, dim=1).t().tolist()
        known[a, b] = [(data.uri[a][i], data.uri[b][j]) for i, j in ids]
    clusters = join_known(graphs, known, matches)
    return write_merged(args.to, graphs, clusters).num_nodes, "entities"


_EXPORTS: dict[str, Callable[[argparse.Namespace], tuple[int, str]]] = {
    "matches": _export_matches,
    "embeddings": _export_embeddings,
    "merged": _export_merged,
}


def _report(args: argparse.Namespace) -> int:
    examples = []
    settings = _config(args.run)
    if "graphs" in settings:
        data, _, _ = _again(args.run)
        matches = report.read_matches(args.run / "alignment.tsv")
        files = [GraphFiles.parse(words) for words in settings["graphs"]]
        examples = hard_examples(data, matches, files)
    path = report.write_page(args.run, examples)
    print(json.dumps({"file": str(path)}) if args.json else f"{path} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
