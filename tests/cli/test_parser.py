"""What the parser says: help, usage errors, and how soon."""

import subprocess
import sys

import pytest

from pyg_ibmea.cli import main
from pyg_ibmea.cli._all_commands import COMMANDS, make_parser
from pyg_ibmea.cli._commands import EXPORTS
from pyg_ibmea.cli._result_flags import EXPORTED
from pyg_ibmea.cli._train_flags import USUAL

NAMES = [name for group in COMMANDS.values() for name in group]
HEAVY = ("torch", "torch_geometric", "numpy", "scipy")


def said(capsys, *words):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    found = capsys.readouterr()
    return stopped.value.code, found.out, found.err


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["train", "--help"], ["train", "--help-all"], ["fly"]],
    ids=" ".join,
)
def test_help_imports_nothing_heavy(words):
    code = (
        "import sys\n"
        "from pyg_ibmea.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
    assert bool(done.stdout) == (words != ["fly"])


def test_the_module_is_called_as_it_was_started():
    command = [sys.executable, "-m", "pyg_ibmea", "trian"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    program = sys.executable.rpartition("/")[2]
    assert done.stderr.splitlines() == [
        "error: there is no command 'trian'; did you mean train?",
        f"see `{program} -m pyg_ibmea --help`",
    ]


def test_help_lists_all_commands_in_groups(capsys):
    code, out, _ = said(capsys, "--help")
    assert code == 0
    for title, group in COMMANDS.items():
        after = out[out.index(f"{title}:") :]
        assert all(command.text in after for command in group.values())
    assert max(map(len, out.splitlines())) <= 79


def test_short_help_of_train_shows_the_usual_flags_only(capsys):
    short, full = (said(capsys, "train", h)[1] for h in ("--help", "--help-all"))
    parser = make_parser()._subparsers._group_actions[0].choices["train"]
    assert 5 <= len(USUAL) <= 10
    for action in parser._actions:
        for flag in action.option_strings[:1]:
            assert f"  {flag}" in full
            shown = action.dest in USUAL or "help" in flag or flag == "-h"
            assert (f"\n  {flag}" in short) == shown, flag
    assert "feature:M=F" in short
    assert "options:" not in short.replace("training options:", "")
    titles = ("run:", "features:", "loss options:", "decoding options:", "help:")
    assert all(title in full for title in titles)


@pytest.mark.parametrize("name", NAMES)
def test_help_of_every_command(name, capsys):
    code, out, err = said(capsys, name, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: pyg-ibmea {name} ")
    assert "--json" in out or name == "train"


@pytest.mark.parametrize(
    ("words", "message", "where"),
    [
        (["trian"], "there is no command 'trian'; did you mean train?", ""),
        (["xyz"], "there is no command 'xyz'", ""),
        ([], "missing: COMMAND", ""),
        (["align"], "missing: RUN", " align"),
        (["train", "--epohcs", "3"], "there is no flag --epohcs; did you mean "
         "--epochs?", " train"),
        (["train", "--graph_channels=3"], "there is no flag --graph_channels; did you "
         "mean --graph-channels?", " train"),
        (["align", "run", "more"], "'more' is one word too many", " align"),
        (["train", "--search", "exat"], "--search: 'exat' is none of auto, exact, "
         "hnsw, ivf; did you mean exact?", " train"),
        (["train", "--lr", "x"], "--lr: must be a number, got 'x'", " train"),
        (["train", "--links", "a"], "--links: expected 3 arguments", " train"),
    ],
)  # fmt: skip
def test_errors_of_usage_take_two_lines(words, message, where, capsys):
    code, out, err = said(capsys, *words)
    assert (code, out) == (2, "")
    lines = [f"error: {message}", f"see `pyg-ibmea{where} --help`"]
    assert err.splitlines() == lines


def test_what_can_be_exported_is_what_the_flag_offers():
    assert tuple(EXPORTS) == EXPORTED
