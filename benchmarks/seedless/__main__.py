"""Aligns published benchmarks without known pairs, and writes how good that is.

python -m benchmarks.seedless run anatomy --data ../data
python -m benchmarks.seedless run anatomy --data ../data --train --epochs 30
python -m benchmarks.seedless report

All links judge in the end and are not read before. With ``--train``, a model learns
from the seed pairs that were found.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.seedless.cases import CASES, JUDGED, read, with_names
from benchmarks.seedless.figures import Judged, of_anchors
from benchmarks.seedless.report import write_report
from pyg_ibmea import __version__
from pyg_ibmea.aligner import Aligner
from pyg_ibmea.anchors import match_without_seeds
from pyg_ibmea.problem import linked_pairs, uris_of

RESULTS = Path(__file__).parent.parent / "results" / "seedless"


def measure(case: str, folder: Path) -> dict[str, Any]:
    """The figures of a case without training, with the CPU seconds of the whole."""
    data = read(case, folder)
    pair, judged = linked_pairs(data)[0], JUDGED.get(case, Judged())
    start = time.process_time()
    found = match_without_seeds(data, pair)
    took = time.process_time() - start
    stages: dict[str, Any] = of_anchors(data, found.anchors, judged)
    matches = found.alignment(uris_of(data))
    for name, least in (("fixed point", 0.0), ("fixed point, likely", 0.5)):
        stages[name] = judged.of_alignment(data, matches, least)
        stages[name]["cpu_seconds"] = took
    return {
        "case": case,
        "kinds": found.anchors.counts,
        "notes": list(found.anchors.notes),
        "rounds": found.found.rounds,
        "stages": stages,
    }


def train(case: str, folder: Path, epochs: int, seed: int) -> dict[str, Any]:
    """The figures of a model that learned from the seed pairs that were found."""
    data, judged = with_names(read(case, folder)), JUDGED.get(case, Judged())
    start = time.process_time()
    aligner = Aligner(epochs=epochs, seed=seed, device="cpu").fit(data)
    matches = aligner.align().one_to_one()
    took = time.process_time() - start
    stages: dict[str, Any] = {}
    for name, least in (("trained", 0.0), ("trained, likely", 0.5)):
        stages[name] = judged.of_alignment(data, matches, least)
        stages[name]["cpu_seconds"] = took
    anchors = aligner.metrics()["anchors"]
    return {"case": case, "epochs": epochs, "anchors": anchors, "stages": stages}


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.seedless", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("case", choices=list(CASES), nargs="+")
    run.add_argument(
        "--data", type=Path, required=True, help="folder of the benchmarks"
    )
    run.add_argument("--train", action="store_true")
    run.add_argument("--epochs", type=int, default=30)
    run.add_argument("--seed", type=int, default=0)
    for command in (run, commands.add_parser("report")):
        command.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    if args.command == "report":
        print(write_report(args.results))
        return
    torch.set_num_threads(1)
    args.results.mkdir(parents=True, exist_ok=True)
    for case in args.case:
        if args.train:
            line = train(case, args.data, args.epochs, args.seed)
        else:
            line = measure(case, args.data)
        line |= {"version": __version__, "python": platform.python_version()}
        with (args.results / "runs.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for name, figures in line["stages"].items():
            print(f"{case}, {name}: {figures}", flush=True)


if __name__ == "__main__":
    main()
