"""Shell completion, by argcomplete."""

from __future__ import annotations

import argparse
import os

PROGRAM = "pyg-ibmea"
_HINT = 'completion needs argcomplete: pip install "pyg_ibmea[completion]"'


def complete_if_asked(parser: argparse.ArgumentParser) -> None:
    """Where a shell asks for completions, prints them and ends the process."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    try:
        from argcomplete import autocomplete
    except ImportError:  # A shell is no place for messages.
        return
    autocomplete(parser, always_complete_options="long")


def completion(args: argparse.Namespace) -> int:
    """Prints what makes a shell complete commands and flags.

    Raises:
        ImportError: If argcomplete is missing.
    """
    try:
        from argcomplete.shell_integration import shellcode
    except ImportError as error:
        raise ImportError(_HINT) from error
    print(shellcode([PROGRAM], shell=args.shell))
    return 0
