"""Counts the questions until enough matches are right, by several ways to choose them.

python -m benchmarks.review --raw ../data --work work --strategies ours random

A line for each round is added to results/review/rounds.jsonl; rounds that are in the
work folder are not run again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.review.simulation import STRATEGIES, rounds, settings_of
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
    """Runs reviews, by several strategies in turn."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--raw", type=Path, required=True, help="folder of raw data")
    parser.add_argument("--work", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--strategies", nargs="+", default=["ours", "random"],
                        choices=list(STRATEGIES))  # fmt: skip
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--channels", type=int, default=128, help="of the graph")
    parser.add_argument("--seeds", type=int, default=20, help="known pairs")
    parser.add_argument("--seed", type=int, default=0, help="of split and model")
    parser.add_argument("--batch", type=int, default=40, help="questions in a round")
    parser.add_argument("--target", type=float, default=0.8, help="Hits@1 to reach")
    parser.add_argument("--most", type=int, default=600, help="questions at most")
    args = parser.parse_args()
    settings = settings_of(args.epochs, args.channels)
    limits = (settings, args.seeds, args.seed, args.batch, args.target, args.most)
    folder = args.raw / "emoji"
    reviews = [rounds(folder, args.work, name, *limits) for name in args.strategies]
    # In turn, so that both have come as far whenever it is stopped.
    while reviews:
        for review in list(reviews):
            found = next(review, None)
            if found is None:
                reviews.remove(review)
                continue
            more = {"batch": args.batch, "settings": settings, "version": __version__}
            add_line(args.results, {**found, **more})
            print(
                f"{found['strategy']}: {found['questions']} questions, "
                f"{found['same']} same: Hits@1 {found['hits@1']:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
