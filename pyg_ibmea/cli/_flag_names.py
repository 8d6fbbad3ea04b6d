"""Messages of the library, in the words of the command line."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pyg_ibmea.options import flag_of

# Not a part of a path, a URI or a longer word, nor in quotes.
_BEFORE = r"(?<![\w./\\?&:;#'\"-])"
_VALUE = r"=(?:'([^']*)'|([\w.+-]+))"
_NO_FLAGS = {"command", "config", "run", "source", "target", "go_on"}


def with_flags(message: str, names: Iterable[str]) -> str:
    """A message that names flags where it named arguments of Python.

    Args:
        message (str): The message.
        names (iterable of str): The arguments that are flags.

    Example:
        >>> with_flags("raise csls_k, or use search='exact'", ["csls_k", "search"])
        'raise --csls-k, or use --search exact'
    """
    for name in sorted(set(names) - _NO_FLAGS, key=len, reverse=True):
        flag = flag_of(name)
        for found in reversed([*re.finditer(rf"{_BEFORE}{name}{_VALUE}", message)]):
            value = found[1] or found[2]
            said = flag if value == "True" else f"{flag} {value}"
            message = message[: found.start()] + said + message[found.end() :]
        # A name of one word may be a word of the sentence.
        end = r"(?![\w./\\='-])" if "_" in name else r"(?= must )"
        message = re.sub(rf"{_BEFORE}{name}{end}", flag, message)
    return message
