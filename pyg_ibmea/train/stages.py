"""From a problem to trained models, and to what they say in the end."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric import seed_everything
from torch_geometric.data import HeteroData

from pyg_ibmea.align import CSLS, Cosine, Sinkhorn
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.problem import (
    Pair,
    add_validation_pairs,
    linked_pairs,
    links_of,
    pair_problems,
    seed_pairs,
)
from pyg_ibmea.train._figures import mean_figures
from pyg_ibmea.train.config import TrainConfig
from pyg_ibmea.train.diagnostics import check_agreement
from pyg_ibmea.train.evaluation import Graph, evaluate
from pyg_ibmea.train.joint import align_pairs, cluster_metrics, join_matches
from pyg_ibmea.train.loop import fit, share_pseudo_seeds, warn
from pyg_ibmea.train.neighborhoods import pair_bonuses
from pyg_ibmea.train.objective import Objective
from pyg_ibmea.train.proposals import outside_seed_pairs, share_right
from pyg_ibmea.train.run_folder import RunFolder
from pyg_ibmea.train.state import TrainingState
from pyg_ibmea.train.trust import confidence_metrics


class Stopped(Exception):
    """A training was interrupted; its checkpoint is written."""


def train_model(
    data: HeteroData,
    config: TrainConfig,
    run: RunFolder,
    seed: int = 0,
    modalities: Sequence[str] | None = None,
    device: str | torch.device = "cpu",
    pseudo_seeds: Mapping[Pair, Tensor] | None = None,
) -> TrainingState:
    """Trains a model, from the start or from the checkpoint in the run folder.

    Args:
        data (HeteroData): The problem, on the device.
        config (TrainConfig): The hyper-parameters.
        run (RunFolder): Where the training is written.
        seed (int, optional): Seed of the model. (default: :obj:`0`)
        modalities (sequence of str, optional): See :meth:`IBMEA.from_data`.
        device (str or torch.device, optional): Where to train. (default: :obj:`'cpu'`)
        pseudo_seeds (dict, optional): Pairs that count as seed pairs from the start, by
            pair of graphs, long ``[2, L]``.

    Returns:
        TrainingState: Its model has the weights that were kept.

    Raises:
        Stopped: If it was interrupted.
    """
    seed_everything(seed)
    model = IBMEA.from_data(data, modalities=modalities, **config.model_options())
    state = TrainingState.create(model.to(device), config)
    if pseudo_seeds is not None:
        state.pseudo_seeds.begin(pseudo_seeds, seed_pairs(data))
        share_pseudo_seeds(state, data, config)
    objective = Objective.from_config(config, model.modalities)
    run.start(state)
    if not fit(state, data, model.graph_of(data), objective, config, run):
        raise Stopped(f"epoch {state.epoch} of {run.path}")
    state.finish()
    return state


def train_models(
    data: HeteroData,
    config: TrainConfig,
    run: RunFolder,
    seed: int = 0,
    modalities: Sequence[str] | None = None,
    device: str | torch.device = "cpu",
) -> tuple[list[TrainingState], list[TrainingState]]:
    """A training that chooses its epoch on the validation pairs; then, if asked for,
    others that learn from the validation pairs, too.

    Those end at the epoch that was chosen. With pseudo-seeds they begin with those of
    the chosen epoch: a new model has not grown up with the pairs that are wrong. As
    they differ from the first, each has a twin that does not learn from the validation
    pairs, takes ``config.refit_epochs`` epochs and is judged by them: the refit ends at
    the epoch at which its twin was best. Without validation pairs there is nothing to
    judge: no twin is trained, and a refit takes ``config.refit_epochs`` epochs.

    Args: As for :func:`train_model`.

    Returns:
        tuple: The states whose models the validation pairs judge together, and those
        whose models are joined in the end. The seconds of the first training count for
        the first of each if it is not among them.

    Raises:
        Stopped: If it was interrupted.
    """
    chosen = train_model(data, config, run, seed, modalities, device)
    if not config.refits:
        return [chosen], [chosen]
    known = add_validation_pairs(data)

    def again(
        problem: HeteroData,
        name: str,
        number: int,
        epochs: int,
        pairs: Mapping[Pair, Tensor] | None,
    ) -> TrainingState:
        fixed = replace(config, epochs=epochs, iterative=False)
        part = run.part(f"{name}_{number}", epochs=epochs, iterative=False)
        _tell(f"{name}_{number}: {epochs} epochs")
        options = (seed + number, modalities, device, pairs)
        return train_model(problem, fixed, part, *options)

    numbers, judged, begin = range(config.refits), [chosen], None
    epochs = [chosen.best_epoch] * config.refits
    if config.iterative:
        found = _pseudo_seeds(chosen, data)
        begin = {
            pair: outside_seed_pairs(problem, found[pair])
            for pair, problem in pair_problems(known)
        }
        epochs = [config.refit_epochs] * config.refits
        if _has_twins(data, config):
            judged = [again(data, "judged", i, epochs[i], found) for i in numbers]
            epochs = [twin.best_epoch for twin in judged]
            judged[0].seconds += chosen.seconds
    return judged, [again(known, "refit", i, epochs[i], begin) for i in numbers]


def _has_twins(data: HeteroData, config: TrainConfig) -> bool:
    """Whether the refits differ from the first training in more than the validation
    pairs, and there are some to judge that by.
    """
    judges = any(links_of(problem, "val").size(1) for _, problem in pair_problems(data))
    return config.iterative and config.refits > 0 and judges


def _pseudo_seeds(state: TrainingState, data: HeteroData) -> dict[Pair, Tensor]:
    """Those of the best epoch, of every pair of graphs; it may have had none yet."""
    none = torch.empty(2, 0, dtype=torch.long)
    return {p: state.best_pseudo_seeds.get(p, none) for p in linked_pairs(data)}


def _tell(text: str) -> None:
    """To a person: standard output may be JSON."""
    print(text, file=sys.stderr, flush=True)


def load_models(
    data: HeteroData,
    config: TrainConfig,
    folder: str | Path,
    modalities: Sequence[str] | None = None,
) -> tuple[list[IBMEA], list[IBMEA]]:
    """The models of a finished run.

    Args:
        data (HeteroData): The problem that they were trained on.
        config (TrainConfig): The hyper-parameters.
        folder (str or Path): The run folder.
        modalities (sequence of str, optional): See :meth:`IBMEA.from_data`.

    Returns:
        tuple: The models that the validation pairs judged, and those that are joined.

    Raises:
        FileNotFoundError: If the run has no checkpoint.
        ValueError: If the weights do not fit the data.
    """
    folder = Path(folder)
    known = add_validation_pairs(data)
    numbers = range(config.refits)
    parts = [(folder, data)]
    if _has_twins(data, config):
        parts = [(folder / f"judged_{i}", data) for i in numbers]
    judged = len(parts)
    parts += [(folder / f"refit_{i}", known) for i in numbers]
    models = []
    for place, problem in parts:
        path = place / "checkpoint.pt"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; has the training ended?")
        state = torch.load(path, map_location="cpu", weights_only=True)
        model = IBMEA.from_data(
            problem, modalities=modalities, **config.model_options()
        )
        try:
            model.load_state_dict(state["best_weights"])
        except (RuntimeError, KeyError) as error:
            raise ValueError(
                f"{path} is of another model or other data: {error}"
            ) from error
        models.append(model.eval())
    return models[:judged], models[judged:] or models


def final_test(
    data: HeteroData,
    judged: Sequence[TrainingState],
    states: Sequence[TrainingState],
    config: TrainConfig,
    run: RunFolder,
) -> dict[str, Any]:
    """Writes the final metrics and what was aligned. The test pairs are read here only.

    Args:
        data (HeteroData): The problem.
        judged (sequence of TrainingState): Those that the validation pairs judge.
        states (sequence of TrainingState): Those whose models are joined.
        config (TrainConfig): The hyper-parameters.
        run (RunFolder): Where it is written: ``metrics.json``, ``alignment.tsv``, with
            three graphs or more ``clusters.tsv`` and, with pseudo-seeds,
            ``pseudo_seeds.tsv``.

    Returns:
        dict: What ``metrics.json`` holds: figures of the ``test`` and ``val`` pairs,
        and under ``vectors_alone`` what they are without what neighbours say. With
        several pairs of graphs, ``pairs`` holds the figures of each, ``clusters`` those
        of their clusters; the others are means.
    """
    models = [state.model for state in states]
    graph = models[0].graph_of(data)
    # Models that learned from the validation pairs cannot be judged by them.
    twins = [state.model for state in judged]
    bonuses = pair_bonuses(twins, models, data, config, graph)
    found = align_pairs(twins, models, data, config, graph, bonuses)
    figures: dict[str, dict[str, Any]] = {}
    # How many pseudo-seeds were right is asked here, when nothing depends on it any
    # more.
    pseudo_seeds = _pseudo_seeds(judged[0], data)
    for pair, problem in pair_problems(data):
        of_pair = _ranked(twins, models, problem, config, graph, bonuses[pair])
        if any(bonus is not None for bonus in bonuses[pair]):
            # Training does not depend on what neighbours say: so would it have ended
            # without.
            alone = _ranked(twins, models, problem, config, graph, (None, None))
            judges, name = links_of(problem, "val").size(1), " - ".join(pair)
            warn(check_agreement(of_pair.get("val"), alone.get("val"), judges, name))
            if alone:
                of_pair["vectors_alone"] = alone
        of_pair["confidence"] = confidence_metrics(problem, *found[pair])
        if config.iterative:
            of_pair["pseudo_seeds"] = share_right(problem, pseudo_seeds[pair])
        figures[" - ".join(pair)] = of_pair
    metrics: dict[str, Any] = dict(next(iter(figures.values())))
    if len(figures) > 1:
        ranked: list[dict[str, Any]] = [
            {
                part: of_pair[part]
                for part in ("test", "val", "vectors_alone")
                if part in of_pair
            }
            for of_pair in figures.values()
        ]
        metrics = mean_figures(ranked)
        clusters = join_matches(data, found)
        metrics["clusters"] = cluster_metrics(data, found, clusters)
        metrics["pairs"] = figures
        run.write_clusters(data, clusters)
    if config.iterative:
        run.write_pairs("pseudo_seeds.tsv", data, pseudo_seeds)
    each = {id(state): state for state in (*judged, *states)}.values()
    seconds = sum(state.seconds for state in each)
    written = run.write_metrics(metrics, judged[0].best_epoch, seconds)
    run.write_alignment(data, {pair: matches for pair, (_, matches) in found.items()})
    return written


def _ranked(
    twins: Sequence[IBMEA],
    models: Sequence[IBMEA],
    problem: HeteroData,
    config: TrainConfig,
    graph: Graph,
    bonuses: tuple[Tensor | None, Tensor | None],
) -> dict[str, Any]:
    """The ranking metrics of the test and validation pairs of two graphs."""
    found = {}
    asked = ("test", models, bonuses[1]), ("val", twins, bonuses[0])
    for part, members, bonus in asked:
        if links_of(problem, part).size(1):
            decoders = (
                Cosine(),
                CSLS(config.csls_k),
                Sinkhorn(config.final_temperature(bonus)),
            )
            options = (decoders, "counterparts", graph, bonus)
            found[part] = evaluate(members, problem, part, *options)
    return found
