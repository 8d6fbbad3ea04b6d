"""One run: its training, and what it costs."""

from __future__ import annotations

import json
import shutil
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict

import torch

from benchmarks.study.contrastive import contrastive_alone
from benchmarks.study.problems import problem_of
from pyg_ibmea import Aligner
from pyg_ibmea.files import replacing
from pyg_ibmea.train import RunFolder
from pyg_ibmea.train._memory import peak_rss_mib


def train_one(run, raw, root, work, names=None):
    """Trains and tests; resumes where an earlier try stopped.

    Args:
        run (Run): The run.
        raw (Path): Folder of the published files.
        root (Path): Folder of the processed cache.
        work (Path): Folder of the run folders.
        names (Path, optional): File of names or name features.
            (default: :obj:`None`)
    """
    folder = run.folder(work)
    if run.group == "contrastive":
        return compare_losses(run, folder)
    modalities = run.modalities.split(",") if run.modalities else None
    aligner = Aligner(modalities=modalities, seed=run.seed, device="cpu", **run.config)
    data = problem_of(run, raw, root, names)
    resume = (folder / "config.json").exists()
    aligner.fit(data, folder, resume, about=asdict(run))
    return folder


def compare_losses(run, folder):
    """The losses alone, which need no graph."""
    shutil.rmtree(folder, ignore_errors=True)  # Of a run that was cut off.
    began = time.monotonic()
    metrics, step = contrastive_alone(run.row, run.level, run.seed)
    folder.mkdir(parents=True)
    folder = RunFolder(folder, asdict(run))
    folder.write_metrics({"test": metrics}, step, time.monotonic() - began)
    return folder.path


def cost_file(run, work):
    """Where the cost of a run is kept while it is not in the results."""
    return work / f"{run.folder(work).name}.cost.json"


@contextmanager
def metered(path, every=5.0):
    """Records in a file what a run costs, whatever else the machine does; what earlier
    processes of the run used before they were stopped or killed counts, too.
    """
    before = json.loads(path.read_text()) if path.exists() else {}

    def write():
        cost = {
            "cpu_seconds": before.get("cpu_seconds", 0.0) + time.process_time(),
            "peak_rss_mb": max(before.get("peak_rss_mb", 0.0), peak_rss_mib()),
            "threads": torch.get_num_threads(),
        }
        with replacing(path) as part:
            part.write_text(json.dumps(cost))

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
