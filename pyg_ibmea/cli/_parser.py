"""A parser with a short help, a full one, and errors of two lines."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """A parser of one command.

    Attributes:
        commands (dict): By name, the parsers of its commands.

    Args:
        prog (str): What it is called.
        usual (collection of str, optional): Destinations of the flags that ``--help``
            shows; ``--help-all`` shows all. (default: all, and no ``--help-all``)
        **options: Options of :class:`argparse.ArgumentParser`.
    """

    def __init__(self, prog: str, usual: Collection[str] = (), **options: Any):
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(prog, add_help=False, **options)
        self.usual = frozenset(usual)
        self.commands: dict[str, Parser] = {}

    def add_help_flags(self) -> Callable[..., argparse.Action]:
        """Adds the last flags of a command.

        Returns:
            callable: What adds further ones.
        """
        add = self.add_argument_group("help").add_argument
        shown = "show the usual flags" if self.usual else "show this"
        add("-h", "--help", action="help", help=shown)
        if self.usual:
            add("--help-all", action=_FullHelp, help="show all flags")
        return add

    def format_help(self) -> str:
        """The help with the usual flags."""
        return self._help(lambda action: not self.usual or _shown(action, self.usual))

    def format_full_help(self) -> str:
        """The help with all flags."""
        return self._help(lambda action: True)

    def _help(self, wanted: Callable[[argparse.Action], bool]) -> str:
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        for group in self._action_groups:
            formatter.start_section(group.title)
            formatter.add_text(group.description)
            formatter.add_arguments(filter(wanted, group._group_actions))
            formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parses, and refuses what it does not know, with what was probably meant."""
        found, extra = super().parse_known_args(args, namespace)
        if extra:
            flags = [word.partition("=")[0] for word in extra if word[:1] == "-"]
            if not flags:
                self.error(f"{extra[0]!r} is one word too many")
            hint = _hint(flags[0], self._option_string_actions)
            self.error(f"there is no flag {flags[0]}{hint}")
        return found, extra

    def parse_with(
        self, name: str, values: Mapping[str, Any], args: Sequence[str] | None
    ) -> argparse.Namespace:
        """Parses again, with other defaults of a command.

        Args:
            name (str): The command.
            values (dict): The defaults. A list takes the place of a flag that is given
                several times only if the flag is not given.
            args (sequence of str): The command line.
        """
        lists = {key: found for key, found in values.items() if isinstance(found, list)}
        others = {key: found for key, found in values.items() if key not in lists}
        self.commands[name].set_defaults(**others)
        found = self.parse_args(args)
        for key, value in lists.items():
            if not getattr(found, key):
                setattr(found, key, value)
        return found

    def error(self, message: str) -> NoReturn:
        """Says what is wrong and where help is, in a line each."""
        said = message.removeprefix("argument ")
        said = said.replace("the following arguments are required:", "missing:")
        self.exit(2, f"error: {said}\nsee `{self.prog} --help`\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        names = None if action.choices is None else [str(n) for n in action.choices]
        if names is None or value in names:
            return
        hint = _hint(str(value), names)
        if action.metavar == "COMMAND":
            raise argparse.ArgumentError(None, f"there is no command {value!r}{hint}")
        listed = ", ".join(names)
        raise argparse.ArgumentError(action, f"{value!r} is none of {listed}{hint}")


class _FullHelp(argparse.Action):
    """The flag that shows all flags."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str):
        none = argparse.SUPPRESS
        super().__init__(option_strings, none, nargs=0, default=none, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        assert isinstance(parser, Parser)
        parser._print_message(parser.format_full_help(), sys.stdout)
        parser.exit()


def _shown(action: argparse.Action, usual: Collection[str]) -> bool:
    return action.dest in usual or isinstance(action, (_FullHelp, argparse._HelpAction))


def _hint(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
