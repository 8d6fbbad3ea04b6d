"""Aligns GA16K, where 62 % of one side have no counterpart, from 5 % of the pairs.

python -m benchmarks.dangling run --data ../data/GA16K --work work
python -m benchmarks.dangling report

The graph with entities that have no counterpart is the source. Only the last figures
know which these are. A training that was killed is resumed by the same command.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch_geometric.data import HeteroData

from pyg_ibmea import Aligner, Alignment, __version__
from pyg_ibmea.align.calibration import detection_metrics, precision_recall_f1
from pyg_ibmea.data import read_jape, to_hetero_data
from pyg_ibmea.data.split import split_folds
from pyg_ibmea.problem import links_between

RESULTS = Path(__file__).parent.parent / "results" / "dangling"
PAIR = ("2", "1")
_HEAD = (
    "# Entities without a counterpart\n\nGA16K: 6,208 entities against 16,363, of "
    "which 62 % have no counterpart; structure alone, 5 % of the pairs, one seed, "
    "pseudo-seeds and one refit. The entities of the larger graph are asked; none is "
    "known to have no counterpart. *By score* is the best that any threshold on the "
    "score of the decoder reaches, chosen on the asked entities themselves. Made by "
    "`python -m benchmarks.dangling`.\n\n"
    "| | precision | recall | F1 | F1 by score |\n|---|---|---|---|---|\n"
)


def problem(folder: Path, val_ratio: float = 0.3) -> HeteroData:
    """The benchmark with the larger graph as the source.

    Args:
        folder (Path): The folder in JAPE's layout.
        val_ratio (float, optional): Share of the 310 published seed pairs that choose
            the epoch and calibrate. (default: :obj:`0.3`)
    """
    pair = read_jape(folder, PAIR[::-1])
    links = pair.links.flip(0)
    assert pair.seed_mask is not None
    masks = split_folds(links, pair.seed_mask, 0, val_ratio)
    graphs = [pair.target, pair.source]
    data = to_hetero_data(graphs, {PAIR: links}, splits={PAIR: masks})
    store = links_between(data, PAIR)
    number = torch.arange(data[PAIR[0]].num_nodes)
    store.dangling = number[~torch.isin(number, links[0])]
    store.dangling_part = torch.full_like(store.dangling, 2)  # Of the test alone.
    return data


def figures(data: HeteroData, alignment: Alignment) -> dict[str, Any]:
    """Precision, recall and F1 of the entities taken to have no counterpart, and of the
    matches of all others.
    """
    store = links_between(data, PAIR)
    links = store.edge_index[:, store.test_mask].numpy()
    true = dict(zip(*links.tolist(), strict=True))
    asked = np.isin(alignment.source, np.append(links[0], store.dangling.numpy()))
    matches = alignment[asked]
    has = np.isin(matches.source, links[0])
    right = np.array([true.get(i) == j for i, j in _ends(matches)])
    sure = matches.confidence >= alignment.threshold[PAIR]
    found, alone = torch.from_numpy(~sure), torch.from_numpy(~has)
    return {
        "asked": len(matches),
        "alone": int(alone.sum()),
        "found": detection_metrics(found, alone),
        "matched": precision_recall_f1(
            int(right[sure].sum()), int(sure.sum()), len(true)
        ),
        "found_by_score": _best_f1(-matches.score, ~has, int((~has).sum())),
        "matched_by_score": _best_f1(matches.score, right, len(true)),
        "right_at_all": float(right.sum() / len(true)),
    }


def _ends(matches: Alignment) -> zip[tuple[int, int]]:
    return zip(matches.source.tolist(), matches.target.tolist(), strict=True)


def _best_f1(order: NDArray[Any], hit: NDArray[Any], true: int) -> float:
    """The best F1 of taking all from some value on."""
    hits = hit[np.argsort(-order, kind="stable")].cumsum()
    return float((2 * hits / (np.arange(1, len(hits) + 1) + true)).max())


def run(args: argparse.Namespace) -> None:
    """Trains once and appends the figures."""
    torch.set_num_threads(1)
    out, data = args.work / f"GA16K-{args.seed}", problem(args.data)
    began = time.process_time()
    aligner = Aligner(iterative=True, refits=1, seed=args.seed)
    aligner.fit(data, out, resume=(out / "config.json").exists())
    line = {
        "seed": args.seed,
        "version": __version__,
        "cpu_seconds": round(time.process_time() - began, 1),
        "figures": figures(data, aligner.align()),
        "metrics": aligner.metrics_,
    }
    args.results.mkdir(parents=True, exist_ok=True)
    with (args.results / "runs.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def write_report(results: Path) -> None:
    """Writes ``README.md`` beside the results: the last run."""
    line = json.loads((results / "runs.jsonl").read_text().splitlines()[-1])
    told, metrics = line["figures"], line["metrics"]
    rows = ""
    for name, key in (
        ("entities without a counterpart", "found"),
        ("matches", "matched"),
    ):
        row = told[key]
        rows += (
            f"| {name} | {row['precision']:.3f} | {row['recall']:.3f} "
            f"| {row['f1']:.3f} | {told[key + '_by_score']:.3f} |\n"
        )
    confidence = metrics["confidence"]
    share = confidence["share_with_counterpart"]
    ending = (
        f"\nOf the {told['asked']:,} entities {told['alone']:,} have no counterpart: "
        f"the share with one is {1 - told['alone'] / told['asked']:.2f}, and estimated "
        f"as {share:.2f}. If every entity gets its best match, "
        f"{told['right_at_all']:.3f} of the counterparts are found. Calibration error "
        f"{confidence['expected_calibration_error']:.3f}; "
        f"{line['cpu_seconds'] / 60:.0f} CPU minutes, "
        f"{metrics['peak_rss_mb'] / 1024:.1f} GiB.\n"
    )
    (results / "README.md").write_text(_HEAD + rows + ending)


def main() -> None:
    """Trains, or writes the table of what was trained."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run")
    runs.add_argument("--data", type=Path, required=True, help="folder of GA16K")
    runs.add_argument("--work", type=Path, required=True, help="folder for the runs")
    runs.add_argument("--seed", type=int, default=0)
    commands.add_parser("report")
    args = parser.parse_args()
    if args.command == "run":
        run(args)
    write_report(args.results)


if __name__ == "__main__":
    main()
