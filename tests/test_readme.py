"""What the README shows must run as it stands there."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from pyg_ibmea.train import TrainConfig

README = Path(__file__).parents[1] / "README.md"


def block(marker, language):
    text = README.read_text(encoding="utf-8")
    found = re.search(rf"<!-- {marker} -->\n```{language}\n(.*?)```", text, re.DOTALL)
    assert found, f"README.md has no {language} block below <!-- {marker} -->"
    return found[1]


def test_quick_tour(capsys):
    code = block("tour", "python")
    assert len(code.splitlines()) <= 32
    scope = {}
    exec(code, scope)
    out = capsys.readouterr().out
    assert scope["metrics"]["hits@1"] > 0.5
    assert f"Hits@1 {scope['metrics']['hits@1']:.2f}" in out
    assert sum(scope["output"].weights.values()) == pytest.approx(1.0)


def test_layer():
    scope = {}
    exec(block("layer", "python"), scope)
    assert scope["z"].shape == (4, 8)
    scope["loss"].backward()


def test_the_two_commands_stand_alone():
    for marker in ("main", "tests"):
        assert len(block(marker, "sh").splitlines()) == 1


def test_every_option_of_a_command_exists():
    import runpy
    import sys

    text = README.read_text(encoding="utf-8")
    flags = set(re.findall(r"--[a-z-]+", " ".join(re.findall(r"train_mmea.*", text))))
    example = README.parent / "examples" / "train_mmea.py"
    argv, sys.argv = sys.argv, ["train_mmea.py"]
    try:
        scope = runpy.run_path(str(example))
        known = {f"--{name}" for name in scope["OPTIONS"]} | {"--resume", "--help"}
        known |= {f"--{f.name.replace('_', '-')}" for f in fields(TrainConfig)}
    finally:
        sys.argv = argv
    assert flags - {"--help"} <= known, flags - known


def test_every_option_of_the_command_line_exists():
    from pyg_ibmea.cli import make_parser

    text = README.read_text(encoding="utf-8")
    own = text[text.index("## Your own graphs") : text.index("## Documentation")]
    commands = re.findall(r"^pyg-ibmea (?:[^\n]|\\\n)*", own, re.M)
    assert len(commands) == 3
    for command in commands:
        words = command.replace("\\\n", " ").split()[1:]
        make_parser().parse_args(words)
