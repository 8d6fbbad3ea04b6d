"""How each stage of a training and its alignment grows with the size of a problem."""

from __future__ import annotations

import functools
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.scale.problems import synthetic

STAGES = (
    *("read", "cut into parts", "first epoch", "judge the epoch", "propose"),
    *("second epoch", "encode and search", "neighbourhoods", "calibrate", "match"),
    "export",
)
"""In order; what an epoch is of and how its pairs are found are the defaults."""

_OPTIONS = {
    "epochs": 2,
    "refits": 0,
    "graph_channels": 64,
    "iterative": True,
    "propose_from": 2,
    "eval_every": 1,
    "warmup_epochs": 0,
}


def grow(sizes: list[int], work: Path, results: Path) -> None:
    """Measures sizes that were not yet, each in a process of its own."""
    for size in sizes:
        if size in read_growth(results):
            continue
        synthetic(work / f"synthetic-{size}", size)
        words = [sys.executable, "-m", __spec__.name, str(size), str(work)]
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
        results.mkdir(parents=True, exist_ok=True)
        with (results / "stages.jsonl").open("a") as file:
            file.write(done.stdout.splitlines()[-1] + "\n")


def read_growth(results: Path) -> dict[int, dict[str, Any]]:
    """By entities of a side, the last line of ``stages.jsonl``, ascending."""
    path = results / "stages.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    found = {line["size"]: line for line in map(json.loads, lines)}
    return dict(sorted(found.items()))


def growth_table(results: Path) -> str:
    """CPU seconds and peak memory by stage and size, with the exponent of each between
    the smallest and the largest size; empty if fewer than two were measured.
    """
    found = read_growth(results)
    if len(found) < 2:
        return ""
    lines = [*found.values()]
    small, large = lines[0], lines[-1]
    head = [f"{size:,}" for size in found]
    text = "\n| stage | " + " | ".join(head) + " | exponent of time, memory |\n"
    text += "|---|" + "---|" * (len(head) + 1) + "\n"
    for stage in (*STAGES, "all"):
        cells = [
            f"{line['stages'][stage]['cpu_seconds']:,.1f} s, "
            f"{line['stages'][stage]['peak_rss_gib']:.1f} GiB"
            for line in lines
        ]
        powers = [
            exponent(small, large, stage, of) for of in ("cpu_seconds", "peak_rss_gib")
        ]
        grown = ", ".join(f"{power:.2f}" for power in powers)
        text += f"| {stage} | {' | '.join(cells)} | {grown} |\n"
    return text


def exponent(small: dict, large: dict, stage: str, of: str) -> float:
    """The power of the size with which a figure grows between two lines; what is below
    a tenth of a second counts as that.
    """
    first, last = (max(line["stages"][stage][of], 0.1) for line in (small, large))
    return math.log(last / first) / math.log(large["size"] / small["size"])


def measure(size: int, work: Path) -> dict[str, Any]:
    """What each stage takes for a synthetic problem, on one thread.

    Returns:
        dict: ``size`` and, by stage under ``stages``, ``cpu_seconds`` and
        ``peak_rss_gib``; ``all`` is their sum and their maximum.
    """
    import torch

    from pyg_ibmea import Aligner
    from pyg_ibmea.datasets import GraphFiles, read_problem
    from pyg_ibmea.train._training import Training

    torch.set_num_threads(1)
    clock = _Clock()
    problem = synthetic(work / f"synthetic-{size}", size)
    with clock.of("read"):
        files = [
            GraphFiles.parse([name, *(f"{k}={path}" for k, path in given.items())])
            for name, given in problem.graphs.items()
        ]
        links = {tuple(problem.graphs): problem.links}
        data = read_problem(files, links, ratio=0.3, val_ratio=0.3)[0]
    epochs = iter(("first epoch", "second epoch"))
    clock.around(Training, "_cut", lambda: "cut into parts")
    clock.around(Training, "train_epoch", lambda: next(epochs))
    clock.around(Training, "validate", lambda: "judge the epoch")
    clock.around(Training, "propose", lambda: "propose")
    aligner = Aligner(progress=False, **_OPTIONS).fit(data)
    trained = aligner._trained
    assert trained is not None
    [pair] = trained.problems
    with clock.of("encode and search"):
        trained.encoding(pair, judged=True)
        trained.encoding(pair, judged=False)
    with clock.of("neighbourhoods"):
        trained.bonuses  # noqa: B018
    with clock.of("calibrate"):
        trained.judgements  # noqa: B018
    with clock.of("match"):
        matches = trained.alignment
    with clock.of("export"):
        out = work / f"stages-{size}.parquet"
        matches.save(out)
        out.unlink()
    stages = {name: clock.took[name] for name in STAGES}
    stages["all"] = {
        "cpu_seconds": round(sum(t["cpu_seconds"] for t in stages.values()), 2),
        "peak_rss_gib": max(t["peak_rss_gib"] for t in stages.values()),
    }
    return {"size": size, "matches": len(matches), "stages": stages}


class _Clock:
    """CPU seconds and peak memory of what goes on within it; of several times, the sum
    and the maximum. What is within another stage does not count as part of that.
    """

    def __init__(self) -> None:
        self.took: dict[str, dict[str, float]] = {}
        self._inside: list[float] = []

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Measures a block."""
        _forget_peak()
        began = time.process_time()
        self._inside.append(0.0)
        yield
        spent = time.process_time() - began
        own = spent - self._inside.pop()
        if self._inside:
            self._inside[-1] += spent
        took = self.took.setdefault(name, {"cpu_seconds": 0.0, "peak_rss_gib": 0.0})
        took["cpu_seconds"] = round(took["cpu_seconds"] + own, 2)
        took["peak_rss_gib"] = max(took["peak_rss_gib"], _peak())

    def around(self, owner: type, method: str, name: Callable[[], str]) -> None:
        """Measures a method from now on."""
        plain = getattr(owner, method)

        @functools.wraps(plain)
        def measured(*args: Any, **kwargs: Any) -> Any:
            with self.of(name()):
                return plain(*args, **kwargs)

        setattr(owner, method, measured)


def _forget_peak() -> None:
    """Lets the system count the peak memory of this process anew; see proc(5)."""
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> float:
    """The peak resident memory in GiB since it was last forgotten."""
    lines = Path("/proc/self/status").read_text().splitlines()
    [line] = (line for line in lines if line.startswith("VmHWM:"))
    return round(int(line.split()[1]) / 2**20, 3)


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), Path(sys.argv[2]))))
