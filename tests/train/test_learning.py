"""What a whole training must be able to do, on data whose truth is known."""

import pytest
import torch

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.problem import links_of
from pyg_ibmea.train import (
    Objective,
    Options,
    TrainingState,
    evaluate,
    seed_batches,
)

MODALITIES = ("graph", "relation", "attribute", "image", "name")
PAIR = ("source", "target")


def train(data, epochs=20, modalities=None, **options):
    torch.manual_seed(0)
    options = Options.of(
        graph_channels=64, modal_channels=32, warmup_epochs=1, beta_warmup=5, **options
    )
    model = IBMEA.from_data(data, modalities=modalities, options=options.model)
    state = TrainingState.create(model, options)
    objective = Objective.from_options(options.loss, model.modalities)
    config = options.training
    links, graph = links_of(data, "train"), model.graph_of(data)
    for epoch in range(1, epochs + 1):
        for batch in seed_batches(links.size(1), config.batch_size, config.withhold):
            entities = dict(zip(PAIR, links[:, batch], strict=True))
            output = model(data, entities, graph, withhold=config.withhold > 0)
            loss, _ = objective(output, PAIR, epoch)
            state.optimizer.zero_grad()
            loss.backward()
            state.optimizer.step()
        state.scheduler.step()
    return model


def test_noise_free_and_fully_overlapping_graphs_are_aligned():
    data = SyntheticMMKG(
        num_entities=400,
        overlap=1.0,
        edge_noise=0.0,
        attribute_noise=0.0,
        feature_noise=0.0,
        missing=0.0,
    )[0]
    metrics = evaluate(train(data), data, "test")["csls"]
    assert metrics["hits@1"] >= 0.98
    assert metrics["target_to_source"]["hits@1"] >= 0.98


@pytest.mark.parametrize("modality", MODALITIES)
def test_each_modality_alone_aligns_far_above_chance(modality):
    data = SyntheticMMKG(num_entities=400)[0]
    num_test = links_of(data, "test").size(1)
    model = train(data, modalities=[modality])
    metrics = evaluate(model, data, "test")["csls"]["mean"]
    # Chance is 1 / 224 for Hits@1 and half the candidates for the mean rank.
    assert metrics["hits@1"] > 10 / num_test
    assert metrics["mr"] < num_test / 3


@pytest.mark.parametrize("modality", ["image", "attribute"])
def test_pure_noise_loses_its_weight(modality):
    clean, noisy = (
        SyntheticMMKG(num_entities=400, noise_modalities=noise)[0]
        for noise in ((), (modality,))
    )
    model = train(noisy)
    weight = model.fusion.weights()[modality]
    assert weight < train(clean).fusion.weights()[modality]
    assert weight < 1 / len(MODALITIES)
    # It costs little more than what the modality carried.
    others = [name for name in MODALITIES if name != modality]
    with_noise = evaluate(model, noisy, "test")["csls"]["hits@1"]
    without = evaluate(train(noisy, modalities=others), noisy, "test")["csls"]["hits@1"]
    assert with_noise > without - 0.15


def test_wrong_modality_carries_nothing():
    data = SyntheticMMKG(num_entities=400, noise_modalities=["image"])[0]
    num_test = links_of(data, "test").size(1)
    metrics = evaluate(train(data, modalities=["image"]), data, "test")["csls"]["mean"]
    assert metrics["hits@1"] < 10 / num_test
    assert metrics["mr"] == pytest.approx(num_test / 2, rel=0.25)


def test_a_stronger_bottleneck_lets_less_through():
    data = SyntheticMMKG(num_entities=200)[0]
    entities = dict(zip(PAIR, links_of(data, "train"), strict=True))
    kl = {
        beta: sum(train(data, epochs=40, beta=beta)(data, entities).kl.values()).item()
        for beta in (1e-4, 1.0)
    }
    assert kl[1.0] < 0.5 * kl[1e-4]
