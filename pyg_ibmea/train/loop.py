"""The training loop."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable

import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.train.batches import seed_batches
from pyg_ibmea.train.config import TrainConfig
from pyg_ibmea.train.diagnostics import Diagnostics
from pyg_ibmea.train.evaluation import Graph, evaluate
from pyg_ibmea.train.information import information_plane
from pyg_ibmea.train.interrupt import InterruptGuard
from pyg_ibmea.train.links import alignment_pair, links_of
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
    options = (config.propose_threshold, config.sinkhorn_temperature, graph)
    proposal = propose_pairs(state.average, data, *options)
    warn(diagnostics.check_pseudo_seeds(state.pseudo_seeds.update(proposal)))
    share_pseudo_seeds(state, data, config)


def share_pseudo_seeds(
    state: TrainingState, data: HeteroData, config: TrainConfig
) -> None:
    """Lets the pairs that were adopted share their embeddings, as seed pairs do."""
    if config.share_seeds and state.model.embedding is not None:
        pairs = state.pseudo_seeds.pairs.to(links_of(data, "train").device)
        for model in (state.model, state.average):
            model.share(dict(zip(alignment_pair(data), pairs, strict=True)))


def train_epoch(
    state: TrainingState,
    data: HeteroData,
    graph: Graph,
    objective: Objective,
    config: TrainConfig,
) -> tuple[dict[str, float], int]:
    """One pass over the seed pairs: the mean of each loss term, the batch size."""
    pair, links = alignment_pair(data), links_of(data, "train")
    pseudo_seeds = state.pseudo_seeds.pairs.to(links.device)
    links = torch.cat([links, pseudo_seeds], dim=1)
    batches = seed_batches(links.size(1), config.batch_size, config.withhold)
    mean: dict[str, float] = {}
    state.model.train()
    for batch in batches:
        chosen = links[:, batch.to(links.device)]
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
    return mean, batches[0].numel()


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
    selects = links_of(data, "val").size(1) > 0
    with InterruptGuard() as interrupt:
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


def validate(
    state: TrainingState,
    data: HeteroData,
    graph: Graph,
    config: TrainConfig,
    losses: dict[str, float],
    run: RunFolder,
) -> float:
    """Hits@1 of the validation pairs; the weights are kept if their MRR is best."""
    # Among all unaligned entities: harder than the validation pairs' own.
    options = (config.csls_k, "unaligned", graph)
    val = evaluate(state.average, data, "val", ["csls"], *options)["csls"]["mean"]
    state.offer(val["mrr"])
    weights = state.average.fusion.weights()
    plane = information_plane(state.average, data, "val", graph)
    run.append_metrics(state.epoch, state.seconds, losses, val, weights, plane)
    return float(val["hits@1"])
