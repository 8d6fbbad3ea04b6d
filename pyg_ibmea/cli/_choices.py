"""How many matches are asked for on a command line, and of which entities."""

from __future__ import annotations

import argparse
from typing import Any

from pyg_ibmea.cli._endings import ENDINGS, check_ending
from pyg_ibmea.data import read_tables

_FLAGS = ("k", "cardinality", "sources", "targets", "same_type")


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
