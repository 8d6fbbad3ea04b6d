"""Counts the questions until enough matches are right, by several ways to choose them.

python -m benchmarks.review --raw ../data --work work --strategies ours random

A line for each round is added to results/review/rounds.jsonl; rounds that are in the
work folder are not run again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.review.simulation import SETTINGS, STRATEGIES, rounds
from pyg_ibmea import __version__

RESULTS = Path(__file__).parent.parent / "results" / "review" / "rounds.jsonl"
_SAME_ROUND = ("strategy", "seeds", "seed", "questions", "batch", "settings")


def add_line(path, line):
    """Adds a line, in place of one about the same round."""
    lines = path.read_text().splitlines() if path.exists() else []
    others = [
        found
        for found in map(json.loads, lines)
        if any(found[key] != line[key] for key in _SAME_ROUND)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(found) + "\n" for found in [*others, line])
    path.write_text(text)


def main():
    """Runs reviews, one strategy after the other."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--raw", type=Path, required=True, help="folder of raw data")
    parser.add_argument("--work", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--strategies", nargs="+", default=["ours", "random"],
                        choices=list(STRATEGIES))  # fmt: skip
    parser.add_argument("--seeds", type=int, default=20, help="known pairs")
    parser.add_argument("--seed", type=int, default=0, help="of split and model")
    parser.add_argument("--batch", type=int, default=40, help="questions in a round")
    parser.add_argument("--target", type=float, default=0.8, help="Hits@1 to reach")
    parser.add_argument("--most", type=int, default=600, help="questions at most")
    args = parser.parse_args()
    for strategy in args.strategies:
        for found in rounds(
            args.raw / "emoji",
            args.work,
            strategy,
            args.seeds,
            args.seed,
            args.batch,
            args.target,
            args.most,
        ):
            line = {**found, "batch": args.batch, "settings": SETTINGS,
                    "version": __version__}  # fmt: skip
            add_line(args.results, line)
            print(
                f"{strategy}: {found['questions']} questions, {found['same']} same: "
                f"Hits@1 {found['hits@1']:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
