"""Aligns two multi-modal knowledge graphs with IBMEA (arXiv 2407.19302).

    python examples/train_mmea.py
    python examples/train_mmea.py --dataset DBP15K --pair zh_en --raw FOLDER

Validation pairs choose the epoch; the test pairs are read once, at the end.
"""

import argparse
import sys
import time
import warnings
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

import torch
from torch_geometric import seed_everything

from pyg_ibmea import train
from pyg_ibmea.datasets import DBP15K, MMKB, SRPRS, MMKGPair, SyntheticMMKG
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.report import metrics_table, plot_curves

BENCHMARKS = {"DBP15K": DBP15K, "SRPRS": SRPRS, "MMKB": MMKB}
OPTIONS = {  # flag: default, type, help
    "dataset": ("synthetic", str, "synthetic, DBP15K, SRPRS, MMKB, or a JAPE folder"),
    "pair": (None, str, "pair of a benchmark, such as zh_en"),
    "raw": (None, str, "folder of the published files; nothing is written there"),
    "root": ("data", str, "folder of the processed cache"),
    "image": (None, str, "file of image features, {id: vector}: .pkl .npz .npy .h5"),
    "name": (None, str, "names as text (.json .tsv .txt), or features likewise"),
    "modalities": (
        None,
        str,
        "joined by commas, such as graph,relation (default: all)",
    ),
    "ratio": (None, float, "share of the links that are seed pairs"),
    "seed": (0, int, "seed of the model"),
    "split-seed": (0, int, "seed of the split"),
    "out": (None, str, "run folder (default: a new one under runs/)"),
    "device": ("cuda" if torch.cuda.is_available() else "cpu", str, "where to train"),
}


def parse_arguments():
    """The command line; options given by hand win over those of a preset."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, (default, kind, text) in OPTIONS.items():
        parser.add_argument(f"--{name}", default=default, type=kind, help=text)
    parser.add_argument(
        "--resume", action="store_true", help="continue the run in --out"
    )
    parser.add_argument(
        "--preset", choices=["paper"], help="published hyper-parameters"
    )
    train.add_arguments(parser)
    args = parser.parse_args()
    if args.preset:
        parser.set_defaults(**train.PAPER.get(args.dataset, train.PAPER["DBP15K"]))
        args = parser.parse_args()
    if args.resume and not args.out:
        parser.error("--resume needs the --out of the run to continue")
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
    if args.dataset in BENCHMARKS:
        root = Path(args.root) / args.dataset
        return BENCHMARKS[args.dataset](root, raw=args.raw, **options)[0]
    return MMKGPair(Path(args.root) / "own", raw=args.dataset, **options)[0]


def warn(messages):
    """Tells the user."""
    for message in messages:
        warnings.warn(message, stacklevel=2)


def propose(state, data, graph, config, diagnostics):
    """Lets the averaged model propose pairs; those adopted count as seed pairs."""
    options = (config.propose_threshold, config.sinkhorn_temperature, graph)
    proposal = train.propose_pairs(state.average, data, *options)
    adopted = state.pseudo_seeds.update(proposal).to(proposal.device)
    warn(diagnostics.check_pseudo_seeds(adopted))
    if config.share_seeds and state.model.embedding is not None:
        for model in (state.model, state.average):
            model.share(dict(zip(train.alignment_pair(data), adopted, strict=True)))


def train_epoch(state, data, graph, objective, config):
    """One pass over the seed pairs: the mean of each loss term, the batch size."""
    pair, links = train.alignment_pair(data), train.links_of(data, "train")
    pseudo_seeds = state.pseudo_seeds.pairs.to(links.device)
    links = torch.cat([links, pseudo_seeds], dim=1)
    batches = train.seed_batches(links.size(1), config.batch_size, config.withhold)
    mean = {}
    state.model.train()
    for batch in batches:
        batch = links[:, batch.to(links.device)]
        entities = dict(zip(pair, batch, strict=True))
        output = state.model(data, entities, graph, withhold=config.withhold > 0)
        loss, terms = objective(output, pair, state.epoch)
        state.optimizer.zero_grad()
        loss.backward()
        if config.clip_norm:
            torch.nn.utils.clip_grad_norm_(state.model.parameters(), config.clip_norm)
        state.optimizer.step()
        for name, value in {"total": loss.detach(), **terms}.items():
            mean[name] = mean.get(name, 0.0) + float(value) / len(batches)
    state.scheduler.step()
    return mean, batches[0].numel()


def fit(state, data, graph, objective, config, run):
    """Trains up to the last epoch, or until interrupted; whether it got there.

    Without validation pairs the weights of the last epoch are kept.
    """
    began = time.monotonic() - state.seconds
    progress = train.Progress(config.epochs, state.epoch)
    diagnostics = train.Diagnostics(objective.beta)
    selects = train.links_of(data, "val").size(1) > 0
    with train.InterruptGuard() as interrupt:
        while state.epoch < config.epochs and not interrupt.requested:
            state.epoch += 1
            if config.proposes_before(state.epoch):
                propose(state, data, graph, config, diagnostics)
            losses, batch_size = train_epoch(state, data, graph, objective, config)
            state.update_average()
            progress.update(losses)
            state.seconds = time.monotonic() - began
            if state.epoch % config.eval_every == 0 or state.epoch == config.epochs:
                if state.epoch > config.warmup_epochs:
                    warn(diagnostics.check(losses, batch_size))
                if selects:
                    val = validate(state, data, graph, config, losses, run)
                    progress.evaluated(state.epoch, losses, val, state.best_epoch)
                else:
                    state.offer(state.epoch)
                state.seconds = time.monotonic() - began
                run.save_checkpoint(state.state_dict())
        if interrupt.requested:
            run.save_checkpoint(state.state_dict())
    progress.close()
    return state.epoch == config.epochs


def validate(state, data, graph, config, losses, run):
    """Hits@1 of the validation pairs; the weights are kept if their MRR is best."""
    # Among all unaligned entities: harder than the validation pairs' own.
    options = (config.csls_k, "unaligned", graph)
    val = train.evaluate(state.average, data, "val", ["csls"], *options)
    val = val["csls"]["mean"]
    state.offer(val["mrr"])
    weights = state.average.fusion.weights()
    plane = train.information_plane(state.average, data, "val", graph)
    run.append_metrics(state.epoch, state.seconds, losses, val, weights, plane)
    return val["hits@1"]


class Stopped(Exception):
    """A training was interrupted; its checkpoint is written."""


def train_model(data, config, run, seed, modalities=None, device="cpu"):
    """Trains a model, from the start or from the checkpoint in the run folder.

    In the state that is returned the model has the weights that were kept.
    """
    seed_everything(seed)
    model = IBMEA.from_data(data, modalities=modalities, **config.model_options())
    state = train.TrainingState.create(model.to(device), config)
    objective = train.Objective.from_config(config, model.modalities)
    run.start(state)
    if not fit(state, data, model.graph_of(data), objective, config, run):
        raise Stopped(f"epoch {state.epoch} of {run.path}")
    model.load_state_dict(state.best_weights)
    return state


def train_models(data, config, run, seed, modalities=None, device="cpu"):
    """A training that chooses its epoch on the validation pairs; then, if asked for,
    others that end there and learn from the validation pairs, too.

    Returns the state of the first, and the states whose models are to be joined.
    """
    chosen = train_model(data, config, run, seed, modalities, device)
    if not config.refits:
        return chosen, [chosen]
    known = train.add_validation_pairs(data)
    fixed = replace(config, epochs=chosen.best_epoch)
    states = []
    for number in range(config.refits):
        print(f"again up to epoch {fixed.epochs}, with the validation pairs "
              f"({number + 1} of {config.refits})", flush=True)  # fmt: skip
        part = run.part(f"refit_{number}", epochs=fixed.epochs)
        states.append(
            train_model(known, fixed, part, seed + number, modalities, device)
        )
        if config.iterative:
            part.write_pairs("pseudo_seeds.tsv", data, states[-1].best_pseudo_seeds)
    return chosen, states


def test(data, chosen, states, config, run):
    """The final metrics and what was aligned; the test pairs are read here only."""
    models = [state.model for state in states]
    graph = models[0].graph_of(data)
    decoders = ["cosine", "csls", "sinkhorn"]
    options = (config.csls_k, "counterparts", graph, config.sinkhorn_temperature)
    metrics = {
        "test": train.evaluate(models, data, "test", decoders, *options),
        # Models that learned from the validation pairs cannot be judged by them.
        "val": train.evaluate(chosen.model, data, "val", decoders, *options),
    }
    if config.iterative:
        # How many were right is asked here, when nothing depends on it any more.
        run.write_pairs("pseudo_seeds.tsv", data, chosen.best_pseudo_seeds)
        found = [train.share_right(data, state.best_pseudo_seeds) for state in states]
        metrics["pseudo_seeds"] = found
    seconds = chosen.seconds + sum(s.seconds for s in states if s is not chosen)
    metrics |= run.write_metrics(metrics, chosen.best_epoch, seconds)
    options = (config.temperature, config.csls_k, graph)
    run.write_alignment(data, *train.align_unaligned(models, data, *options))
    return metrics


def main():
    """Runs the stages one by one: data, model, training, test, alignment."""
    args = parse_arguments()
    config = train.config_from(args)
    kept = ("dataset", "pair", "modalities", "ratio", "split_seed", "seed", "preset")
    settings = {name: getattr(args, name) for name in kept} | asdict(config)
    label = "-".join(filter(None, [Path(args.dataset).name, args.pair]))
    out = args.out or f"runs/{label}-{datetime.now():%Y%m%d-%H%M%S}"
    run = train.RunFolder(out, settings, resume=args.resume)

    data = load(args).to(args.device)
    pair = source, target = train.alignment_pair(data)
    links = {part: train.links_of(data, part).size(1) for part in train.PARTS}
    print(f"{data[source].num_nodes} {source} and {data[target].num_nodes} {target} "
          f"entities, pairs: {links}")  # fmt: skip

    modalities = args.modalities.split(",") if args.modalities else None
    try:
        options = (args.seed, modalities, args.device)
        chosen, states = train_models(data, config, run, *options)
    except Stopped as where:
        print(f"stopped after {where}; go on with --resume --out {out}")
        return 130
    metrics = test(data, chosen, states, config, run)
    plot_curves(run.path)

    epoch = f"weights of epoch {chosen.best_epoch} (chosen on validation)"
    print(f"\ntest pairs, {epoch}")
    print(metrics_table(metrics["test"], *pair))
    for found in metrics.get("pseudo_seeds", []):
        print(f"\n{found['pairs']} pseudo-seeds; of those with a known counterpart "
              f"{found['right_of_known']:.1%} are right")  # fmt: skip
    seconds = metrics["seconds"]
    print(f"\ntrained {seconds:.0f} s, peak memory {train.peak_rss_mib():.0f} MiB")
    print(f"config, metrics, checkpoint, alignment.tsv and curves.png are in {out}")
    return 0


if __name__ == "__main__":
    train.keep_freed_memory()
    warnings.formatwarning = lambda text, *_, **__: f"note: {text}\n"
    try:
        sys.exit(main())
    except (ValueError, OSError) as error:  # What a user can put right.
        sys.exit(f"error: {error}")
