import argparse
import dataclasses

import pytest

from pyg_ibmea.nn import ModelOptions
from pyg_ibmea.options import add_flags, option_fields
from pyg_ibmea.options.model import parse_bottleneck


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("none", ()),
        ("all", ("all",)),
        ("features", ("features",)),
        ("graph, my.image", ("graph", "my.image")),
    ],
)
def test_bottleneck_from_text(text, names):
    assert parse_bottleneck(text) == names
    assert ModelOptions(bottleneck=text).bottleneck == names
    assert ModelOptions(bottleneck=list(names)).bottleneck == names


@pytest.mark.parametrize("text", ["", "graph,", ",graph"])
def test_empty_names(text):
    with pytest.raises(ValueError, match="empty name"):
        parse_bottleneck(text)


def test_bottleneck_switched_on_or_off():
    assert ModelOptions(bottleneck=True).bottleneck == ("all",)
    assert ModelOptions(bottleneck=False).bottleneck == ()


def test_groups_of_modalities():
    features, every = ["image"], ["graph", "image", "neighbor_image"]

    def chosen(*words):
        return ModelOptions(bottleneck=words).select_bottlenecks(features, every)

    assert chosen() == set()
    assert chosen("all") == set(every)
    assert chosen("features") == {"image"}
    assert chosen("features", "graph") == {"image", "graph"}
    with pytest.raises(ValueError, match=r"names \['sound'\]"):
        chosen("features", "sound")


def test_flags_give_the_defaults_and_what_was_asked_for():
    parser = argparse.ArgumentParser()
    add_flags(parser, "model", ModelOptions())
    names = [found.name for found in option_fields(ModelOptions)]
    assert {"modal_dropout", "init_logstd", "count_modalities"}.isdisjoint(names)
    assert ModelOptions(**vars(parser.parse_args([]))) == ModelOptions()
    given = parser.parse_args(["--bottleneck", "none", "--no-residual", "--heads", "3"])
    expected = ModelOptions(bottleneck=False, residual=False, heads=3)
    assert ModelOptions(**vars(given)) == expected
    assert "(default: features)" in parser.format_help()


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: 0} for name in ("graph_channels", "modal_channels", "num_layers")),
        {"heads": 0},
        {"dropout": 1.0},
        {"modal_dropout": -0.1},
    ],
)
def test_out_of_range(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ModelOptions(**wrong)


def test_options_cannot_change_and_names_stay_whole():
    options = ModelOptions(count_modalities="relation")
    assert options.count_modalities == ("relation",)
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.heads = 2


def test_published_settings():
    paper = ModelOptions.preset("paper")
    assert (paper.graph_channels, paper.modal_channels, paper.heads) == (300, 100, 2)
    assert paper.dropout == 0.45
    assert paper.bottleneck == ("all",)
