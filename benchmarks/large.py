"""Measures the large cases at full size, each once and in a process of its own.

python -m benchmarks.large large.json
python -m benchmarks.report results.json large.json --out benchmarks/results

Takes about 15 minutes on two cores.
"""

import argparse
import json
from pathlib import Path

import torch

from benchmarks import cases
from benchmarks._memory import measure


def run(size=cases.FULL) -> list[dict]:
    """The figures of all cases, laid out as pytest-benchmark does."""
    results = []
    for group, members in cases.GROUPS.items():
        for case in members:
            if case not in cases.LARGE - cases.TOO_LARGE:
                continue
            figures = measure(case.__name__, size)
            seconds = figures.pop("seconds")
            print(f"{case.__name__}: {seconds:.1f} s, {figures}", flush=True)
            info = {**figures, "threads": torch.get_num_threads(), "size": vars(size)}
            if group == "InfoNCE, many pairs":
                info["pairs_per_second"] = size.big / seconds
            results.append(
                {
                    "group": group,
                    "name": case.__name__,
                    "stats": {"median": seconds},
                    "extra_info": info,
                }
            )
    return results


def main() -> None:
    """Writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, help="file to write")
    args = parser.parse_args()
    args.out.write_text(json.dumps({"benchmarks": run()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
