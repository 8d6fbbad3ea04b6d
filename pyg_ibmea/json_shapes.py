"""JSON that is read back has the shape in which it was written, or is refused."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

# None of our files is nested half as deeply.
_DEEPEST = 32
_SHOWN = 60  # Characters of what was found.


@dataclass(frozen=True)
class Misfit:
    """The first place where a value has another shape.

    Args:
        where (str): The keys that lead there, such as ``test.csls[0]``; empty for the
            whole.
        expected (str): What is expected there.
        found (str): What was found.
    """

    where: str
    expected: str
    found: str


class Shape(Protocol):
    """What a value must look like."""

    def misfit(self, value: Any, where: str = "") -> Misfit | None:
        """Where a value looks different; ``None`` if it fits.

        Args:
            value (Any): The value.
            where (str, optional): The keys that lead to it.
        """


@dataclass(frozen=True)
class Plain:
    """A value without parts.

    Args:
        said (str): What it is.
        fits (callable): Whether a value is one.
    """

    said: str
    fits: Callable[[Any], bool]

    def misfit(self, value: Any, where: str = "") -> Misfit | None:
        """See :class:`Shape`."""
        return None if self.fits(value) else Misfit(where, self.said, _shown(value))


@dataclass(frozen=True)
class ListOf:
    """A list whose items have one shape.

    Args:
        items (Shape): That shape.
        at_least (int, optional): Smallest number of items. (default: :obj:`0`)
        at_most (int, optional): Largest number of items. (default: any)
    """

    items: Shape
    at_least: int = 0
    at_most: int | None = None

    def misfit(self, value: Any, where: str = "") -> Misfit | None:
        """See :class:`Shape`."""
        most = math.inf if self.at_most is None else self.at_most
        if not isinstance(value, list) or not self.at_least <= len(value) <= most:
            return Misfit(where, self._said(), _shown(value))
        each = (self.items.misfit(v, f"{where}[{i}]") for i, v in enumerate(value))
        return next(filter(None, each), None)

    def _said(self) -> str:
        if self.at_least == self.at_most:
            return f"a list of {self.at_least}"
        return f"a list of at least {self.at_least}" if self.at_least else "a list"


@dataclass(frozen=True)
class MapOf:
    """An object whose values have one shape, whatever their keys are.

    Args:
        values (Shape): That shape.
    """

    values: Shape

    def misfit(self, value: Any, where: str = "") -> Misfit | None:
        """See :class:`Shape`."""
        keys = value if isinstance(value, dict) else ()
        return Record(dict.fromkeys(keys, self.values)).misfit(value, where)


@dataclass(frozen=True)
class Record:
    """An object with known keys; others may have any value.

    Args:
        keys (dict): The shape of each value that must be there.
        optional (dict, optional): The shape of each value that may be missing.
            (default: none)
        with_it (dict, optional): By key, those that must be there if it is.
            (default: none)

    Example:
        >>> Record({"seed": WHOLE}).misfit({"seed": "x"})
        Misfit(where='seed', expected='a whole number, at least 0', found="'x'")
    """

    keys: Mapping[str, Shape]
    optional: Mapping[str, Shape] = field(default_factory=dict)
    with_it: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def misfit(self, value: Any, where: str = "") -> Misfit | None:
        """See :class:`Shape`."""
        if not isinstance(value, dict):
            return Misfit(where, "an object { }", _shown(value))
        needed = {*self.keys}
        needed |= {k for key, others in self.with_it.items() if key in value
                   for k in others}  # fmt: skip
        for key, shape in {**self.keys, **self.optional}.items():
            path = f"{where}.{_word(key)}" if where else _word(key)
            if key in value:
                found = shape.misfit(value[key], path)
            elif key in needed:
                found = shape.misfit(_NOTHING, path)
            else:
                continue
            if found is not None:
                return found
        return None


@dataclass(frozen=True)
class OneOf:
    """A value of one of several shapes.

    Args:
        said (str): What it is.
        shapes (tuple): The shapes.
    """

    said: str
    shapes: tuple[Shape, ...]

    def misfit(self, value: Any, where: str = "") -> Misfit | None:
        """See :class:`Shape`."""
        if any(shape.misfit(value) is None for shape in self.shapes):
            return None
        return Misfit(where, self.said, _shown(value))


def _is_number(value: Any) -> bool:
    """Whether a value is a number that a float can hold, or NaN."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, float) or abs(value) < 1 << 1023


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


NUMBER = Plain("a number", _is_number)
"""Any number that fits a float; NaN, too, since means of nothing are."""

WHOLE = Plain("a whole number, at least 0", _is_count)
"""A count, a seed, an epoch: below 2**63."""

TEXT = Plain("a text", lambda value: isinstance(value, str))
FLAG = Plain("true or false", lambda value: isinstance(value, bool))
NULL = Plain("null", lambda value: value is None)


def read_json(path: Path, shape: Shape, way_out: str) -> Any:
    """Reads a JSON file of a known shape.

    Args:
        path (Path): The file, in UTF-8.
        shape (Shape): What it holds.
        way_out (str): What to do if it holds something else, such as ``'restore it'``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not JSON, or of another shape; the message names the key
            and what is expected.
    """
    return parse_json(path.read_bytes(), str(path), shape, way_out)


def parse_json(content: bytes, name: str, shape: Shape, way_out: str) -> Any:
    """Parses JSON of a known shape.

    Args:
        content (bytes): The text, in UTF-8.
        name (str): What a message calls it.
        shape (Shape): What it holds.
        way_out (str): What to do if it holds something else.

    Raises:
        ValueError: As for :func:`read_json`.

    Example:
        >>> parse_json(b'{"csls": 1}', "metrics.json", MapOf(TEXT), "restore it")
        Traceback (most recent call last):
            ...
        ValueError: metrics.json: expected a text under csls, found 1; restore it
    """
    try:
        # Editors of some systems put a mark first.
        value = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} is not UTF-8 (byte {error.start}); {way_out}"
        ) from error
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else error
        raise ValueError(f"{name} is not JSON: {why}; {way_out}") from error
    check_shape(value, name, shape, way_out)
    return value


def check_shape(value: Any, name: str, shape: Shape, way_out: str) -> None:
    """Checks what was parsed.

    Args:
        value (Any): What was parsed.
        name (str): What a message calls the file.
        shape (Shape): What it holds.
        way_out (str): What to do if it holds something else.

    Raises:
        ValueError: As for :func:`read_json`.
    """
    misfit = _unwritable(value) or shape.misfit(value)
    if misfit is not None:
        under = f" under {misfit.where}" if misfit.where else ""
        raise ValueError(
            f"{name}: expected {misfit.expected}{under}, found {misfit.found}; "
            f"{way_out}"
        )


def _unwritable(value: Any) -> Misfit | None:
    """What could not be written again, though it could be read: brackets nested too
    deeply, and halves of characters, but for the bytes of file names that are not
    UTF-8, which Python reads as such.
    """
    level = [value]
    for _ in range(_DEEPEST):
        for text in level:
            if isinstance(text, str) and not text.isascii():
                try:
                    text.encode(errors="surrogateescape")
                except UnicodeEncodeError:
                    return Misfit("", "whole characters", ascii(text)[:_SHOWN])
        level = [
            inside
            for outer in level
            if isinstance(outer, (dict, list))
            for inside in (*outer, *(outer.values() if isinstance(outer, dict) else ()))
        ]
        if not level:
            return None
    return Misfit("", "fewer brackets", "too many")


class _Nothing:
    """What is missing: it fits no shape."""

    def __repr__(self) -> str:
        return "nothing"


_NOTHING = _Nothing()


def _shown(value: Any) -> str:
    """A short form of a value, on one line."""
    try:
        text = reprlib.repr(value)
    except ValueError:  # Python refuses to write very long numbers.
        text = "a very long number"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _word(key: str) -> str:
    """A key as it is named in a message."""
    return key if key.isprintable() and len(key) <= _SHOWN else reprlib.repr(key)
