"""Trains what is missing from the results, each run in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.study.results import (
    is_current,
    names_file,
    names_of,
    read_results,
    result_of,
    write_results,
)
from benchmarks.study.runs import runs_by_key
from benchmarks.study.training import cost_file


def run_one(run, args):
    """Trains in a process of its own and returns the line of its result."""
    command = [sys.executable, "-m", "benchmarks.study", "one", "--raw", str(args.raw)]
    command += ["--root", str(args.root), "--work", str(args.work)]
    command += ["--names", str(args.names)] if args.names else []
    command += ["--match", run.key]
    threads = str(max(1, len(os.sched_getaffinity(0)) // args.jobs))
    # Threads that wait by spinning slow down whatever runs beside them many times over.
    limits = {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": threads}
    limits["NUMBA_NUM_THREADS"] = threads
    args.work.mkdir(parents=True, exist_ok=True)
    log = args.work / f"{run.folder(args.work).name}.log"
    with log.open("w") as file:
        ended = subprocess.run(
            command, stdout=file, stderr=file, env={**os.environ, **limits}
        )
    if ended.returncode:
        raise RuntimeError(f"{run.key} failed; its output is in {log}")
    result = result_of(run, args.work, names_file(run, args.raw, args.names))
    shutil.rmtree(run.folder(args.work))
    cost_file(run, args.work).unlink()
    log.unlink()
    return result


def missing_runs(runs, args):
    """Those runs that have no result, or one that was made with other defaults or other
    names.
    """
    done = {
        r["key"]
        for r in read_results(args.results / "runs.jsonl")
        if is_current(r, runs)
        and r.get("names_of")
        == names_of(names_file(runs[r["key"]], args.raw, args.names))
    }
    return [run for key, run in runs.items() if key not in done]


def run_all(args):
    """Trains what is missing, in the order of the table."""
    path = args.results / "runs.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    runs = runs_by_key([args.group] if args.group else None)
    runs = {key: run for key, run in runs.items() if args.match in key}
    missing = missing_runs(runs, args)
    print(f"{len(runs) - len(missing)} of {len(runs)} runs are done")
    ends = time.monotonic() + 60 * args.minutes
    lock, failed = threading.Lock(), threading.Event()

    def one(number, run):
        if failed.is_set() or time.monotonic() > ends:
            return False
        try:
            result = run_one(run, args)
        except BaseException:
            failed.set()
            raise
        with lock:
            others = [r for r in read_results(path) if r["key"] != run.key]
            write_results(path, [*others, result])
        hits = {d: m["mean"]["hits@1"] for d, m in result["test"].items()}
        print(f"[{number}/{len(missing)}] {run.key}: Hits@1 "
              f"{hits['csls']:.3f} CSLS, {hits['sinkhorn']:.3f} Sinkhorn, "
              f"{result['seconds']:.0f} s", flush=True)  # fmt: skip
        return True

    with ThreadPoolExecutor(args.jobs) as pool:
        ran = list(pool.map(one, range(1, len(missing) + 1), missing))
    if not all(ran):
        print(f"{args.minutes:g} minutes are over; the same command continues")
