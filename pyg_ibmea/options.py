"""Options as dataclass fields, each defined once with its range and its help."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import Field, field, fields
from typing import Any


def option(
    default: Any,
    text: str,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    below: float = math.inf,
    choices: Sequence[str] | None = None,
    parse: Callable[[str], Any] | None = None,
    show: Callable[[Any], str] | None = None,
) -> Any:
    """A dataclass field that is a flag of the command line, too.

    Args:
        default: The default; a callable makes a new one for every instance.
        text: The help of the flag.
        at_least: Least value.
        above: What the value must be greater than.
        below: What the value must be less than.
        choices: The values that there are.
        parse: Makes the value from the text of the command line. (default: the type of
            the default)
        show: Makes the text of the command line of a value, for the help.
            (default: :class:`str`)
    """
    extra = {
        "help": text,
        "at_least": at_least,
        "above": above,
        "below": below,
        "choices": choices,
        "parse": parse,
        "show": show,
    }
    if callable(default):
        return field(default_factory=default, metadata=extra)
    return field(default=default, metadata=extra)


def check_ranges(options: Any) -> None:
    """Checks every field of a dataclass that :func:`option` made.

    Raises:
        ValueError: If a value is out of range; the message names the option.
    """
    for found in option_fields(type(options)):
        name, value = found.name, getattr(options, found.name)
        choices = found.metadata["choices"]
        if choices is not None and value not in choices:
            raise ValueError(f"{name} must be one of {list(choices)}, got {value!r}")
        least, above, below = (
            found.metadata[key] for key in ("at_least", "above", "below")
        )
        if (least, above, below) == (-math.inf, -math.inf, math.inf):
            continue
        if not (least <= value < below and value > above):
            raise ValueError(f"{name} must {_range(least, above, below)}, got {value}")


def option_fields(kind: type) -> Iterator[Field[Any]]:
    """The fields of a dataclass that :func:`option` made."""
    return (found for found in fields(kind) if "help" in found.metadata)


def add_flags(parser: argparse.ArgumentParser, title: str, options: Any) -> None:
    """Adds a flag for every option of a dataclass, in a group of its own.

    Args:
        parser: The parser.
        title: Title of the group.
        options: An instance, whose values are the defaults.
    """
    group = parser.add_argument_group(title)
    for found in option_fields(type(options)):
        default = getattr(options, found.name)
        show = found.metadata["show"]
        # argparse formats the help itself.
        shown = "%(default)s" if show is None else show(default).replace("%", "%%")
        extra: dict[str, Any] = {"choices": found.metadata["choices"]}
        if isinstance(default, bool):
            extra = {"action": argparse.BooleanOptionalAction}
        else:
            extra["type"] = _reader(found)
        group.add_argument(
            "--" + found.name.replace("_", "-"),
            default=default,
            help=f"{found.metadata['help']} (default: {shown})",
            **extra,
        )


def _reader(found: Field[Any]) -> Callable[[str], Any]:
    """What reads the text of a flag."""
    parse = found.metadata["parse"]
    if parse is None:
        return type(found.default)

    def read(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            # argparse shows the message of this error only.
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def _range(least: float, above: float, below: float) -> str:
    if (least, below) == (0, 1):
        return "lie in [0, 1)"
    if above == 0:
        return "be positive"
    if least == 0:
        return "not be negative"
    return f"be at least {least:g}"
