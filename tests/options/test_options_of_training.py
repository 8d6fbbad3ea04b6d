import argparse
import json
from dataclasses import fields

import pytest

from pyg_ibmea.options import option_fields
from pyg_ibmea.train import Options

OWNERS = [owner.name for owner in fields(Options)]
FLAGS = [f for name in OWNERS for f in option_fields(type(getattr(Options(), name)))]


def parse(*arguments):
    parser = argparse.ArgumentParser()
    Options.add_flags(parser)
    return Options.from_flags(parser.parse_args(arguments))


def test_no_option_gives_the_defaults():
    assert parse() == Options() == Options.of()
    assert parse().differences() == {}


def test_no_two_options_have_the_same_name():
    names = [f.name for name in OWNERS for f in fields(getattr(Options(), name))]
    assert len(set(names)) == len(names)
    assert set(names) == set(Options().flat())


@pytest.mark.parametrize("field", FLAGS, ids=lambda field: field.name)
def test_every_flag_changes_its_option_and_no_other(field):
    flag, default = "--" + field.name.replace("_", "-"), Options().flat()[field.name]
    text = {"objective": "multi_similarity", "bottleneck": "graph", "beta": "7"}
    text["search"] = "ivf"
    kept = {"bottleneck": ["graph"], "beta": {"*": 7.0}}
    if isinstance(default, bool):
        changed = not default
        arguments = [flag if changed else flag.replace("--", "--no-", 1)]
    elif field.name in text:
        changed = kept.get(field.name, text[field.name])
        arguments = [flag, text[field.name]]
    else:
        changed = default / 2 if isinstance(default, float) else 7
        changed = changed or 0.5
        arguments = [flag, str(changed)]
    assert {**Options().flat(), field.name: changed} == parse(*arguments).flat()
    assert field.metadata["help"]


def test_flags_stand_in_a_group_of_their_owner_with_the_defaults_of_a_preset(capsys):
    parser = argparse.ArgumentParser()
    Options.add_flags(parser, "paper", epochs=3)
    assert Options.from_flags(parser.parse_args([])) == Options.of("paper", epochs=3)
    text = " ".join(parser.format_help().split())
    for title in ("model", "loss", "training", "pseudo-seeds", "decoding"):
        assert f"{title} options" in text
    assert "(default: 0.001,relation=0.01)" in text
    assert "none, or names joined by commas (default: all)" in text
    with pytest.raises(SystemExit):
        parser.parse_args(["--beta", "high"])
    assert "beta must be a number, got 'high'" in capsys.readouterr().err


def test_options_have_an_owner():
    options = Options.of(epochs=3, heads=5, propose_window=9, csls_k=4, base=0.1)
    assert options.training.epochs == 3
    assert options.model.heads == 5
    assert options.pseudo_seeds.propose_window == 9
    assert options.decoding.csls_k == 4
    assert options.loss.base == 0.1
    assert options.differences() == {
        "heads": 5, "base": 0.1, "epochs": 3, "propose_window": 9, "csls_k": 4
    }  # fmt: skip
    again = options.replace(epochs=24, heads=1)
    assert again == Options.of(propose_window=9, csls_k=4, base=0.1)
    assert options.training.epochs == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("epoch", "there is no option 'epoch'; did you mean 'epochs'"),
        ("graph_channel", "did you mean 'graph_channels'"),
        ("propose_treshold", "did you mean 'propose_threshold'"),
        ("xyz", "there is no option 'xyz'$"),
        # Names of owners are not names of options.
        ("training", "there is no option 'training'"),
    ],
)
def test_unknown_option_names_the_near_one(name, message):
    for make in (Options.of, Options().replace):
        with pytest.raises(TypeError, match=message):
            make(**{name: 1})


def test_model_options():
    """What the model gets; words stand for groups of modalities."""
    features, modalities = ["image"], ["graph", "image"]

    def chosen(bottleneck):
        model = Options.of(bottleneck=bottleneck).model
        return model.select_bottlenecks(features, modalities)

    assert chosen("none") == chosen(False) == chosen(()) == set()
    assert chosen("all") == chosen(True) == {"graph", "image"}
    assert chosen("features") == {"image"}
    assert chosen("graph,image") == chosen(("graph", "image")) == {"graph", "image"}
    assert Options.of(bottleneck="features").model.neighbor_features
    assert not Options.of(neighbor_features=False).model.neighbor_features
    options = Options.of(bottleneck="graph,image", heads=5).model
    assert (options.bottleneck, options.heads) == (("graph", "image"), 5)


# By published problem: FB15K-DB15K and FB15K-YAGO15K, and DBP15K (arXiv 2407.19302).
PUBLISHED = {
    "paper": {
        "epochs": 1000,
        "warmup_epochs": 200,
        "cosine_epochs": 1500,
        "batch_size": 7500,
        "scale_pos": 5.0,
        "hybrid_weight": 3.0,
    },
    "paper-mmkb": {
        "epochs": 500,
        "warmup_epochs": 400,
        "cosine_epochs": 1000,
        "batch_size": 1000,
        "scale_pos": 0.1,
        "hybrid_weight": 1.0,
    },
}
PUBLISHED_FOR_BOTH = {
    "lr": 6e-3,
    "weight_decay": 1e-2,
    "clip_norm": 0.1,
    # The published 400 of MMKB makes InfoNCE flat.
    "modal_temperature": 0.1,
    "objective": "multi_similarity",
    "scale_neg": 40.0,
    "base": 0.5,
    "beta": {"*": 1e-3, "relation": 1e-2},
    "bottleneck": ["all"],
    "graph_channels": 300,
    "modal_channels": 100,
    "num_layers": 2,
    "heads": 2,
    "dropout": 0.45,
    "init_logstd": -3.0,
    "csls_k": 3,
    # What the paper does not have.
    "relational": False,
    "residual": False,
    "neighbor_features": False,
    "share_seeds": False,
    "withhold": 0.0,
    "beta_warmup": 0,
    "average_decay": 0.0,
    "neighbor_agreement": 0.0,
    "refits": 0,
}


@pytest.mark.parametrize("preset", list(PUBLISHED))
def test_presets_are_the_published_settings(preset):
    found = Options.of(preset).flat()
    for name, value in {**PUBLISHED[preset], **PUBLISHED_FOR_BOTH}.items():
        assert found[name] == value, name
    betas = Options.of(preset).loss.betas(["graph", "image", "relation", "attribute"])
    assert list(betas.values()) == [1e-3, 1e-3, 1e-2, 1e-3]
    # Two stacks of graph layers: one for the mean, one for log sigma.
    assert Options.of(preset).model.separate_stacks


def test_presets_differ_where_the_publication_does_and_give_way():
    one, other = (Options.of(preset).flat() for preset in PUBLISHED)
    differ = {name for name, value in one.items() if value != other[name]}
    assert differ == set(PUBLISHED["paper"])
    assert Options.of("paper", epochs=7).training.epochs == 7
    assert Options.of("paper", epochs=1000) == Options.of("paper")
    with pytest.raises(ValueError, match=r"\['paper', 'paper-mmkb'\], got 'papyrus'"):
        Options.of("papyrus")


@pytest.mark.parametrize("preset", [None, *PUBLISHED])
def test_flat_options_go_through_json_and_back(preset):
    options = Options.of(preset, beta={"graph": 0.5}, count_modalities=(), csls_k=9)
    text = json.dumps({**options.flat(), "note": "other entries are left out"})
    assert Options.from_flat(json.loads(text)) == options
    assert Options.from_flat({}) == Options()
    assert Options().replace(**options.differences()) == options


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"bottleneck": "features"}, {}),
        ({"bottleneck": "all"}, {"bottleneck": ("all",)}),
        ({"bottleneck": "none"}, {"bottleneck": ()}),
        ({"bottleneck": "graph,image"}, {"bottleneck": ("graph", "image")}),
        ({"beta": "1e-4,relation=1e-3,attribute=1e-3"}, {}),
        ({"beta": "1e-3,relation=1e-2"}, {"beta": {"*": 1e-3, "relation": 1e-2}}),
        ({"beta": "7"}, {"beta": 7.0}),
        ({"objective": "multi_similarity"}, {"objective": "multi_similarity"}),
        # An option of the program that reads files, now.
        ({"num_features": 1000, "epochs": 3}, {"epochs": 3}),
    ],
)
def test_configurations_of_version_0_1_are_read(old, new):
    assert Options.from_flat(old) == Options.of(**new)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"neighbor_rounds": 0}, "neighbor_rounds must be at least 1"),
        ({"neighbor_agreement": -1.0}, "neighbor_agreement must be non-negative"),
        ({"heads": 0}, "heads must be at least 1"),
        ({"lr": -1.0}, "lr must be non-negative"),
        ({"lr": float("nan")}, "lr must be non-negative, got nan"),
        ({"warmup_epochs": -1}, "warmup_epochs must be non-negative"),
        ({"average_decay": 1.0}, r"average_decay must lie in \[0, 1\)"),
        ({"sinkhorn_temperature": 0.0}, "sinkhorn_temperature must be positive"),
        ({"propose_every": 0}, "propose_every must be at least 1"),
        ({"propose_easing": -1}, "propose_easing must be non-negative"),
        (
            {"propose_first_threshold": 1.0},
            r"propose_first_threshold must lie in \[0, 1\)",
        ),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
        ({"modal_dropout": 1.0}, r"modal_dropout must lie in \[0, 1\), got 1.0"),
        ({"objective": "triplet"}, "objective must be one of .*, got 'triplet'"),
    ],
)
def test_bad_values(options, message):
    with pytest.raises(ValueError, match=message):
        Options.of(**options)
    with pytest.raises(ValueError, match=message):
        Options.from_flat(options)


# Least values, with and without themselves, of every option that has any.
@pytest.mark.parametrize("field", FLAGS, ids=lambda field: field.name)
def test_ranges_end_where_they_should(field):
    limits = {key: field.metadata[key] for key in ("at_least", "above", "below")}
    if limits["at_least"] > float("-inf"):
        Options.of(**{field.name: type(field.default)(limits["at_least"])})
    for key, inside in (("at_least", -1), ("above", 0), ("below", 0)):
        if abs(limits[key]) < float("inf"):
            with pytest.raises(ValueError, match=f"{field.name} must "):
                Options.of(**{field.name: type(field.default)(limits[key] + inside)})


def test_when_pairs_are_proposed():
    options = Options.of(iterative=True, propose_from=4, propose_every=3).pseudo_seeds
    assert [e for e in range(1, 12) if options.before(e)] == [4, 7, 10]
    assert not any(Options().pseudo_seeds.before(e) for e in range(1, 30))


def test_proposals_are_safe_at_first():
    options = Options.of(
        propose_from=4, propose_every=3, propose_first_threshold=0.9,
        propose_threshold=0.5, propose_easing=4,
    )  # fmt: skip
    asked = [options.pseudo_seeds.threshold_before(e) for e in range(4, 24, 3)]
    assert asked == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5, 0.5, 0.5])
    at_once = options.replace(propose_easing=0).pseudo_seeds
    assert at_once.threshold_before(4) == 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bottleneck": 7}, "bottleneck must be names, got 7"),
        ({"bottleneck": ["graph", 7]}, r"bottleneck must be names, got \('graph', 7\)"),
        ({"count_modalities": None}, "count_modalities must be names, got None"),
        ({"modal_dropout": "x"}, "modal_dropout must be a number, got 'x'"),
        ({"init_logstd": [1]}, r"init_logstd must be a number, got \(1,\)"),
        ({"init_logstd": float("nan")}, "init_logstd must be finite, got nan"),
        ({"beta": None}, "beta must be a number, got None"),
        ({"beta": {"image": "x"}}, "beta of 'image' must be a number, got 'x'"),
        ({"beta": {"image": 10**400}}, "beta of 'image' must be a number, got 1"),
        ({"epochs": "many"}, "epochs must be a whole number"),
    ],
)
def test_edited_configurations_name_the_option(changes, message):
    with pytest.raises(ValueError, match=message):
        Options.from_flat({**Options().flat(), **changes})
