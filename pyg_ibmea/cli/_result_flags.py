"""The flags of all other commands; most read the folder of a run."""

from __future__ import annotations

import argparse
from pathlib import Path

from pyg_ibmea.options import CARDINALITIES, EXACT

EXPORTED = ("matches", "embeddings", "merged")
"""What ``pyg-ibmea export`` can write."""

SHELLS = ("bash", "zsh", "fish")
_LINES = """\
bash, zsh or fish; put into ~/.bashrc or ~/.zshrc: eval "$(pyg-ibmea completion bash)",
or zsh; into ~/.config/fish/config.fish: pyg-ibmea completion fish | source
"""


def add_run(command: argparse.ArgumentParser) -> None:
    """The run folder."""
    command.add_argument("run", type=Path, metavar="RUN", help="run folder")


def add_align_flags(command: argparse.ArgumentParser) -> None:
    """The flags of ``pyg-ibmea align``."""
    add_run(command)
    _add_device(command)
    add = command.add_argument_group("other matches, with --to").add_argument
    add(
        "--to",
        type=Path,
        metavar="FILE",
        help=".tsv, .csv, .parquet, .sssom.tsv, .nt, .ttl, .jsonld or .rdf to write "
        "(default: alignment.tsv of the run)",
    )
    add(
        "--k",
        type=int,
        metavar="K",
        help="the K best matches of each source entity, each with its confidence "
        "(default: 1)",
    )
    add(
        "--cardinality",
        choices=CARDINALITIES,
        help="which of these may stand together, from source to target (default: all)",
    )
    add("--sources", type=Path, metavar="FILE", help="table of the entities to match")
    add(
        "--targets",
        type=Path,
        metavar="FILE",
        help="table of the entities that they may be matched with",
    )
    add(
        "--same-type",
        metavar="RELATION",
        help="only entities of corresponding types, to which this relation leads; its "
        "URI or the last part of it",
    )


def add_evaluate_flags(command: argparse.ArgumentParser) -> None:
    """The flags of ``pyg-ibmea evaluate``."""
    add_run(command)
    command.add_argument(
        "--pairs",
        type=Path,
        metavar="FILE",
        help="table source, target of true pairs, RDF or SSSOM as for --links; pairs "
        "that the training knew are counted apart (default: show the figures of the "
        "training)",
    )
    _add_selection(command)


def add_export_flags(command: argparse.ArgumentParser) -> None:
    """The flags of ``pyg-ibmea export``."""
    add_run(command)
    add = command.add_argument
    add(
        "--to",
        type=Path,
        required=True,
        metavar="FILE",
        help="matches: .tsv, .csv, .parquet, .sssom.tsv, .nt for owl:sameAs, .ttl or "
        ".jsonld for SKOS mappings, .rdf for the Alignment format of OAEI; embeddings: "
        "a folder; merged: .nt, or .pt for HeteroData",
    )
    add(
        "--exact-from",
        type=float,
        metavar="P",
        help="SSSOM and SKOS: matches of at least this confidence are exactMatch, the "
        f"others closeMatch (default: {EXACT})",
    )
    add(
        "--what",
        default="matches",
        choices=EXPORTED,
        help="matches of entities; a vector of each entity, whose cosine says how "
        "alike two are; or the graphs as one, with known and found pairs joined "
        "(default: matches)",
    )
    _add_selection(command)
    add(
        "--safe-cells",
        action="store_true",
        help="for spreadsheets: put ' before names in .tsv or .csv that begin like a "
        "formula (= + - @); changes these names",
    )
    add(
        "--rows-per-file",
        type=int,
        metavar="N",
        help="matches: a folder of .parquet files of N rows at most",
    )
    _add_device(command, "with --what embeddings: ")


def add_explain_flags(command: argparse.ArgumentParser) -> None:
    """The flags of ``pyg-ibmea explain``."""
    add_run(command)
    add = command.add_argument
    add("source", metavar="SOURCE", help="URI of the source entity")
    add(
        "target",
        metavar="TARGET",
        nargs="?",
        help="URI of a target entity (default: the match that was found, with the "
        "runner-up beside it)",
    )
    add(
        "--plot",
        type=Path,
        metavar="FILE",
        help="write a waterfall plot, too: .png, .svg or .pdf",
    )
    add(
        "--facts",
        type=int,
        default=5,
        metavar="N",
        help="how many facts of a kind are told one by one (default: %(default)s)",
    )
    _add_graphs(command)
    _add_device(command)


def add_report_flags(command: argparse.ArgumentParser) -> None:
    """The flags of ``pyg-ibmea report``."""
    add_run(command)
    command.add_argument(
        "--evidence",
        type=int,
        metavar="N",
        help="the first N matches show in the page why they were found, for which the "
        "models are asked again; 0: none (default: 10,000 up to 100,000 entities, none "
        "beyond, where asking takes long)",
    )
    _add_device(command)


def add_review_flags(command: argparse.ArgumentParser) -> None:
    """The flags of ``pyg-ibmea review``."""
    add_run(command)
    add = command.add_argument
    add("--number", type=int, default=20, metavar="N",
        help="questions, at most (default: %(default)s)")  # fmt: skip
    add("--port", type=int, default=0, metavar="N",
        help="port of the page (default: a free one)")  # fmt: skip
    add("--no-browser", action="store_true", help="print the address only")
    add("--terminal", action="store_true", help="ask here, in plain text")
    add("--to", type=Path, metavar="FILE",
        help="write the questions as a .tsv for a spreadsheet, with an empty column "
        "`answer`")  # fmt: skip
    add("--answers", type=Path, metavar="FILE",
        help="add the answers of such a table to those of the run")  # fmt: skip


def add_completion_flags(command: argparse.ArgumentParser) -> None:
    """The flags of ``pyg-ibmea completion``."""
    command.add_argument("shell", choices=SHELLS, metavar="SHELL", help=_LINES)


def _add_selection(command: argparse.ArgumentParser) -> None:
    _add_graphs(command)
    command.add_argument(
        "--min-confidence",
        type=float,
        metavar="X",
        help="only matches of at least this confidence (default: 0; 0.5 if merged)",
    )
    command.add_argument(
        "--one-to-one",
        action="store_true",
        help="keep the surest match of each target",
    )


def _add_graphs(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--graphs", nargs=2, metavar=("A", "B"), help="only matches from A to B"
    )


def _add_device(command: argparse.ArgumentParser, when: str = "") -> None:
    command.add_argument(
        "--device", help=f"{when}where to encode (default: CUDA if available)"
    )
