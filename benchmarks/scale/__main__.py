"""Trains, aligns and exports large problems, and writes what each stage took.

python -m benchmarks.scale run wordnet --raw ../data --work work
python -m benchmarks.scale stages 20000 100000 500000 --work work
python -m benchmarks.scale report

A run that was killed goes on where it was: what its processes took is added up.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.scale.cases import CASES, Case
from benchmarks.scale.report import write_report
from benchmarks.scale.stages import grow
from pyg_ibmea import __version__
from pyg_ibmea.run_files import METRICS, read_metrics

RESULTS = Path(__file__).parent.parent / "results" / "scale"


def run(case: Case, raw: Path, work: Path, results: Path, threads: int) -> None:
    """Runs what is missing of a case and appends its figures."""
    problem = case.make(raw, work)
    out, log = work / "runs" / case.name, work / "runs" / f"{case.name}.jsonl"
    out.parent.mkdir(parents=True, exist_ok=True)
    program = [sys.executable, "-m", "pyg_ibmea"]
    if not (out / METRICS).exists():
        words = ["train", *problem.arguments(), *case.flags, "--out", str(out)]
        words += ["--cache", str(work / "cache")]
        words += ["--resume"] if (out / "config.json").exists() else []
        ended = measured("train", [*program, *words], case, log, threads)
        if ended:
            print(f"{case.name}: train ended with {ended}", file=sys.stderr)
    if (out / METRICS).exists():
        words = ["export", str(out), "--to", str(work / f"{case.name}.parquet")]
        measured("export", [*program, *words], case, log, threads)
    took = [json.loads(line) for line in log.read_text().splitlines()]
    line = {
        "case": case.name,
        "flags": case.flags,
        "version": __version__,
        "threads": threads,
        "limit": {"cpu_minutes": case.cpu_minutes, "gibibytes": case.gibibytes},
        "stages": took,
        "cpu_seconds": sum(stage["cpu_seconds"] for stage in took),
        "seconds": sum(stage["seconds"] for stage in took),
        "peak_rss_gib": max(stage["peak_rss_gib"] for stage in took),
        "metrics": read_metrics(out) if (out / METRICS).exists() else None,
    }
    results.mkdir(parents=True, exist_ok=True)
    with (results / "runs.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def measured(
    stage: str, command: list[str], case: Case, log: Path, threads: int
) -> int:
    """Runs a stage within what is left of the limit; notes what it took."""
    before = log.read_text().splitlines() if log.exists() else []
    spent = sum(json.loads(line)["cpu_seconds"] for line in before)
    left = int(60 * case.cpu_minutes - spent)
    if left <= 0:
        print(f"{case.name}: no time is left for {stage}", file=sys.stderr)
        return 1
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    environment["NUMBA_NUM_THREADS"] = str(threads)
    began = time.monotonic()
    with log.with_suffix(".log").open("a") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env=environment,
            # The system ends a process that has had its share of CPU.
            preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_CPU, (left, left + 60)
            ),
        )
        _, status, used = os.wait4(process.pid, 0)
    took = {
        "stage": stage,
        "status": os.waitstatus_to_exitcode(status),
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_rss_gib": round(used.ru_maxrss / 2**20, 3),
    }
    with log.open("a") as file:
        file.write(json.dumps(took) + "\n")
    return int(took["status"])


def main() -> None:
    """Runs cases, or writes the table of what was run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run")
    runs.add_argument("cases", nargs="+", choices=list(CASES))
    runs.add_argument("--raw", type=Path, required=True, help="folder of raw data")
    runs.add_argument("--work", type=Path, required=True, help="folder for the runs")
    runs.add_argument("--threads", type=int, default=1)
    stages = commands.add_parser("stages")
    stages.add_argument("sizes", nargs="+", type=int, help="entities of a side")
    stages.add_argument("--work", type=Path, required=True, help="folder for problems")
    commands.add_parser("report")
    args = parser.parse_args()
    if args.command == "run":
        for name in args.cases:
            run(CASES[name], args.raw, args.work, args.results, args.threads)
    elif args.command == "stages":
        grow(args.sizes, args.work, args.results)
    write_report(args.results)


if __name__ == "__main__":
    main()
