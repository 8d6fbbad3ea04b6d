"""Aligns two multi-modal knowledge graphs with IBMEA (arXiv 2407.19302).

    python examples/train_mmea.py
    python examples/train_mmea.py --dataset DBP15K --pair zh_en --raw FOLDER
    torchrun --nproc-per-node=2 examples/train_mmea.py

Validation pairs choose the epoch; the test pairs are read once, at the end.
"""

import argparse
import sys
import warnings
from datetime import datetime
from pathlib import Path

from pyg_ibmea import Aligner
from pyg_ibmea.datasets import DBP15K, MMKB, SRPRS, MMKGPair, OpenEA, SyntheticMMKG
from pyg_ibmea.problem import PARTS, alignment_pair, links_of
from pyg_ibmea.report import (
    calibration_line,
    candidates_line,
    embeddings_line,
    plot_curves,
)
from pyg_ibmea.train import Options, Stopped, processes

BENCHMARKS = {"DBP15K": DBP15K, "SRPRS": SRPRS, "MMKB": MMKB, "OpenEA": OpenEA}
OPTIONS = {  # flag: default, type, help
    "dataset": (
        "synthetic",
        str,
        "synthetic, DBP15K, SRPRS, MMKB, OpenEA, or a JAPE folder",
    ),
    "pair": (None, str, "pair of a benchmark, such as zh_en"),
    "raw": (None, str, "folder of the published files; nothing is written there"),
    "root": ("data", str, "folder of the processed cache"),
    "image": (None, str, "file of image features, {id: vector}: .pkl .npz .npy .h5"),
    "name": (None, str, "names as text (.json .tsv .txt), or features as for --image"),
    "num-features": (
        1000,
        int,
        "columns of the relation and attribute bags made from files",
    ),
    "modalities": (
        None,
        str,
        "joined by commas, such as graph,relation (default: all)",
    ),
    "ratio": (None, float, "share of the links that are seed pairs"),
    "seed": (0, int, "seed of the model"),
    "split-seed": (0, int, "seed of the split"),
    "out": (None, str, "run folder (default: a new one under runs/)"),
    "device": (None, str, "where to train (default: CUDA if available)"),
}
# What config.json remembers of the data, so that a run is resumed with the same.
KEPT = (
    *("dataset", "pair", "modalities", "ratio", "split_seed", "preset"),
    *("num_features", "raw", "image", "name"),
)


def parse_arguments():
    """The command line; options given by hand win over those of a preset."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, (default, kind, text) in OPTIONS.items():
        parser.add_argument(f"--{name}", default=default, type=kind, help=text)
    parser.add_argument("--resume", action="store_true", help="resume the run in --out")
    parser.add_argument(
        "--preset", choices=["paper"], help="published hyper-parameters"
    )
    Options.add_flags(parser)
    args = parser.parse_args()
    if args.preset:
        preset = "paper-mmkb" if args.dataset == "MMKB" else "paper"
        parser.set_defaults(**Options.of(preset).by_name())
        args = parser.parse_args()
    if args.resume and not args.out:
        parser.error("--resume needs the --out of the run to resume")
    for name in () if args.dataset in BENCHMARKS else ("pair", "raw"):
        if getattr(args, name) is not None:
            parser.error(f"--{name} is for {', '.join(BENCHMARKS)}, not {args.dataset}")
    return args


def load(args):
    """The alignment problem as HeteroData."""
    given = {"ratio": args.ratio, "pair": args.pair}
    if args.modalities:
        features = [m for m in args.modalities.split(",") if m != "graph"]
        given["modalities"] = features or None
    options = {name: value for name, value in given.items() if value is not None}
    if args.dataset == "synthetic":
        if (args.image, args.name, args.num_features) != (None, None, 1000):
            raise ValueError("--image, --name, --num-features need a dataset of files")
        return SyntheticMMKG(split_seed=args.split_seed, **options)[0]
    options |= {
        "split_seed": args.split_seed,
        "num_features": args.num_features,
        "image": args.image,
        "name": args.name,
    }
    root = Path(args.root) / args.dataset
    if args.dataset == "OpenEA":  # It reads the files as they are: no cache.
        if args.pair is None:
            raise ValueError("OpenEA needs --pair, such as D_W_15K_V1")
        name, pair = options.pop("name"), options.pop("pair")
        files = {"name": name} if name else {}
        return OpenEA(args.raw or root / "raw", pair, features=files, **options)[0]
    if args.dataset in BENCHMARKS:
        return BENCHMARKS[args.dataset](root, raw=args.raw, **options)[0]
    return MMKGPair(Path(args.root) / "own", raw=args.dataset, **options)[0]


def main():
    """Runs the stages one by one: data, training, test, alignment."""
    args = parse_arguments()
    label = "-".join(filter(None, [Path(args.dataset).name, args.pair]))
    out = Path(args.out or f"runs/{label}-{datetime.now():%Y%m%d-%H%M%S}")
    aligner = Aligner(
        modalities=args.modalities.split(",") if args.modalities else None,
        options=Options.from_flags(args),
        seed=args.seed,
        device=args.device,
    )
    about = {name: getattr(args, name) for name in KEPT}

    try:
        with processes.joined():  # Under torchrun, several processes train one model.
            first = processes.rank() == 0
            aligner.check(out, args.resume, about)
            data = processes.in_turn(lambda: load(args))
            source, target = alignment_pair(data)
            links = {part: links_of(data, part).size(1) for part in PARTS}
            print(
                f"{data[source].num_nodes} {source} and {data[target].num_nodes} "
                f"{target} entities, pairs: {links}"
            )
            aligner.fit(data, out, args.resume, about)
    except Stopped as where:
        print(f"stopped after {where}; resume the run with --resume --out {out}")
        return 130
    if not first:  # The first process has written everything.
        return 0
    if aligner.history_:  # Without validation pairs there is no curve.
        plot_curves(out)

    epoch = f"weights of epoch {aligner.best_epoch_} (chosen on validation)"
    print(f"\ntest pairs, {epoch}")
    print(aligner.evaluate("test"))
    metrics = aligner.metrics_
    if "vectors_alone" in metrics:
        print(embeddings_line(metrics["vectors_alone"]["test"]))
    if "candidates" in metrics:
        print(candidates_line(metrics["candidates"]))
    print(calibration_line(metrics["confidence"]))
    if "pseudo_seeds" in metrics:
        found = metrics["pseudo_seeds"]
        print(
            f"\n{found['pairs']} pseudo-seeds; of those with a known counterpart "
            f"{found['right_of_known']:.1%} are right"
        )
    seconds, peak = metrics["seconds"], metrics["peak_rss_mb"]
    there = metrics.get("peak_cuda_mb")
    on_gpu = "" if there is None else f", {there:.0f} MiB of the GPU"
    print(f"\ntrained {seconds:.0f} s, peak memory {peak:.0f} MiB{on_gpu}")
    print(f"config, metrics, checkpoint, alignment.tsv and curves.png are in {out}")
    return 0


if __name__ == "__main__":
    warnings.formatwarning = lambda text, *_, **__: f"note: {text}\n"
    try:
        sys.exit(main())
    # What the user can correct.
    except (ImportError, ValueError, OSError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
