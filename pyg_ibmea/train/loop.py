"""The training loop."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.align import CSLS, Sinkhorn
from pyg_ibmea.problem import links_of, pair_problems, seed_pairs
from pyg_ibmea.train._figures import mean_figures
from pyg_ibmea.train.batches import seed_batches
from pyg_ibmea.train.config import TrainConfig
from pyg_ibmea.train.diagnostics import Diagnostics
from pyg_ibmea.train.evaluation import Graph, evaluate
from pyg_ibmea.train.information import information_plane
from pyg_ibmea.train.interrupt import InterruptGuard
from pyg_ibmea.train.memory import release_freed_memory
from pyg_ibmea.train.objective import Objective
from pyg_ibmea.train.progress import Progress
from pyg_ibmea.train.proposals import propose_pairs
from pyg_ibmea.train.run_folder import RunFolder
from pyg_ibmea.train.state import TrainingState


def warn(messages: Iterable[str]) -> None:
    """Tells the user."""
    for message in messages:
        warnings.warn(message, stacklevel=2)


def propose(
    state: TrainingState,
    data: HeteroData,
    graph: Graph,
    config: TrainConfig,
    diagnostics: Diagnostics,
) -> None:
    """Lets the averaged model propose pairs; those adopted count as seed pairs."""
    threshold = config.threshold_before(state.epoch)
    options = (threshold, Sinkhorn(config.sinkhorn_temperature), graph)
    proposals = {}
    for pair, problem in pair_problems(data):
        proposals[pair] = propose_pairs(state.average, problem, *options)
    adopted = state.pseudo_seeds.update(proposals, seed_pairs(data))
    warn(diagnostics.check_pseudo_seeds(adopted))
    share_pseudo_seeds(state, data, config)


def share_pseudo_seeds(
    state: TrainingState, data: HeteroData, config: TrainConfig
) -> None:
    """Lets the pairs that were adopted share their embeddings, as seed pairs do."""
    if config.share_seeds and state.model.embedding is not None:
        device = state.model.embedding.row.device
        pairs = [
            dict(zip(pair, ids.to(device), strict=True))
            for pair, ids in state.pseudo_seeds.pairs.items()
        ]
        for model in (state.model, state.average):
            model.share(*pairs)


def train_epoch(
    state: TrainingState,
    data: HeteroData,
    graph: Graph,
    objective: Objective,
    config: TrainConfig,
) -> dict[str, float]:
    """One pass over the seed pairs: the mean of each loss term."""
    release_freed_memory()  # Of proposals and validation, which come between epochs.
    batches = _batches(state, data, config)
    mean: dict[str, float] = {}
    state.model.train()
    for pair, chosen in batches:
        entities = dict(zip(pair, chosen, strict=True))
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
    return mean


def _batches(
    state: TrainingState, data: HeteroData, config: TrainConfig
) -> list[tuple[tuple[str, str], Tensor]]:
    """Seed pairs and pseudo-seeds, each in one batch.

    Of several pairs of graphs, the batches come in mixed order, and as many are left
    out as say what follows from others: K graphs have the steps of K - 1 pairs.
    """
    found = []
    seeds = seed_pairs(data)
    for pair, links in seeds.items():
        pseudo_seeds = state.pseudo_seeds.of(pair).to(links.device)
        links = torch.cat([links, pseudo_seeds], dim=1)
        if links.size(1):
            numbers = seed_batches(links.size(1), config.batch_size, config.withhold)
            found += [(pair, links[:, batch.to(links.device)]) for batch in numbers]
    if len(seeds) == 1:
        return found
    graphs = {name for pair in seeds for name in pair}
    steps = round(len(found) * min(1.0, (len(graphs) - 1) / len(seeds)))
    return [found[i] for i in torch.randperm(len(found)).tolist()][: max(1, steps)]


def fit(
    state: TrainingState,
    data: HeteroData,
    graph: Graph,
    objective: Objective,
    config: TrainConfig,
    run: RunFolder,
) -> bool:
    """Trains up to the last epoch, or until interrupted; whether it got there.

    Without validation pairs the weights of the last epoch are kept.
    """
    began = time.monotonic() - state.seconds
    progress = Progress(config.epochs, state.epoch)
    diagnostics = Diagnostics(objective.beta)
    selects = any(
        links_of(problem, "val").size(1) for _, problem in pair_problems(data)
    )
    with InterruptGuard() as interrupt:
        while state.epoch < config.epochs and not interrupt.requested:
            state.epoch += 1
            if config.proposes_before(state.epoch):
                propose(state, data, graph, config, diagnostics)
            losses = train_epoch(state, data, graph, objective, config)
            state.update_average()
            progress.update(losses)
            state.seconds = time.monotonic() - began
            if state.epoch % config.eval_every == 0 or state.epoch == config.epochs:
                if state.epoch > config.warmup_epochs:
                    warn(diagnostics.check(losses))
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


def validate(
    state: TrainingState,
    data: HeteroData,
    graph: Graph,
    config: TrainConfig,
    losses: dict[str, float],
    run: RunFolder,
) -> float:
    """Hits@1 of the validation pairs; the weights are kept if their MRR is best. With
    several pairs of graphs, these are means over them.
    """
    # Among all unaligned entities: harder than the validation pairs' own.
    options = ([CSLS(config.csls_k)], "unaligned", graph)
    asked = [p for _, p in pair_problems(data) if links_of(p, "val").size(1)]
    figures = [evaluate(state.average, p, "val", *options) for p in asked]
    val = mean_figures([found["csls"]["mean"] for found in figures])
    state.offer(val["mrr"])
    weights = state.average.fusion.weights()
    plane = mean_figures(
        [information_plane(state.average, p, "val", graph) for p in asked]
    )
    run.append_metrics(state.epoch, state.seconds, losses, val, weights, plane)
    return float(val["hits@1"])
