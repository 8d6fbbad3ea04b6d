"""The flags that say how many matches are asked for, and of which entities."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pyg_ibmea.align._cardinality import CARDINALITIES
from pyg_ibmea.cli._endings import ENDINGS, check_ending
from pyg_ibmea.data import read_tables

_FLAGS = ("k", "cardinality", "sources", "targets", "same_type")


def add_choice_flags(command: argparse.ArgumentParser) -> None:
    """The flags."""
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


def choice_of(args: argparse.Namespace) -> dict[str, Any]:
    """What is asked for, as arguments of :meth:`pyg_ibmea.Aligner.align`.

    Raises:
        ValueError: If it would take the place of the alignment of the run.
    """
    asked = {name: getattr(args, name) for name in _FLAGS}
    asked = {name: value for name, value in asked.items() if value is not None}
    if args.to is None and asked:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in asked)
        raise ValueError(
            f"{flags}: say with --to FILE where to write, as alignment.tsv of the run "
            "keeps the match of each entity"
        )
    if args.to is not None:
        check_ending(args.to, ENDINGS["matches"])
    for name in ("sources", "targets"):
        if name in asked:
            asked[name] = read_tables("", entities=asked[name]).entities
    return asked
