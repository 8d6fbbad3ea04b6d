"""The command that says why two entities match."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pyg_ibmea.cli._explained_run import explain_run
from pyg_ibmea.files import replacing

PLOTS = (".png", ".svg", ".pdf")


def explain(args: argparse.Namespace) -> int:
    """Says why two entities match."""
    if args.plot is not None and args.plot.suffix.lower() not in PLOTS:
        listed = f"{', '.join(PLOTS[:-1])} or {PLOTS[-1]}"
        raise ValueError(f"{args.plot} must end in {listed}")
    if args.facts < 0:
        raise ValueError(f"--facts must be at least 0, got {args.facts}")
    graphs = None if args.graphs is None else (args.graphs[0], args.graphs[1])
    asked = (args.source, args.target, graphs, args.facts, args.device)
    found = explain_run(args.run, *asked)
    if args.plot is not None:
        _save(found.plot(), args.plot)
    if args.json:
        print(json.dumps(found.to_dict(), indent=2))
        return 0
    print(found.text())
    if args.plot is not None:
        print(f"\nthe plot is in {args.plot}")
    return 0


def _save(figure: object, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        form = path.suffix.removeprefix(".").lower()
        figure.savefig(unfinished, dpi=120, format=form)  # type: ignore[attr-defined]
