"""Trainings on tiny graphs through the command line, to be killed and started twice."""

import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from forked_processes import FORKED

from pyg_ibmea.cli import main

TINY = ["--epochs", "4", "--eval-every", "2", "--graph-channels", "8",
        "--modal-channels", "4", "--propose-from", "2", "--propose-every", "1",
        "--propose-easing", "0", "--propose-threshold", "0.2",
        "--refit-epochs", "2"]  # fmt: skip
RUNS = {
    "plain": ("ab", ["--no-iterative", "--refits", "0"]),
    "pseudo-seeds": ("ab", ["--iterative", "--refits", "0"]),
    "refits": ("ab", ["--iterative", "--refits", "2"]),
    "three graphs": ("abc", ["--iterative", "--refits", "1"]),
}


def write_graphs(folder, size=40):
    """Three graphs of the same entities, each with most of the triples."""
    random = np.random.default_rng(0)
    triples = np.unique(random.integers(0, [size, 4, size], (6 * size, 3)), axis=0)
    for side in "abc":
        kept = triples[random.random(len(triples)) < 0.8]
        rows = [f"{side}{h}\tr{r}\t{side}{t}\n" for h, r, t in kept]
        (folder / f"{side}.tsv").write_text("".join(rows))
    for side in "bc":
        links = [f"a{i}\t{side}{i}\n" for i in range(size)]
        (folder / f"a{side}.tsv").write_text("".join(links))
    return folder


def train_words(files, kind, out):
    """The command line of a training."""
    sides, options = RUNS[kind]
    words = ["train", *TINY, *options, "--ratio", "0.5", "--out", str(out)]
    for side in sides:
        words += ["--graph", side, f"triples={files / side}.tsv"]
    for side in sides[1:]:
        words += ["--links", "a", side, str(files / f"a{side}.tsv")]
    return words


def start(words, told):
    """Starts a command, whose output goes to a file."""
    return start_call(_run, words, os.fspath(told))


def _run(words, told):
    number = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(number, 1)
    os.dup2(number, 2)
    torch.set_num_threads(1)
    raise SystemExit(main(words))


def start_call(function, *arguments):
    """Starts a function of a module in a process of its own."""
    process = FORKED.Process(target=function, args=arguments)
    process.start()
    return process


def finish(words, told):
    """Runs a command to its end: its exit status and the seconds it took."""
    began = time.monotonic()
    process = start(words, told)
    process.join()
    return process.exitcode, time.monotonic() - began


def results(out):
    """What a run found, without times and memory, and the bits of what it learned."""
    found = {}
    for path in sorted(Path(out).rglob("*")):
        name = str(path.relative_to(out))
        if path.suffix == ".tsv":
            found[name] = path.read_bytes()
        elif path.name == "metrics.json":
            metrics = json.loads(path.read_text())
            found[name] = {**metrics, "seconds": 0, "peak_rss_mb": 0}
        elif path.name == "metrics.jsonl":
            lines = path.read_text().splitlines()
            found[name] = [{**json.loads(line), "seconds": 0} for line in lines]
        elif path.name == "checkpoint.pt":
            state = torch.load(path, weights_only=True)
            for part in ("model", "average", "best_weights"):
                for key, value in state[part].items():
                    bits = value.contiguous().flatten().view(torch.uint8)
                    found[f"{name} {part} {key}"] = bits.numpy().tobytes()
            found[f"{name} rng"] = state["rng"].numpy().tobytes()
    return found
