"""What the bottlenecks do, and where: the runs behind results/study.

    python examples/study.py run --raw FOLDER --group ablation --minutes 60
    python examples/study.py report

``run`` trains, each in a process of its own, what is not yet in the results or was made
with other defaults, and adds a line to them as each run ends; stopped, it goes on where
it was. ``--jobs 2`` trains two at a time and gives each half of the cores. ``report``
makes the tables and plots. FOLDER holds DBP15K/zh_en, SRPRS/en_fr, FB15K_DB15K and
emoji.
"""

import argparse
import functools
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path

import torch
import torch_geometric
from study_contrastive import LOSSES, contrastive_alone
from study_problems import load_problem
from study_report import read_results, write_report

from pyg_ibmea import __version__, train
from pyg_ibmea.datasets import HideModality, RewireEdges, SwapFeatures, WrongSeeds

RESULTS = Path("results/study")
BOTTLENECKS = {
    "on": {"bottleneck": "all"},
    "features only": {"bottleneck": "features"},
    "off": {"bottleneck": "none"},
    "ten times beta": {"beta": "1e-3,relation=1e-2,attribute=1e-2"},
}
# What the model's vectors say without the neighbours: where layers are compared.
VECTORS = {"neighbor_agreement": 0.0}


@dataclass(frozen=True)
class Run:
    """One training: a row of a table, or a point of a plot."""

    group: str
    row: str
    problem: str = "zh_en"
    ratio: float = 0.3
    seed: int = 0
    config: dict = field(default_factory=dict)
    modalities: str | None = None
    damage: str | None = None
    level: float = 0.0
    names: bool = False

    @property
    def key(self):
        """What names the run in the results."""
        damage = f"{self.damage} {self.level:g}" if self.damage else "as it is"
        problem = f"{self.problem} {self.ratio:g}"
        return f"{self.group} | {problem} | {damage} | {self.row} | seed {self.seed}"

    def folder(self, work):
        """Where it is trained."""
        return work / self.key.replace(" | ", "--").replace(" ", "_")


def main_runs():
    """The published benchmarks, without and with pseudo-seeds and names."""
    alone, iterative = ({"iterative": i, "refits": 1} for i in (False, True))
    rows = {
        "seeds only": alone,
        "pseudo-seeds": iterative,
        "seeds only, names": alone,
        "pseudo-seeds, names": iterative,
    }
    others = [("en_fr", 0.3)]
    others += [("FB15K_DB15K", ratio) for ratio in (0.2, 0.5, 0.8)]
    for seed in range(3):
        for row, config in rows.items():
            yield Run("main", row, seed=seed, config=config, names="names" in row)
        for problem, ratio in others:
            for row in ("seeds only", "pseudo-seeds"):
                yield Run("main", row, problem, ratio, seed, rows[row])
    config = {"iterative": True, "refits": 3}
    yield Run("main", "pseudo-seeds, three refits", config=config)


def ablation_runs():
    """Bottlenecks one by one, the loss on the fused vectors, the modalities."""
    every = ["graph", "relation", "attribute"]
    rows = {
        "all bottlenecks": (BOTTLENECKS["on"], None),
        "bottlenecks for features only": (BOTTLENECKS["features only"], None),
        "no bottleneck": (BOTTLENECKS["off"], None),
    }
    rows |= {f"bottleneck for {m} alone": ({"bottleneck": m}, None) for m in every}
    rows["no features of neighbours"] = ({"neighbor_features": False}, None)
    rows["no loss on the fused vectors"] = ({"hybrid_weight": 0.0}, None)
    rows["multi-similarity on the fused vectors"] = (
        {"objective": "multi_similarity"},
        None,
    )
    rows |= {f"without {m}": ({}, ",".join(o for o in every if o != m)) for m in every}
    rows |= {f"{m} alone": ({}, m) for m in every}
    key_rows = ["all bottlenecks", "bottlenecks for features only", "no bottleneck"]
    key_rows += ["no features of neighbours", "no loss on the fused vectors"]
    for seed in range(3):
        for row, (config, modalities) in rows.items():
            if seed == 0 or row in key_rows:
                config = {**config, **VECTORS, "epochs": 14}
                run = Run("ablation", row, config=config, modalities=modalities)
                yield replace(run, seed=seed)


def sweep_runs():
    """Few seeds, noise and missing modalities on the sub-sample, by bottleneck."""
    small = Run("", "", "zh_en_small")
    ratios = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
    points = [replace(small, group="low resource", ratio=ratio) for ratio in ratios]
    for group, damages, levels in (
        (
            "noise",
            ("edges rewired", "features swapped", "wrong seeds"),
            (0.2, 0.4, 0.6),
        ),
        ("missing", ("modalities missing", "missing on one side"), (0.3, 0.6, 0.9)),
    ):
        points += [
            replace(small, group=group, damage=damage, level=level)
            for damage in damages
            for level in levels
        ]
    for seed in range(3):
        for point in points:
            for row, config in BOTTLENECKS.items():
                if row == "ten times beta" and seed:
                    continue
                config = {**config, **VECTORS, "epochs": 14}
                yield replace(point, row=row, seed=seed, config=config)


def emoji_runs():
    """Real images, whole and with most of one side's images missing."""
    for seed in range(3):
        for row, config in BOTTLENECKS.items():
            config = {**config, **VECTORS}
            run = Run("emoji", f"bottleneck {row}", "emoji", 0.3, seed, config)
            yield run
            yield replace(run, damage="images missing on one side", level=0.8)
        for iterative in (False, True):
            config = {"iterative": iterative, "refits": 1}
            row = "pseudo-seeds" if iterative else "seeds only"
            yield Run("emoji", f"{row}, refit", "emoji", 0.3, seed, config)
        for modality in ("graph", "image"):
            row = f"{modality} alone"
            yield Run("emoji", row, "emoji", 0.3, seed, VECTORS, modality)


def contrastive_runs():
    """The losses alone, on vectors."""
    for seed in range(3):
        for level in (0.2, 0.4, 0.6, 0.8):
            for row in (*LOSSES, "canonical correlation"):
                run = Run("contrastive", row, "vectors", 0.25, seed)
                yield replace(run, damage="noise", level=level)


GROUPS = {
    "contrastive": contrastive_runs,
    "emoji": emoji_runs,
    "ablation": ablation_runs,
    "sweeps": sweep_runs,
    "main": main_runs,
}


def runs_by_key(groups=None):
    """The runs of some groups, in the order of the table."""
    groups = groups or GROUPS
    return {run.key: run for group in groups for run in GROUPS[group]()}


FEATURES = ["relation", "attribute"]
DAMAGES = {
    "edges rewired": RewireEdges,
    "features swapped": lambda level: SwapFeatures(level, FEATURES),
    "wrong seeds": WrongSeeds,
    "modalities missing": lambda level: HideModality(level, FEATURES),
    "missing on one side": lambda level: HideModality({"zh": level}, FEATURES),
    "images missing on one side": lambda level: HideModality({"en": level}),
}


def load(run, raw, root, names):
    """The alignment problem of a run, with its damage."""
    data = load_problem(run.problem, run.ratio, raw, root, names)
    return DAMAGES[run.damage](run.level)(data) if run.damage else data


def train_one(run, raw, root, work, names=None):
    """Trains and tests; the run folder goes on from where an earlier try stopped."""
    folder = run.folder(work)
    if run.group == "contrastive":
        shutil.rmtree(folder, ignore_errors=True)  # Of a try that was cut off.
        began = time.monotonic()
        metrics, step = contrastive_alone(run.row, run.level, run.seed)
        folder.mkdir(parents=True)
        folder = train.RunFolder(folder, asdict(run))
        folder.write_metrics({"test": metrics}, step, time.monotonic() - began)
        return folder.path
    config = train.TrainConfig(**run.config)
    data = load(run, raw, root, names)
    resume = (folder / "config.json").exists()
    folder = train.RunFolder(folder, asdict(run) | asdict(config), resume)
    modalities = run.modalities.split(",") if run.modalities else None
    options = (run.seed, modalities)
    judged, states = train.train_models(data, config, folder, *options)
    train.final_test(data, judged, states, config, folder)
    return folder.path


def write_whole(path, text):
    """Writes a file anew, so that an interrupt never leaves half of it."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text)
    temporary.replace(path)


@contextmanager
def metered(path, every=5.0):
    """Keeps in a file what a run takes of the machine, whatever else runs there; what
    earlier processes took, that were stopped or killed, counts, too.
    """
    before = json.loads(path.read_text()) if path.exists() else {}

    def write():
        cost = {
            "cpu_seconds": before.get("cpu_seconds", 0.0) + time.process_time(),
            "peak_rss_mb": max(before.get("peak_rss_mb", 0.0), train.peak_rss_mib()),
            "threads": torch.get_num_threads(),
        }
        write_whole(path, json.dumps(cost))

    def keep_writing():
        while not over.wait(every):
            write()

    path.parent.mkdir(parents=True, exist_ok=True)
    over = threading.Event()
    writer = threading.Thread(target=keep_writing, daemon=True)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()
        write()


def cost_file(run, work):
    """Where the cost of a run is kept while it is not in the results."""
    return work / f"{run.folder(work).name}.cost.json"


def names_file(run, args):
    """The file of names that a run is given; None for none."""
    if not run.names:
        return None
    return args.names or args.raw / "DBP15K" / "zh_en" / "translated_ent_name.json"


def names_of(file):
    """What tells a file of names from any other; None for none."""
    if file is None:
        return None
    return {"file": file.name, "sha256": sha256(file.read_bytes()).hexdigest()}


def result_of(run, args):
    """The line of the results that a finished run folder gives."""
    folder = run.folder(args.work)
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics |= json.loads(cost_file(run, args.work).read_text())
    lines = read_results(folder / "metrics.jsonl")
    return {
        "key": run.key,
        **asdict(run),
        "options": options_of(run),
        "names_of": names_of(names_file(run, args)),
        **metrics,
        "curve": [
            {k: line[k] for k in ("epoch", "weights", "information")} for line in lines
        ],
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {
            "pyg_ibmea": __version__,
            "torch": torch.__version__,
            "torch_geometric": torch_geometric.__version__,
            "python": platform.python_version(),
        },
    }


def options_of(run):
    """All hyper-parameters of a run, those that it leaves as they are included."""
    return {} if run.group == "contrastive" else asdict(train.TrainConfig(**run.config))


def write_results(path, results):
    """Writes all lines anew."""
    write_whole(path, "".join(json.dumps(result) + "\n" for result in results))


def in_use(options):
    """Those hyper-parameters that play a part beside the others."""
    idle = set()
    if options.get("bottleneck") == "none":
        idle |= {"beta", "beta_warmup"}
    if not options.get("iterative"):
        idle |= {"refit_epochs", *(o for o in options if o.startswith("propose_"))}
    if not options.get("neighbor_agreement"):
        idle |= {"neighbor_agreement", "neighbor_rounds"}
    return {option: value for option, value in options.items() if option not in idle}


def is_current(result, table):
    """Whether a result is of a run of the table, with the defaults of now."""
    run = table.get(result["key"])
    made_with = in_use(result.get("options", {}))
    return run is not None and made_with == in_use(options_of(run))


def run_one(run, args):
    """Trains in a process of its own, waits for it, returns the line it gives."""
    command = [sys.executable, __file__, "one", "--raw", str(args.raw)]
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
    result = result_of(run, args)
    shutil.rmtree(run.folder(args.work))
    cost_file(run, args.work).unlink()
    log.unlink()
    return result


def run_all(args):
    """Trains what is missing, in the order of the table."""
    path = args.results / "runs.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    runs = runs_by_key([args.group] if args.group else None)
    runs = {key: run for key, run in runs.items() if args.match in key}
    # What was made with other defaults, or other names, is made again.
    done = {
        r["key"]
        for r in read_results(path)
        if is_current(r, runs)
        and r.get("names_of") == names_of(names_file(runs[r["key"]], args))
    }
    missing = [run for key, run in runs.items() if key not in done]
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
        print(f"{args.minutes:g} minutes are over; the same command goes on")


def main():
    """Reads the command line and does what it says."""
    parser = argparse.ArgumentParser(
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
                        "of the run folders, which go when a run is done")  # fmt: skip
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--group", choices=list(GROUPS), help="(default: all)")
    parser.add_argument("--match", default="", help="only runs whose key has this")
    parser.add_argument("--minutes", type=float, default=float("inf"),
                        help="start no run after so many minutes")  # fmt: skip
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    args = parser.parse_args()
    if args.what == "report":
        runs = runs_by_key()
        current = functools.partial(is_current, table=runs)
        return write_report(args.results, current, runs)
    if args.raw is None:
        parser.error("--raw is needed: where the published files are")
    if args.jobs < 1:
        parser.error(f"--jobs must be at least 1, got {args.jobs}")
    if args.what == "run":
        return run_all(args)
    run = runs_by_key().get(args.match)
    if run is None:
        parser.error(f"no run has the key {args.match!r}")
    with metered(cost_file(run, args.work)):
        train_one(run, args.raw, args.root, args.work, names_file(run, args))
    return None


if __name__ == "__main__":
    train.keep_freed_memory()
    warnings.formatwarning = lambda text, *_, **__: f"note: {text}\n"
    try:
        sys.exit(main())
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"error: {error}")
