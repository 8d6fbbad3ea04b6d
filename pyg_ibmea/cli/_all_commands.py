"""All commands, with what they do and their flags; none of it needs PyTorch."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from dataclasses import dataclass

from pyg_ibmea import __version__
from pyg_ibmea.cli import _result_flags as result
from pyg_ibmea.cli._parser import Parser
from pyg_ibmea.cli._train_flags import (
    GRAPH_HELP,
    USUAL,
    USUAL_OF_INSPECT,
    add_problem_flags,
    add_train_flags,
)


def _add_all_train_flags(command: argparse.ArgumentParser) -> None:
    add_problem_flags(command)
    add_train_flags(command)


@dataclass(frozen=True)
class Command:
    """A command.

    Args:
        run (str): The module of this room and the function in it that does the work.
        usage (str): What follows its name.
        text (str): What it does.
        add_flags (callable): Adds its flags.
        usual (collection of str, optional): See :class:`Parser`. (default: all)
        epilog (str, optional): What the help ends in. (default: nothing)
    """

    run: str
    usage: str
    text: str
    add_flags: Callable[[argparse.ArgumentParser], None]
    usual: Collection[str] = ()
    epilog: str | None = None


_GRAPHS = (
    "--graph A KEY=FILE ... --graph B KEY=FILE ...\n"
    "           [--links A B FILE] [FLAGS]"
)
_TRAIN = f"{_GRAPHS}\n       {{prog}} train CONFIG [FLAGS]"
COMMANDS = {
    "find matches": {
        "inspect": Command(
            "_commands:inspect",
            _GRAPHS,
            "say what graphs hold, before training",
            add_problem_flags,
            USUAL_OF_INSPECT,
            GRAPH_HELP,
        ),
        "train": Command(
            "_commands:train",
            _TRAIN,
            "learn from known pairs, align all entities",
            _add_all_train_flags,
            USUAL,
            GRAPH_HELP,
        ),
        "align": Command(
            "_commands:align",
            "RUN [FLAGS]",
            "align again with the models of a run",
            result.add_align_flags,
        ),
    },
    "look at them": {
        "report": Command(
            "_commands:page",
            "RUN [FLAGS]",
            "write report.html into a run folder",
            result.add_report_flags,
        ),
        "explain": Command(
            "_explain:explain",
            "RUN SOURCE [TARGET] [FLAGS]",
            "say why two entities match, term by term",
            result.add_explain_flags,
        ),
        "evaluate": Command(
            "_commands:evaluate",
            "RUN [FLAGS]",
            "judge the matches of a run by known pairs",
            result.add_evaluate_flags,
        ),
        "review": Command(
            "_review:review",
            "RUN [FLAGS]",
            "ask people about the matches of a run",
            result.add_review_flags,
        ),
    },
    "take them elsewhere": {
        "export": Command(
            "_commands:export",
            "RUN --to FILE [FLAGS]",
            "write what a run found in another form",
            result.add_export_flags,
        ),
    },
    "set up": {
        "completion": Command(
            "_completion:completion",
            "SHELL",
            "print what makes a shell complete commands and flags",
            result.add_completion_flags,
        ),
    },
}
"""All commands, by what they are for."""


def make_parser(prog: str = "pyg-ibmea") -> Parser:
    """The command line as a parser.

    Args:
        prog (str, optional): What the program is called. (default: ``'pyg-ibmea'``)
    """
    parser = Parser(prog, usage=f"{prog} COMMAND ...", description=_description())
    parser.epilog = f"`{prog} COMMAND --help` says more about a command."
    commands = parser.add_subparsers(
        required=True, metavar="COMMAND", prog=prog, help=argparse.SUPPRESS
    )
    for group in COMMANDS.values():
        for name, command in group.items():
            own = commands.add_parser(
                name,
                usage=f"{prog} {name} {command.usage.format(prog=prog)}",
                description=command.text[0].upper() + command.text[1:] + ".",
                usual=command.usual,
                epilog=command.epilog,
            )
            own.set_defaults(command=command.run)
            parser.commands[name] = own
            command.add_flags(own)
            add = own.add_argument_group("output").add_argument
            add("--json", action="store_true", help="write JSON to stdout")
            add("--debug", action="store_true", help="show where an error was noticed")
            own.add_help_flags()
    add = parser.add_help_flags()
    add("--version", action="version", version=__version__, help="show the version")
    return parser


def _description() -> str:
    """What the program does, and its commands."""
    lines = ["Finds the same entities in knowledge graphs, and says how sure it is."]
    for title, group in COMMANDS.items():
        lines += ["", f"{title}:"]
        lines += [f"  {name:<12}{command.text}" for name, command in group.items()]
    return "\n".join(lines)
