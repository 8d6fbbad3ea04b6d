"""Trains on FB15K-DB15K and FB15K-YAGO15K with values of attributes and without.

python -m benchmarks.values run FB15K_DB15K 0.2 --data ../data --work work
python -m benchmarks.values run FB15K_DB15K 0.2 --data ../data --work work --weight 0
python -m benchmarks.values report

A training that was killed is resumed by the same command.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from pyg_ibmea import Aligner, __version__
from pyg_ibmea.datasets import MMKB

RESULTS = Path(__file__).parent.parent / "results" / "values"
PAIRS = ("FB15K_DB15K", "FB15K_YAGO15K")
_HEAD = (
    "# Values of attributes\n\nFB15K with 81.6 % of its triples, no images and names; "
    "pseudo-seeds and one refit, one seed, validation pairs choose the epochs. Hits@1 "
    "of the test pairs, source to target, ranked among their counterparts. Made by "
    "`python -m benchmarks.values`.\n\n"
    "| data | seed pairs | values | Hits@1 CSLS | Sinkhorn | MRR Sinkhorn "
    "| calibration error | CPU minutes | GiB |\n|---|---|---|---|---|---|---|---|---|\n"
)


def run(args: argparse.Namespace) -> None:
    """Trains once and appends the figures."""
    torch.set_num_threads(1)
    name = f"{args.pair}-{args.ratio:g}-{args.weight:g}-{args.seed}"
    out = args.work / name
    data = MMKB(args.work / "cache", args.pair, raw=args.data, ratio=args.ratio)[0]
    began = time.process_time()
    aligner = Aligner(
        iterative=True, refits=1, value_agreement=args.weight, seed=args.seed
    )
    aligner.fit(data, out, resume=(out / "config.json").exists())
    line = {
        "pair": args.pair,
        "ratio": args.ratio,
        "weight": args.weight,
        "seed": args.seed,
        "version": __version__,
        "cpu_seconds": round(time.process_time() - began, 1),
        "metrics": aligner.metrics_,
    }
    args.results.mkdir(parents=True, exist_ok=True)
    with (args.results / "runs.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def write_report(results: Path) -> None:
    """Writes ``README.md`` beside the results: the last run of each setting."""
    lines = map(json.loads, (results / "runs.jsonl").read_text().splitlines())
    keys = ("pair", "ratio", "weight", "seed")
    last = {tuple(line[key] for key in keys): line for line in lines}
    rows = "".join(_row(last[key]) for key in sorted(last))
    (results / "README.md").write_text(_HEAD + rows)


def _row(line: dict[str, Any]) -> str:
    metrics = line["metrics"]
    csls, sinkhorn = metrics["test"]["csls"], metrics["test"]["sinkhorn"]
    return (
        f"| {line['pair'].replace('_', '-')} | {line['ratio']:.0%} "
        f"| {'with' if line['weight'] else 'without'} | {csls['hits@1']:.3f} "
        f"| {sinkhorn['hits@1']:.3f} | {sinkhorn['mrr']:.3f} "
        f"| {metrics['confidence']['expected_calibration_error']:.3f} "
        f"| {line['cpu_seconds'] / 60:.0f} | {metrics['peak_rss_mb'] / 1024:.1f} |\n"
    )


def main() -> None:
    """Trains, or writes the table of what was trained."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run")
    runs.add_argument("pair", choices=PAIRS)
    runs.add_argument("ratio", type=float)
    runs.add_argument("--data", type=Path, required=True, help="folder of raw data")
    runs.add_argument("--work", type=Path, required=True, help="folder for the runs")
    runs.add_argument("--weight", type=float, default=0.3, help="of values; 0: without")
    runs.add_argument("--seed", type=int, default=0)
    commands.add_parser("report")
    args = parser.parse_args()
    if args.command == "run":
        run(args)
    write_report(args.results)


if __name__ == "__main__":
    main()
