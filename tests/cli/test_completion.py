"""Completion as a shell asks for it, in a process of its own."""

import os
import subprocess
import sys

import pytest
from torch_geometric.testing import withPackage

from pyg_ibmea.cli import main


def completed(line, tmp_path):
    answer = tmp_path / "answer"
    asked = {
        "_ARGCOMPLETE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
    }
    command = [sys.executable, "-m", "pyg_ibmea"]
    subprocess.run(command, env={**os.environ, **asked}, check=True)
    return {word.strip() for word in answer.read_text().split("\v")}


@withPackage("argcomplete")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pyg-ibmea re", {"report", "review"}),
        ("pyg-ibmea train --neighbor-", {"--neighbor-features", "--neighbor-agreement",
         "--neighbor-rounds"}),
        ("pyg-ibmea train --search ", {"auto", "exact", "hnsw", "ivf"}),
    ],
)  # fmt: skip
def test_commands_flags_and_choices_are_completed(line, words, tmp_path):
    assert completed(line, tmp_path) == words


@withPackage("argcomplete")
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_a_shell_reads_names_the_command(shell, capsys):
    assert main(["completion", shell]) == 0
    code = capsys.readouterr().out
    assert "pyg-ibmea" in code
    assert "_ARGCOMPLETE" in code


def test_without_argcomplete_the_error_says_what_to_install(capsys, monkeypatch):
    for name in ("argcomplete", "argcomplete.shell_integration"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["completion", "bash"]) == 1
    expected = (
        'error: completion needs argcomplete: pip install "pyg_ibmea[completion]"'
    )
    assert capsys.readouterr().err.strip().endswith(expected)
