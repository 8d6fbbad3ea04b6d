"""Training that goes on from a finished run, with what was answered since."""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from pathlib import Path

from torch_geometric.data import HeteroData

from pyg_ibmea import report
from pyg_ibmea.aligner import Aligner
from pyg_ibmea.cli._problem import REMEMBERED, read_again
from pyg_ibmea.cli._train_flags import refuse_options
from pyg_ibmea.run_files import METRICS, read_config
from pyg_ibmea.train import processes
from pyg_ibmea.train.answers import Answer, read_answers, standing
from pyg_ibmea.train.continuing import known_answers
from pyg_ibmea.train.logging_to import logger_to


def next_folder(run: Path) -> Path:
    """The first free folder beside a run: ``RUN-2``, ``RUN-3`` and so on.

    Example:
        >>> next_folder(Path("there/is/no/first-2"))
        PosixPath('there/is/no/first-3')
    """
    run = run.absolute() if run.name in ("", "..") else run
    found = re.fullmatch(r"(.+)-(\d{1,3})", run.name)
    stem, number = (found[1], int(found[2])) if found else (run.name, 1)
    while True:
        number += 1
        folder = run.with_name(f"{stem}-{number}")
        if not folder.exists():
            return folder


def proceed(args: argparse.Namespace, out: Path) -> tuple[Aligner, HeteroData]:
    """Reads the problem of a run again and trains on."""
    run: Path = args.go_on
    if args.config is None:  # Else its options have been looked at.
        refuse_options(args, f"--continue {run}")
    if out.absolute() == run.absolute():
        raise ValueError(
            f"--out {out} is the run that is continued, which stays as it is; choose "
            "another folder"
        )
    config = read_config(run)
    if not (run / METRICS).is_file():
        raise ValueError(
            f"the run in {run} has not ended; resume it with --resume --out {run}"
        )
    about = {key: config[key] for key in REMEMBERED if key in config}
    device = processes.device_of(args.device)
    data = processes.in_turn(
        lambda: read_again(run, config, device, with_answered=False)
    )
    if processes.rank() == 0 and not args.resume:
        _tell_answers(run)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        first = processes.rank() == 0
        loggers = [logger_to(name, out) for name in args.log_to] if first else []
        answers = _answers_of(args.answers_of, run)
        aligner = Aligner.proceed(
            *(run, data, out, answers, args.resume, about),
            loggers=loggers,
            device=args.device,
        )
    plot_curves(aligner, out)
    return aligner, data


def _answers_of(again: Path | None, run: Path) -> list[Answer] | None:
    """The answers that a run learned from that is trained again; ``None`` for all
    that there are of the run that it goes on from.
    """
    return None if again is None else known_answers(again, read_config(again), run)


def plot_curves(aligner: Aligner, out: Path) -> None:
    """Draws the curves of a training; without validation pairs there are none."""
    if aligner.history_ and processes.rank() == 0:
        try:
            report.plot_curves(out)
        except ImportError as error:
            warnings.warn(str(error), stacklevel=1)


def _tell_answers(run: Path) -> None:
    said = [answer.answer for answer in standing(read_answers(run))]
    same, different = said.count("same"), said.count("different")
    none = "" if same + different else f"; give some with `pyg-ibmea review {run}`"
    print(
        f"note: {run} has {same} pairs that are the same and {different} that are "
        f"different{none}",
        file=sys.stderr,
    )
