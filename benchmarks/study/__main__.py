"""What the bottlenecks do, and where: the trainings behind benchmarks/study/results.

    python -m benchmarks.study run --raw FOLDER --group ablation --minutes 60
    python -m benchmarks.study report

Both are called from the root of a clone. ``run`` trains, each in a process of its own,
what is not yet in the results or was made with other defaults, and adds a line to the
results as each run ends; after an interruption the same command continues. ``--jobs 2``
trains two at a time and gives each half of the cores. ``report`` makes the tables and
plots. FOLDER holds DBP15K/zh_en, SRPRS/en_fr, FB15K_DB15K and emoji.
"""

from __future__ import annotations

import argparse
import functools
import sys
import warnings
from pathlib import Path

from benchmarks.study.report import write_report
from benchmarks.study.results import is_current, names_file
from benchmarks.study.runner import run_all
from benchmarks.study.runs import GROUPS, runs_by_key
from benchmarks.study.training import cost_file, metered, train_one
from pyg_ibmea.train._memory import keep_freed_memory

RESULTS = Path(__file__).parent / "results"


def make_parser():
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.study",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=["run", "report", "one"])
    parser.add_argument("--raw", type=Path, help="folder of the published files")
    parser.add_argument("--names", type=Path, help="names of zh_en for --name, such as "
                        "encode_names.py writes (default: n-grams of the names in "
                        "FOLDER)")  # fmt: skip
    parser.add_argument("--root", type=Path, default=Path("data/study"), help="cache")
    parser.add_argument("--work", type=Path, default=Path("runs/study"), help="folder "
                        "of the run folders, each removed when its run is "
                        "done")  # fmt: skip
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--group", choices=list(GROUPS), help="(default: all)")
    parser.add_argument(
        "--match", default="", help="only runs whose key contains this text"
    )
    parser.add_argument("--minutes", type=float, default=float("inf"),
                        help="start no run after this many minutes")  # fmt: skip
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    return parser


def main():
    """Reads the command line and does what it says."""
    parser = make_parser()
    args = parser.parse_args()
    runs = runs_by_key()
    if args.what == "report":
        current = functools.partial(is_current, table=runs)
        return write_report(args.results, current, runs)
    if args.raw is None:
        parser.error("--raw is needed: where the published files are")
    if args.jobs < 1:
        parser.error(f"--jobs must be at least 1, got {args.jobs}")
    if args.what == "run":
        return run_all(args)
    run = runs.get(args.match)
    if run is None:
        parser.error(f"no run has the key {args.match!r}")
    with metered(cost_file(run, args.work)):
        names = names_file(run, args.raw, args.names)
        train_one(run, args.raw, args.root, args.work, names)
    return None


if __name__ == "__main__":
    keep_freed_memory()
    warnings.formatwarning = lambda text, *_, **__: f"note: {text}\n"
    try:
        sys.exit(main())
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"error: {error}")
