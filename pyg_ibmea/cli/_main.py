"""Runs a command, and says what went wrong with it."""

from __future__ import annotations

import argparse
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from io import TextIOWrapper

from pyg_ibmea.cli._all_commands import make_parser
from pyg_ibmea.cli._completion import complete_if_asked
from pyg_ibmea.cli._config_file import ConfigError, read_config_file
from pyg_ibmea.cli._flag_names import with_flags
from pyg_ibmea.cli._parser import Parser
from pyg_ibmea.cli._train_flags import refuse_options

_REPORT = (
    "this is a fault of pyg-ibmea: please report it, with the lines above and the "
    "command"
)
_NO_MEMORY = "the memory is used up; see docs/faq.md for what takes less"
_ALLOCATION = re.compile("can't allocate memory|out of memory", re.IGNORECASE)


def main(arguments: Sequence[str] | None = None, prog: str = "pyg-ibmea") -> int:
    """Runs a command.

    Args:
        arguments (sequence of str, optional): The command line. (default: that of the
            process)
        prog (str, optional): What the program is called. (default: ``'pyg-ibmea'``)

    Returns:
        int: 0 if all went well, 1 after an error that the user can correct, 130 if the
        training was interrupted and can be resumed.
    """
    parser = make_parser(prog)
    complete_if_asked(parser)
    args = parser.parse_args(arguments)
    told = warnings.formatwarning
    out = sys.stdout if isinstance(sys.stdout, TextIOWrapper) else None
    strict = out.errors if out else None
    if out:  # What a terminal cannot show must not end a command.
        out.reconfigure(errors="backslashreplace")
    names = vars(args)
    warnings.formatwarning = lambda text, *_, **__: (
        f"note: {with_flags(str(text), names)}\n"
    )
    try:
        args = _with_config(parser, args, arguments)
        # Only now are PyTorch and PyG imported.
        module, _, name = args.command.partition(":")
        command: Callable[[argparse.Namespace], int]
        command = getattr(import_module(f"pyg_ibmea.cli.{module}"), name)
        code = command(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # Whoever reads has seen enough.
        _forget_output()
        return 1
    except MemoryError:
        return _refuse(args, _NO_MEMORY)
    except ConfigError as error:
        return _refuse(args, str(error), in_flags=False)
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        return _refuse(args, str(error))
    except Exception as error:
        # PyTorch has no type for it on the CPU.
        if isinstance(error, RuntimeError) and _ALLOCATION.search(str(error)):
            return _refuse(args, _NO_MEMORY)
        traceback.print_exc()
        print(_REPORT, file=sys.stderr)
        return 1
    finally:
        warnings.formatwarning = told
        if out:
            out.reconfigure(errors=strict)


def _with_config(
    parser: Parser, args: argparse.Namespace, arguments: Sequence[str] | None
) -> argparse.Namespace:
    """The arguments, with those of a file where one is named; flags win."""
    path = getattr(args, "config", None)
    if path is None:
        return args
    if args.go_on is not None:
        raise ValueError(
            f"--continue takes data, options and seed from {args.go_on}; leave out "
            f"{path}"
        )
    values = read_config_file(path)
    if "go_on" in values:
        refuse_options(args, str(path))
    return parser.parse_with("train", values, arguments)


def _refuse(args: argparse.Namespace, why: str, in_flags: bool = True) -> int:
    """Says what a user has to put right and, with ``--debug``, where it was noticed."""
    if args.debug:
        traceback.print_exc()
    why = with_flags(why, vars(args)) if in_flags else why
    print(f"error: {why}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # Such as a full disk, which has been told.
        _forget_output()
    return 1


def _forget_output() -> None:
    """Keeps Python from writing, when it ends, what could not be written."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
