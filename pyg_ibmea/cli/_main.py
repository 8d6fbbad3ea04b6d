"""The parser of the command line, and its front."""

from __future__ import annotations

import argparse
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from pathlib import Path

from pyg_ibmea import __version__
from pyg_ibmea.align._alignment_rdf import EXACT
from pyg_ibmea.cli import _commands, _explain
from pyg_ibmea.cli import _review as asked
from pyg_ibmea.cli._choices import add_choice_flags
from pyg_ibmea.cli._problem import add_problem_flags
from pyg_ibmea.train import Options

_REPORT = (
    "this is a fault of pyg-ibmea: please report it, with the lines above and the "
    "command"
)
_NO_MEMORY = "the memory is used up; see docs/faq.md for what takes less"
_ALLOCATION = re.compile("can't allocate memory|out of memory", re.IGNORECASE)
GRAPH_HELP = """\
  --graph NAME KEY=FILE ...   a knowledge graph. Keys:
      folder      folder with triples, attributes, entities, names (.tsv, .csv,
                  .parquet, .xlsx, also .gz, .zst) and images
      rdf         .nt, .ttl, .nq, .trig, .jsonld, .rdf, also .gz, .zst
      graphml     GraphML of NetworkX, Gephi, yEd, Neo4j
      neo4j       .csv of Neo4j (APOC, neo4j-admin), or a folder of them
      triples     table head, relation, tail (or head, tail)
      attributes  table entity, attribute, value (numbers and labels are used)
      entities    table of entities;  exclude: those to leave out
      names       table entity, name
      images      folder of files named after entities, or table entity, file
      feature:M   vectors of a modality M (.npz, .npy, .h5, .pkl)
      leaves=drop leave out entities known only as the tail of one triple
  --links A B FILE            known pairs of graphs A and B: table source, target,
                              RDF (owl:sameAs, skos:exactMatch, OAEI's Alignment)
                              or .sssom.tsv
  --alone A B FILE            entities of graph A known to have no counterpart in B

example:
  pyg-ibmea train --graph zh triples=zh.tsv images=pictures_zh \\
      --graph en triples=en.tsv images=pictures_en --links zh en known.tsv \\
      --out runs/first
  pyg-ibmea report runs/first
  pyg-ibmea review runs/first
  pyg-ibmea train --continue runs/first
  pyg-ibmea export runs/first --to same_as.nt --min-confidence 0.9
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments (sequence of str, optional): The command line. (default: that of the
            process)

    Returns:
        int: 0 if all went well, 1 after an error that the user can correct, 130 if the
        training was interrupted and can be resumed.
    """
    args = make_parser().parse_args(arguments)
    told = warnings.formatwarning
    out = sys.stdout if isinstance(sys.stdout, TextIOWrapper) else None
    strict = out.errors if out else None
    if out:  # What a terminal cannot show must not end a command.
        out.reconfigure(errors="backslashreplace")
    warnings.formatwarning = lambda text, *_, **__: f"note: {text}\n"
    try:
        command: Callable[[argparse.Namespace], int] = args.command
        code = command(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # Whoever reads has seen enough.
        _forget_output()
        return 1
    except MemoryError:
        return _refuse(args, _NO_MEMORY)
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        return _refuse(args, str(error))
    except Exception as error:
        # PyTorch has no type for it on the CPU.
        if isinstance(error, RuntimeError) and _ALLOCATION.search(str(error)):
            return _refuse(args, _NO_MEMORY)
        traceback.print_exc()
        print(_REPORT, file=sys.stderr)
        return 1
    finally:
        warnings.formatwarning = told
        if out:
            out.reconfigure(errors=strict)


def _refuse(args: argparse.Namespace, why: str) -> int:
    """Says what a user has to put right and, with ``--debug``, where it was noticed."""
    if args.debug:
        traceback.print_exc()
    print(f"error: {why}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # Such as a full disk, which has been told.
        _forget_output()
    return 1


def _forget_output() -> None:
    """Keeps Python from writing, when it ends, what could not be written."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


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
        command.add_argument(
            "--debug", action="store_true", help="show where an error was noticed"
        )
        return command

    inspect = add("inspect", _commands.inspect, "say what graphs hold, before training")
    train = add("train", _commands.train, "learn from known pairs, align all entities")
    for command in (inspect, train):
        add_problem_flags(command)
    train.add_argument(
        "--out", type=Path, help="run folder (default: a new one under runs/)"
    )
    train.add_argument("--resume", action="store_true", help="resume the run in --out")
    train.add_argument(
        "--continue",
        dest="go_on",
        type=Path,
        metavar="RUN",
        help="train on from a finished run, with its data, options and seed, and what "
        "was answered in `pyg-ibmea review`, into a new folder (default: RUN-2)",
    )
    train.add_argument(
        "--allow-dropped",
        action="store_true",
        help="go on where more than a tenth of a table of links, names or images names "
        "unknown entities; what is dropped is in problems.tsv",
    )
    train.add_argument(
        "--without-training",
        action="store_true",
        help="no model: match what names and features identify, and what follows from "
        "that over relations, in seconds to minutes; --links only judge",
    )
    train.add_argument("--seed", type=int, default=0, help="seed of the model")
    train.add_argument("--device", help="where to train (default: CUDA if available)")
    Options.add_flags(train, iterative=True, refits=3)

    align = add("align", _commands.align, "align again with the models of a run")
    add_choice_flags(align)
    evaluate = add(
        "evaluate", _commands.evaluate, "judge the matches of a run by known pairs"
    )
    evaluate.add_argument(
        "--pairs",
        type=Path,
        help="table source, target of true pairs, RDF or SSSOM as for --links; pairs "
        "that the training knew are counted apart (default: show the figures of the "
        "training)",
    )
    export = add("export", _commands.export, "write what a run found in another form")
    export.add_argument(
        "--to",
        type=Path,
        required=True,
        metavar="FILE",
        help="matches: .tsv, .csv, .parquet, .sssom.tsv, .nt for owl:sameAs, .ttl or "
        ".jsonld for SKOS mappings, .rdf for the Alignment format of OAEI; embeddings: "
        "a folder; merged: .nt, or .pt for HeteroData",
    )
    export.add_argument(
        "--exact-from",
        type=float,
        metavar="P",
        help="SSSOM and SKOS: matches of at least this confidence are exactMatch, the "
        f"others closeMatch (default: {EXACT})",
    )
    export.add_argument(
        "--what",
        default="matches",
        choices=list(_commands.EXPORTS),
        help="matches of entities; a vector of each entity, whose cosine says how "
        "alike two are; or the graphs as one, with known and found pairs joined "
        "(default: matches)",
    )
    export.add_argument(
        "--safe-cells",
        action="store_true",
        help="for spreadsheets: put ' before names in .tsv or .csv that begin like a "
        "formula (= + - @); changes these names",
    )
    export.add_argument(
        "--rows-per-file",
        type=int,
        metavar="N",
        help="matches: a folder of .parquet files of N rows at most",
    )
    explain = add(
        "explain", _explain.explain, "say why two entities match, term by term"
    )
    explain.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="write a waterfall plot, too: .png, .svg or .pdf",
    )
    explain.add_argument(
        "--facts",
        type=int,
        default=5,
        metavar="N",
        help="how many facts of a kind are told one by one (default: %(default)s)",
    )
    for command in (evaluate, explain, export):
        command.add_argument(
            "--graphs", nargs=2, metavar=("A", "B"), help="only matches from A to B"
        )
    for command in (evaluate, export):
        command.add_argument(
            "--min-confidence",
            type=float,
            help="only matches of at least this confidence (default: 0; 0.5 if merged)",
        )
        command.add_argument(
            "--one-to-one",
            action="store_true",
            help="keep the surest match of each target",
        )
    when_asked = "with --what embeddings: "
    for command, when in ((align, ""), (explain, ""), (export, when_asked)):
        command.add_argument(
            "--device", help=f"{when}where to encode (default: CUDA if available)"
        )
    page = add("report", _commands.page, "write report.html into a run folder")
    review = add("review", asked.review, "ask people about the matches of a run")
    asked.add_review_flags(review)
    page.add_argument(
        "--evidence",
        type=int,
        metavar="N",
        help="the first N matches show in the page why they were found, for which the "
        "models are asked again; 0: none (default: 10,000 up to 100,000 entities, none "
        "beyond, where asking takes long)",
    )
    page.add_argument(
        "--device", help="where to encode for that (default: CUDA if available)"
    )
    for command in (align, evaluate, explain, export, page, review):
        command.add_argument("run", type=Path, help="run folder")
    explain.add_argument("source", metavar="SOURCE", help="URI of the source entity")
    explain.add_argument(
        "target",
        metavar="TARGET",
        nargs="?",
        help="URI of a target entity (default: the match that was found, with the "
        "runner-up beside it)",
    )
    return parser
