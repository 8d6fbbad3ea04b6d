"""Options as dataclass fields, each defined once with its range and help text."""

from __future__ import annotations

import argparse
import math
import numbers
import reprlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import Field, field, fields
from typing import Any

_LETTER = {int: "N", float: "X"}
_SAID: dict[Any, str] = {int: "a whole number", float: "a number"}


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
    """A dataclass field that is also a flag of the command line.

    Args:
        default (Any): The default value, or a callable that makes one for each
            instance.
        text (str): Help text of the flag.
        at_least (float, optional): Smallest allowed value. (default: no bound)
        above (float, optional): Lower bound that the value must exceed.
            (default: no bound)
        below (float, optional): Upper bound that the value must stay below.
            (default: no bound)
        choices (sequence of str, optional): The allowed values. (default: any)
        parse (callable, optional): Converts the text given on the command line to a
            value. (default: the type of ``default``)
        show (callable, optional): Converts a value to command-line text, for the help.
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
    """Checks the value of every field that :func:`option` made.

    Raises:
        ValueError: If a value is out of range, or of another type than the default;
            the message names the option.
    """
    for found in option_fields(type(options)):
        name, value = found.name, getattr(options, found.name)
        check_type(name, value, found.default)
        choices = found.metadata["choices"]
        if choices is not None and value not in choices:
            raise ValueError(f"{name} must be one of {list(choices)}, got {value!r}")
        least, above, below = (
            found.metadata[key] for key in ("at_least", "above", "below")
        )
        if (least, above, below) == (-math.inf, -math.inf, math.inf):
            if isinstance(found.default, float) and not abs(value) < math.inf:
                raise ValueError(f"{name} must be a finite number, got {value}")
            continue
        if not (least <= value < below and value > above):
            raise ValueError(f"{name} must {_range(least, above, below)}, got {value}")


def check_type(name: str, value: Any, default: Any) -> None:
    """Refuses the value of an option that is not of the type of its default; numbers
    may be NumPy's.

    Raises:
        ValueError: If so; the message names the option.
    """
    flag = isinstance(value, bool)
    size = abs(int(value)) if isinstance(value, numbers.Integral) else 0
    if isinstance(default, bool):
        said, fits = "true or false", flag
    elif isinstance(default, int):
        said = "a whole number below 2**53"
        fits = isinstance(value, numbers.Integral) and size < 1 << 53
    elif isinstance(default, float):
        said = "a number"
        fits = isinstance(value, numbers.Real) and size < 1 << 1023
    else:
        return
    if not fits or flag is not isinstance(default, bool):
        raise ValueError(f"{name} must be {said}, got {reprlib.repr(value)}")


def option_fields(kind: type) -> Iterator[Field[Any]]:
    """The fields of a dataclass that :func:`option` made."""
    return (found for found in fields(kind) if "help" in found.metadata)


def flag_of(name: str) -> str:
    """The flag of an option or argument.

    Example:
        >>> flag_of("csls_k")
        '--csls-k'
    """
    return "--" + name.replace("_", "-")


def add_flags(parser: argparse.ArgumentParser, title: str, options: Any) -> None:
    """Adds a flag for every option of a dataclass, in a separate group.

    Args:
        parser (argparse.ArgumentParser): The parser.
        title (str): Title of the group.
        options (Any): An instance of the dataclass; its values are the defaults.
    """
    group = parser.add_argument_group(title)
    for found in option_fields(type(options)):
        default = getattr(options, found.name)
        show = found.metadata["show"] or str
        extra: dict[str, Any] = {"choices": found.metadata["choices"]}
        if isinstance(default, bool):
            extra = {"action": argparse.BooleanOptionalAction}
            shown = "yes" if default else "no"
        else:
            extra["type"] = _reader(found)
            if extra["choices"] is None:
                extra["metavar"] = _LETTER.get(type(default), "NAMES")
            # argparse applies %-formatting to the help.
            shown = show(default).replace("%", "%%")
        group.add_argument(
            flag_of(found.name),
            default=default,
            help=f"{found.metadata['help']} (default: {shown})",
            **extra,
        )


def _reader(found: Field[Any]) -> Callable[[str], Any]:
    """The function that reads the text of a flag."""
    parse: Callable[[str], Any] | None = found.metadata["parse"]
    kind: Callable[[str], Any] = type(found.default)

    def read(text: str) -> Any:
        try:
            return kind(text) if parse is None else parse(text)
        except ValueError as error:
            said = str(error) if parse else f"must be {_SAID[kind]}, got {text!r}"
            # argparse shows the message of this kind of error only.
            raise argparse.ArgumentTypeError(said) from None

    return read


def _range(least: float, above: float, below: float) -> str:
    if (least, below) == (0, 1):
        return "lie in [0, 1)"
    if above == 0:
        return "be positive"
    if least == 0:
        return "be non-negative"
    return f"be at least {least:g}"
