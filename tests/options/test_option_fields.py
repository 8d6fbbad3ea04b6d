import argparse
from dataclasses import dataclass

import numpy as np
import pytest

from pyg_ibmea.options import add_flags, check_ranges, option


def parse_words(text):
    return tuple(text.split(","))


@dataclass(frozen=True)
class Options:
    layers: int = option(2, "layers", at_least=1)
    rate: float = option(0.1, "learning rate", above=0)
    decay: float = option(0.5, "decay", at_least=0)
    dropout: float = option(0.0, "dropout", at_least=0, below=1)
    free: float = option(1.0, "without bounds")
    kind: str = option("a", "which", choices=["a", "b"])
    words: tuple[str, ...] = option(("x",), "words", parse=parse_words, show=",".join)
    by_name: dict = option(
        lambda: {"x": 1}, "a mapping", parse=dict, show=lambda d: "x=1"
    )
    on: bool = option(True, "whether")
    inside: str = "no flag"

    def __post_init__(self):
        check_ranges(self)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": 0}, "layers must be at least 1, got 0"),
        ({"rate": 0.0}, "rate must be positive, got 0.0"),
        ({"rate": float("nan")}, "rate must be positive, got nan"),
        ({"decay": -1.0}, "decay must be non-negative, got -1.0"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
        ({"layers": 2.0}, r"layers must be a whole number below 2\*\*53, got 2.0"),
        ({"layers": True}, "layers must be a whole number"),
        ({"layers": 10**400}, r"layers must be a whole number .*, got 100*\.\.\.0*"),
        ({"rate": "0.1"}, "rate must be a number, got '0.1'"),
        ({"rate": 10**400}, "rate must be a number, got 1"),
        ({"decay": None}, "decay must be a number, got None"),
        ({"free": float("inf")}, "free must be a finite number, got inf"),
        ({"on": 1}, "on must be true or false, got 1"),
        ({"kind": "c"}, r"kind must be one of \['a', 'b'\], got 'c'"),
    ],
)
def test_values_out_of_range_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        Options(**changes)


def test_numbers_of_numpy_are_numbers():
    options = Options(layers=np.int64(3), rate=np.float32(0.5), decay=1)
    assert (options.layers, options.rate, options.decay) == (3, 0.5, 1)


def test_flags_have_the_defaults_help_and_types_of_the_fields(capsys):
    parser = argparse.ArgumentParser()
    add_flags(parser, "options", Options(layers=3))
    found = vars(parser.parse_args([]))
    assert found == {k: v for k, v in vars(Options(layers=3)).items() if k != "inside"}
    words = ["--words", "y,z", "--no-on", "--rate", "2", "--kind", "b"]
    args = parser.parse_args(words)
    assert (args.words, args.on, args.rate, args.kind) == (("y", "z"), False, 2.0, "b")
    with pytest.raises(SystemExit):
        parser.parse_args(["--layers", "many"])
    assert "--layers: must be a whole number, got 'many'" in capsys.readouterr().err
    text = " ".join(parser.format_help().split())
    assert "--rate X" in text
    assert "whether (default: yes)" in text
    assert "words (default: x)" in text
    assert "layers (default: 3)" in text
    with pytest.raises(SystemExit):
        parser.parse_args(["--kind", "c"])
    assert "invalid choice: 'c'" in capsys.readouterr().err
