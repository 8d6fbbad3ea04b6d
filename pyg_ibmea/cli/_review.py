"""The command that asks people about the matches of a run."""

from __future__ import annotations

import argparse
import json
import sys
import webbrowser
from dataclasses import asdict

from torch_geometric.data import HeteroData

from pyg_ibmea.align import Alignment
from pyg_ibmea.cli._problem import graph_files, read_again
from pyg_ibmea.review import (
    EntityView,
    ReviewServer,
    Session,
    read_question_table,
    write_question_table,
)
from pyg_ibmea.review.terminal import ask_in_terminal
from pyg_ibmea.run_files import read_config
from pyg_ibmea.train.answered import with_answers
from pyg_ibmea.train.answers import append_answers, read_answers, standing

_PIXELS = 240


def review(args: argparse.Namespace) -> int:
    """Asks people about the matches of a run."""
    given = [args.to is not None, args.answers is not None, args.terminal]
    if sum(given) > 1:
        raise ValueError("give one of --to, --answers and --terminal")
    if args.number < 1:
        raise ValueError(f"--number must be at least 1, got {args.number}")
    if not 0 <= args.port < 65536:
        raise ValueError(f"--port must lie in 0 to 65535, got {args.port}")
    config = read_config(args.run)
    if args.answers is not None:
        return _take(args, read_again(args.run, config, with_answered=False))
    session = _session(args)
    if args.to is not None:
        count = write_question_table(session, args.to)
        told = f"{count} questions in {args.to}; fill in the column `answer`, then: "
        told += f"pyg-ibmea review {args.run} --answers {args.to}"
        found = {"questions": count, "file": str(args.to)}
        print(json.dumps(found) if args.json else told)
        return 0
    if not session.rows:
        print(f"there is nothing left to ask. {session.farewell}")
        return 0
    try:
        if args.terminal:
            ask_in_terminal(session)
        else:
            _serve(session, args)
    except KeyboardInterrupt:
        print()
    for note in with_answers(session.data, session.answers).notes:
        print(f"note: {note}", file=sys.stderr)
    found = asdict(session.progress)
    print(json.dumps(found) if args.json else session.farewell)
    return 0


def _session(args: argparse.Namespace) -> Session:
    config = read_config(args.run)
    data = read_again(args.run, config)
    matches = Alignment.load(args.run / "alignment.tsv")
    views = {f.name: EntityView(data, f.name, f, _PIXELS) for f in graph_files(config)}
    return Session(args.run, data, matches, views, args.number)


def _serve(session: Session, args: argparse.Namespace) -> None:
    """Serves the page until somebody presses Ctrl-C."""
    try:
        server = ReviewServer(session, args.port)
    except OSError as error:
        raise OSError(
            f"port {args.port} cannot be used ({error.strerror}); choose another with "
            "--port"
        ) from error
    with server:
        found = {"questions": len(session.rows), "url": server.url}
        told = f"{len(session.rows)} questions at {server.url}"
        print(json.dumps(found) if args.json else told, flush=True)
        print("press Ctrl-C to end", file=sys.stderr, flush=True)
        if not args.no_browser:
            webbrowser.open(server.url)
        server.serve_forever(poll_interval=0.1)


def _take(args: argparse.Namespace, data: HeteroData) -> int:
    """Adds the answers of a table to those of a run."""
    found = read_question_table(args.answers)
    before = {answer[:5] for answer in standing(read_answers(args.run))}
    new = [answer for answer in found if answer[:5] not in before]
    # Before anything is written: graphs that do not exist are an error.
    notes = with_answers(data, [*read_answers(args.run), *new]).notes
    append_answers(args.run, new)
    if args.json:
        print(json.dumps({"answers": len(new), "notes": notes}))
        return 0
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    known = len(found) - len(new)
    print(
        f"{len(new)} answers added{f', {known} were there already' if known else ''}; "
        f"learn from them with pyg-ibmea train --continue {args.run}"
    )
    return 0
