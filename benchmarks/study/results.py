"""The lines of ``runs.jsonl``: what a run gave, and whether it is still valid."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from datetime import datetime, timezone
from hashlib import sha256

import torch
import torch_geometric

from benchmarks.study.training import cost_file
from pyg_ibmea import __version__
from pyg_ibmea.files import replacing
from pyg_ibmea.train import Options

# Options that version 0.1, which made the first results, did not have; the last are for
# larger problems than those of the study.
_LATER = (
    *("modal_dropout", "init_logstd", "count_modalities"),
    *("parts", "search", "num_candidates", "eval_queries"),
    *("alone_weight", "value_agreement", "patience"),
)


def read_results(path):
    """The lines of the results; none if there is no file."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def write_results(path, results):
    """Rewrites all lines."""
    with replacing(path) as part:
        lines = [json.dumps(result) + "\n" for result in results]
        part.write_text("".join(lines), encoding="utf-8")


def names_file(run, raw, names):
    """The file of names that a run is given; ``None`` for none.

    Args:
        run (Run): The run.
        raw (Path): Folder of the published files.
        names (Path): File to use in place of the published names, or ``None``.
    """
    if not run.names:
        return None
    return names or raw / "DBP15K" / "zh_en" / "translated_ent_name.json"


def names_of(file):
    """What identifies a file of names; ``None`` for none."""
    if file is None:
        return None
    return {"file": file.name, "sha256": sha256(file.read_bytes()).hexdigest()}


def result_of(run, work, names):
    """The line of the results that a finished run folder gives.

    Args:
        run (Run): The run.
        work (Path): Folder of the run folders.
        names (Path): File of names that the run was given, or ``None``.
    """
    folder = run.folder(work)
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics |= json.loads(cost_file(run, work).read_text())
    lines = read_results(folder / "metrics.jsonl")
    return {
        "key": run.key,
        **asdict(run),
        "options": run.options,
        "names_of": names_of(names),
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


def in_one_form(options):
    """Options as a run has them now; version 0.1 wrote some as texts."""
    if not options:
        return {}
    now = Options.from_flat(options).flat()
    known = {**{name: now[name] for name in _LATER}, **options}
    known.pop("num_features", None)  # An option of the datasets.
    return {name: now.get(name, value) for name, value in known.items()}


def in_use(options):
    """The options that have an effect, given the others."""
    options, idle = in_one_form(options), set()
    if not options.get("bottleneck"):
        idle |= {"beta", "beta_warmup"}
    if not options.get("iterative"):
        idle |= {"refit_epochs", *(o for o in options if o.startswith("propose_"))}
    if not options.get("neighbor_agreement"):
        idle |= {"neighbor_agreement", "neighbor_rounds"}
    return {option: value for option, value in options.items() if option not in idle}


def is_current(result, table):
    """Whether a result is of a run in the table, made with today's defaults."""
    run = table.get(result["key"])
    made_with = in_use(result.get("options", {}))
    return run is not None and made_with == in_use(run.options)
