import argparse
from dataclasses import asdict, fields, replace

import pytest

from pyg_ibmea.train import PAPER, TrainConfig, add_arguments, config_from


def parse(*arguments):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return config_from(parser.parse_args(arguments))


def test_no_option_gives_the_defaults():
    assert parse() == TrainConfig()


@pytest.mark.parametrize("field", fields(TrainConfig), ids=lambda field: field.name)
def test_every_field_has_an_option_with_help(field):
    flag = "--" + field.name.replace("_", "-")
    if isinstance(field.default, bool):
        changed = not field.default
        arguments = [flag if changed else flag.replace("--", "--no-", 1)]
    elif field.name == "objective":
        changed, arguments = "multi_similarity", [flag, "multi_similarity"]
    elif isinstance(field.default, str):
        changed, arguments = "graph", [flag, "graph"]
    else:
        changed = field.default / 2 if isinstance(field.default, float) else 7
        changed = changed or 0.5
        arguments = [flag, str(changed)]
    assert getattr(parse(*arguments), field.name) == changed
    assert field.metadata["help"]


def test_model_options():
    assert TrainConfig(bottleneck="none").model_options()["bottleneck"] is False
    assert TrainConfig(bottleneck="all").model_options()["bottleneck"] is True
    features = TrainConfig(bottleneck="features").model_options()
    assert features["bottleneck"] == "features"
    assert features["neighbor_features"]
    assert not TrainConfig(neighbor_features=False).model_options()["neighbor_features"]
    options = TrainConfig(bottleneck="graph,image", heads=5).model_options()
    assert (options["bottleneck"], options["heads"]) == (["graph", "image"], 5)


def test_presets_are_the_published_settings():
    dbp15k = TrainConfig(**PAPER["DBP15K"])
    assert (dbp15k.epochs, dbp15k.warmup_epochs, dbp15k.cosine_epochs) == (
        1000,
        200,
        1500,
    )
    assert (dbp15k.scale_pos, dbp15k.scale_neg, dbp15k.base) == (5.0, 40.0, 0.5)
    assert (dbp15k.hybrid_weight, dbp15k.clip_norm) == (3.0, 0.1)
    mmkb = TrainConfig(**PAPER["MMKB"])
    assert (mmkb.epochs, mmkb.batch_size, mmkb.scale_pos) == (500, 1000, 0.1)
    assert set(PAPER["DBP15K"]) <= set(asdict(TrainConfig()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"neighbor_rounds": 0}, "neighbor_rounds must be at least 1"),
        ({"neighbor_agreement": -1.0}, "neighbor_agreement must not be negative"),
        ({"heads": 0}, "heads must be at least 1"),
        ({"lr": -1.0}, "lr must not be negative"),
        ({"lr": float("nan")}, "lr must not be negative, got nan"),
        ({"warmup_epochs": -1}, "warmup_epochs must not be negative"),
        ({"average_decay": 1.0}, r"average_decay must lie in \[0, 1\)"),
        ({"sinkhorn_temperature": 0.0}, "sinkhorn_temperature must be positive"),
        ({"propose_every": 0}, "propose_every must be at least 1"),
        ({"propose_easing": -1}, "propose_easing must not be negative"),
        (
            {"propose_first_threshold": 1.0},
            r"propose_first_threshold must lie in \[0, 1\)",
        ),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
    ],
)
def test_bad_values(options, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**options)


def test_when_pairs_are_proposed():
    config = TrainConfig(iterative=True, propose_from=4, propose_every=3)
    assert [e for e in range(1, 12) if config.proposes_before(e)] == [4, 7, 10]
    assert not any(TrainConfig().proposes_before(e) for e in range(1, 30))


def test_proposals_are_safe_at_first():
    config = TrainConfig(
        propose_from=4, propose_every=3, propose_first_threshold=0.9,
        propose_threshold=0.5, propose_easing=4,
    )  # fmt: skip
    asked = [config.threshold_before(epoch) for epoch in range(4, 24, 3)]
    assert asked == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5, 0.5, 0.5])
    assert replace(config, propose_easing=0).threshold_before(4) == 0.5
