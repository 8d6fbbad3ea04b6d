"""The flags of the commands that read graphs: ``inspect`` and ``train``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pyg_ibmea.options import Options, flag_of

USUAL = (
    *("config", "graph", "links", "ratio", "out", "resume", "go_on"),
    *("without_training", "refits", "device"),
)
"""What most trainings need, which the short help shows."""

USUAL_OF_INSPECT = ("graph", "links", "json")
"""The same of ``inspect``."""

LOGGERS = ("tensorboard", "mlflow", "wandb")
"""Who else can be told the figures of a run."""

CHANGED_DEFAULTS: dict[str, Any] = {"iterative": True, "refits": 3}
"""Options whose defaults are others on the command line."""

GRAPH_HELP = """\
the KEY=FILE of a --graph:
  folder=F      folder with triples, attributes, entities, names (.tsv, .csv,
                .parquet, .xlsx, also .gz, .zst) and images
  rdf=F         .nt, .ttl, .nq, .trig, .jsonld, .rdf, also .gz, .zst
  graphml=F     GraphML of NetworkX, Gephi, yEd, Neo4j
  neo4j=F       .csv of Neo4j (APOC, neo4j-admin), or a folder of them
  triples=F     table head, relation, tail (or head, tail)
  attributes=F  table entity, attribute, value (numbers and labels are used)
  entities=F    table of entities;  exclude=F: those to leave out
  names=F       table entity, name
  images=F      folder of files named after entities, or table entity, file
  feature:M=F   vectors of a modality M (.npz, .npy, .h5, .pkl)
  leaves=drop   leave out entities known only as the tail of one triple

example:
  pyg-ibmea train --graph zh triples=zh.tsv images=pictures_zh \\
      --graph en triples=en.tsv images=pictures_en --links zh en known.tsv \\
      --out runs/first
  pyg-ibmea report runs/first
  pyg-ibmea review runs/first
  pyg-ibmea train --continue runs/first
  pyg-ibmea export runs/first --to same_as.nt --min-confidence 0.9
"""


def add_problem_flags(command: argparse.ArgumentParser) -> None:
    """The flags that name a problem."""
    add = command.add_argument_group("graphs and known pairs").add_argument
    many: dict[str, Any] = {"action": "append", "default": []}
    add(
        "--graph",
        nargs="+",
        metavar=("NAME", "KEY=FILE"),
        help="a knowledge graph and its files (keys below); give two or more",
        **many,
    )
    add(
        "--links",
        nargs=3,
        metavar=("A", "B", "FILE"),
        help="known pairs of graphs A and B: table source, target, RDF (owl:sameAs, "
        "skos:exactMatch, the Alignment format of OAEI) or .sssom.tsv; without any, "
        "what names and features identify is learned from",
        **many,
    )
    add(
        "--alone",
        nargs=3,
        metavar=("A", "B", "FILE"),
        help="entities of graph A known to have no counterpart in B",
        **many,
    )
    add(
        "--ratio",
        type=float,
        default=1.0,
        metavar="X",
        help="share of the known pairs to learn from; the others test the result "
        "(default: %(default)s)",
    )
    add(
        "--val-ratio",
        type=float,
        default=0.3,
        metavar="X",
        help="share of those that choose the epoch and calibrate the confidence before "
        "the refits learn from them, too (default: %(default)s)",
    )
    add("--split-seed", type=int, default=0, metavar="N",
        help="seed of the split (default: %(default)s)")  # fmt: skip
    add(
        "--labels-from-uris",
        action="store_true",
        help="without --links: the last part of a URI is a label, where a graph has no "
        "others",
    )
    add = command.add_argument_group("features").add_argument
    add("--modalities", metavar="NAMES", help="names joined by commas (default: all)")
    add(
        "--num-features",
        type=int,
        default=1000,
        metavar="N",
        help="columns of the relation and attribute bags (default: %(default)s)",
    )
    add(
        "--image-encoder",
        default="colours",
        metavar="ENCODER",
        help="colours, or vision:FOLDER, a Hugging Face vision model "
        "(default: %(default)s)",
    )
    add(
        "--name-encoder",
        default="ngrams",
        metavar="ENCODER",
        help="ngrams, sentences, or sentences:FOLDER, a Hugging Face text encoder "
        "(default: %(default)s)",
    )
    add(
        "--cache",
        type=Path,
        default=Path("data/cache"),
        metavar="FOLDER",
        help="folder of encoded images and names (default: %(default)s)",
    )


def add_train_flags(train: argparse.ArgumentParser) -> None:
    """The flags of ``pyg-ibmea train``."""
    train.add_argument(
        "config",
        type=Path,
        nargs="?",
        metavar="CONFIG",
        help="config.json of a run, or .json or .yaml with some of its keys: what is "
        "not given by flags; comes first",
    )
    train.set_defaults(answers_of=None, more_options={})
    add = train.add_argument_group("run").add_argument
    add(
        "--out",
        type=Path,
        metavar="RUN",
        help="run folder (default: a new one under runs/)",
    )
    add("--resume", action="store_true", help="resume the run in --out")
    add(
        "--continue",
        dest="go_on",
        type=Path,
        metavar="RUN",
        help="train on from a finished run, with its data, options and seed, and what "
        "was answered in `pyg-ibmea review`, into a new folder (default: RUN-2)",
    )
    add(
        "--without-training",
        action="store_true",
        help="no model: match what names and features identify, and what follows from "
        "that over relations, in seconds to minutes; --links only judge",
    )
    add(
        "--allow-dropped",
        action="store_true",
        help="go on where more than a tenth of a table of links, names or images names "
        "unknown entities; what is dropped is in problems.tsv",
    )
    add("--seed", type=int, default=0, metavar="N",
        help="seed of the model (default: %(default)s)")  # fmt: skip
    add(
        "--log-to",
        action="append",
        default=[],
        choices=LOGGERS,
        help="who else is told the figures of a run: TensorBoard or MLflow, in folders "
        "of these names in the run folder, or W&B; may be given several times",
    )
    add("--device", help="where to train (default: CUDA if available)")
    Options.add_flags(train, **CHANGED_DEFAULTS)


def refuse_options(args: argparse.Namespace, run: str) -> None:
    """Refuses flags that a run that is continued has decided already.

    Args:
        args (argparse.Namespace): The command line.
        run (str): Where they are taken from.

    Raises:
        ValueError: If some are given.
    """
    parser = argparse.ArgumentParser()
    Options.add_flags(parser, **CHANGED_DEFAULTS)
    usual: dict[str, Any] = vars(parser.parse_args([]))
    usual |= {"graph": [], "links": [], "alone": [], "seed": 0}
    given = [name for name, value in usual.items() if getattr(args, name) != value]
    if given:
        flags = ", ".join(map(flag_of, given))
        raise ValueError(
            f"{run} takes data, options and seed from the run that it goes on from; "
            f"leave out {flags}"
        )
