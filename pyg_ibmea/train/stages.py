"""From a problem to trained models, and to what they say in the end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric import seed_everything
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Decoder
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.train.config import TrainConfig
from pyg_ibmea.train.evaluation import evaluate
from pyg_ibmea.train.links import add_validation_pairs, links_of
from pyg_ibmea.train.loop import fit, share_pseudo_seeds
from pyg_ibmea.train.objective import Objective
from pyg_ibmea.train.proposals import outside_seed_pairs, share_right
from pyg_ibmea.train.run_folder import RunFolder
from pyg_ibmea.train.state import TrainingState
from pyg_ibmea.train.trust import align_with_confidence, calibrate, confidence_metrics

DECODERS: tuple[Decoder, ...] = ("cosine", "csls", "sinkhorn")


class Stopped(Exception):
    """A training was interrupted; its checkpoint is written."""


def train_model(
    data: HeteroData,
    config: TrainConfig,
    run: RunFolder,
    seed: int = 0,
    modalities: Sequence[str] | None = None,
    device: str = "cpu",
    pseudo_seeds: Tensor | None = None,
) -> TrainingState:
    """Trains a model, from the start or from the checkpoint in the run folder.

    Args:
        data (HeteroData): The problem, on the device.
        config (TrainConfig): The hyper-parameters.
        run (RunFolder): Where the training is written.
        seed (int, optional): Seed of the model. (default: :obj:`0`)
        modalities (sequence of str, optional): See :meth:`IBMEA.from_data`.
        device (str, optional): Where to train. (default: :obj:`'cpu'`)
        pseudo_seeds (torch.Tensor, optional): Pairs that count as seed pairs from the
            start, long ``[2, L]``.

    Returns:
        TrainingState: Its model has the weights that were kept.

    Raises:
        Stopped: If it was interrupted.
    """
    seed_everything(seed)
    model = IBMEA.from_data(data, modalities=modalities, **config.model_options())
    state = TrainingState.create(model.to(device), config)
    if pseudo_seeds is not None:
        state.pseudo_seeds.begin(pseudo_seeds)
        share_pseudo_seeds(state, data, config)
    objective = Objective.from_config(config, model.modalities)
    run.start(state)
    if not fit(state, data, model.graph_of(data), objective, config, run):
        raise Stopped(f"epoch {state.epoch} of {run.path}")
    model.load_state_dict(state.best_weights)
    return state


def train_models(
    data: HeteroData,
    config: TrainConfig,
    run: RunFolder,
    seed: int = 0,
    modalities: Sequence[str] | None = None,
    device: str = "cpu",
) -> tuple[list[TrainingState], list[TrainingState]]:
    """A training that chooses its epoch on the validation pairs; then, if asked for,
    others that learn from the validation pairs, too.

    Those end at the epoch that was chosen. With pseudo-seeds they begin with those of
    the chosen epoch and take ``config.refit_epochs`` epochs: a new model has not grown
    up with the pairs that are wrong. As they differ from the first, each has a twin
    that does not learn from the validation pairs and is judged by them.

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
    fixed, begin = replace(config, epochs=chosen.best_epoch), None

    def again(
        problem: HeteroData, name: str, seed: int, pairs: Tensor | None
    ) -> TrainingState:
        part = run.part(name, epochs=fixed.epochs, iterative=fixed.iterative)
        _tell(f"{name}: {fixed.epochs} epochs")
        return train_model(problem, fixed, part, seed, modalities, device, pairs)

    numbers, judged = range(config.refits), [chosen]
    if config.iterative:
        fixed = replace(config, epochs=config.refit_epochs, iterative=False)
        found = chosen.best_pseudo_seeds
        begin = outside_seed_pairs(known, found)
        judged = [again(data, f"judged_{i}", seed + i, found) for i in numbers]
        judged[0].seconds += chosen.seconds
    return judged, [again(known, f"refit_{i}", seed + i, begin) for i in numbers]


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
    if config.iterative and config.refits:
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
        run (RunFolder): Where it is written: ``metrics.json``, ``alignment.tsv`` and,
            with pseudo-seeds, ``pseudo_seeds.tsv``.

    Returns:
        dict: What ``metrics.json`` holds.
    """
    models = [state.model for state in states]
    graph = models[0].graph_of(data)
    options = (config.csls_k, "counterparts", graph, config.sinkhorn_temperature)
    metrics: dict[str, Any] = {}
    # Models that learned from the validation pairs cannot be judged by them.
    twins = [state.model for state in judged]
    for part, members in (("test", models), ("val", twins)):
        if links_of(data, part).size(1):
            metrics[part] = evaluate(members, data, part, DECODERS, *options)
    trust = calibrate(twins, data, config, graph)
    alignment = align_with_confidence(models, data, trust, config, graph)
    metrics["confidence"] = confidence_metrics(data, trust, alignment)
    if config.iterative:
        # How many were right is asked here, when nothing depends on it any more.
        found = judged[0].best_pseudo_seeds
        run.write_pairs("pseudo_seeds.tsv", data, found)
        metrics["pseudo_seeds"] = share_right(data, found)
    each = {id(state): state for state in (*judged, *states)}.values()
    seconds = sum(state.seconds for state in each)
    written = run.write_metrics(metrics, judged[0].best_epoch, seconds)
    run.write_alignment(data, alignment)
    return written
