"""A machine for pickles that hold numbers, texts, lists, dicts and arrays only.

A pickle is a program for a small stack machine, which may import and call anything.
This machine has the instructions that dicts of vectors need, and no other: it imports
nothing, sets no attribute, and counts the bytes that it makes. Python's own would also
recurse into nested keys until the process crashes.
See https://github.com/python/cpython/blob/main/Lib/pickletools.py for the instructions.
"""

from __future__ import annotations

import re
from codecs import escape_decode
from collections.abc import Callable, Mapping
from pickletools import opcodes
from struct import unpack_from
from typing import Any, Protocol

import numpy as np

from pyg_ibmea.data._boundary import MAX_BYTES

# A list of floats is a long run of these: opcode G and eight bytes.
_FLOATS = re.compile(rb"(?:G.{8}){1,4096}", re.DOTALL)
_FLOAT = np.dtype([("opcode", "u1"), ("value", ">f8")])
# Bytes that an entry of the memo, an empty container or a float in a list takes.
_ENTRY, _CONTAINER, _ITEM = 100, 64, 32
# No number of a vector and no id is longer.
_LONGEST_NUMBER = 40


class RefusedError(ValueError):
    """The pickle asks for something that a dict of vectors does not need."""


class Buildable(Protocol):
    """What the instruction BUILD may give a state to."""

    def build(self, state: Any, machine: Machine) -> None: ...


class Machine:
    """Runs one pickle.

    Args:
        content (bytes): The pickle. Bytes in the result are views of it.
        names (dict): By module and name, what a global stands for: a function of the
            machine and the arguments, or a value.
        most_bytes (int): How many bytes may be made.
    """

    def __init__(
        self,
        content: bytes,
        names: Mapping[tuple[str, str], Any],
        most_bytes: int,
    ) -> None:
        self.content, self.view = content, memoryview(content)
        self.names = names
        self.most_bytes = self.left = most_bytes
        self.place = 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """The object that the pickle describes.

        Raises:
            RefusedError: If it asks for what the machine does not do.
            Exception: Of any kind, if the pickle is damaged.
        """
        while (code := self.take(1)[0]) != ord("."):
            instruction = _INSTRUCTIONS.get(code)
            if instruction is None:
                if chr(code) not in {opcode.code for opcode in opcodes}:
                    raise ValueError(f"{code:#04x} is no instruction")
                raise RefusedError(
                    f"the pickle has the instruction {bytes([code])!r}, which a dict "
                    "of vectors does not need: it is refused"
                )
            instruction(self)
        return self.pop()

    def take(self, count: int) -> memoryview:
        """The next bytes of the pickle."""
        if not 0 <= count <= len(self.content) - self.place:
            raise EOFError("it ends early")
        self.place += count
        return self.view[self.place - count : self.place]

    def number(self, layout: str, size: int) -> Any:
        return unpack_from(layout, self.take(size))[0]

    def line(self) -> bytes:
        end = self.content.find(b"\n", self.place)
        if end < 0:
            raise EOFError("it ends early")
        line = bytes(self.take(end - self.place))
        self.place += 1
        return line

    def spend(self, count: int) -> None:
        """Counts bytes that are made."""
        self.left -= count
        if self.left < 0:
            raise RefusedError(
                f"the pickle would take more than {self.most_bytes:,} bytes of memory; "
                f"if you trust it, set the environment variable {MAX_BYTES} to a "
                "larger number"
            )

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise ValueError("an instruction lacks its argument")
        return self.stack.pop()

    def pop_to_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items


def _floats(machine: Machine) -> None:
    start = machine.place - 1
    found = _FLOATS.match(machine.content, start)
    if found is None:
        raise EOFError("it ends early")
    count = len(found[0]) // 9
    machine.spend(count * _ITEM)
    values = np.frombuffer(machine.content, _FLOAT, count, start)["value"]
    machine.stack.extend(values.tolist())
    machine.place = found.end()


def _short(text: bytes) -> str:
    if len(text) > _LONGEST_NUMBER:
        raise RefusedError(f"a number of {len(text)} digits is refused")
    return text.decode("ascii")


def _int_line(machine: Machine) -> None:
    line = machine.line()
    truth = {b"00": False, b"01": True}.get(line)
    machine.push(int(_short(line)) if truth is None else truth)


def _long(machine: Machine, size: int) -> None:
    if size > _LONGEST_NUMBER:
        raise RefusedError(f"a number of {size} bytes is refused")
    machine.push(int.from_bytes(machine.take(size), "little", signed=True))


def _text(machine: Machine, size: int, encoding: str = "utf-8") -> None:
    machine.spend(size)
    machine.push(str(machine.take(size), encoding))


def _quoted(machine: Machine) -> None:
    line = machine.line()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise ValueError("a text lacks its quotes")
    machine.push(escape_decode(line[1:-1])[0].decode("latin1"))


def _container(machine: Machine, value: Any) -> None:
    machine.spend(_CONTAINER)
    machine.push(value)


def _remember(machine: Machine, number: int) -> None:
    machine.spend(_ENTRY)
    value = machine.pop()
    machine.push(value)
    machine.memo[number] = value


def _again(machine: Machine) -> None:
    value = machine.pop()
    machine.stack += [value, value]


def _discard(machine: Machine) -> None:
    if machine.marks and machine.marks[-1] == len(machine.stack):
        machine.marks.pop()
    else:
        machine.pop()


def _tuple(machine: Machine, size: int) -> None:
    items = tuple(machine.pop() for _ in range(size))
    _container(machine, items[::-1])


def _append(machine: Machine, items: list[Any]) -> None:
    target = machine.pop()
    if type(target) is not list:
        raise ValueError("something is appended to what is not a list")
    target.extend(items)
    machine.push(target)


def _set(machine: Machine, items: list[Any]) -> None:
    target = machine.pop()
    if type(target) is not dict or len(items) % 2:
        raise ValueError("items are set of what is not a dict")
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Nested tuples would be hashed recursively, without a limit.
        if not isinstance(key, int | str | float | np.generic):
            raise ValueError(
                f"keys must be entity ids or URIs, got one of type {type(key).__name__}"
            )
        target[key] = value
    machine.spend(_ENTRY * len(items) // 2)
    machine.push(target)


def _new_dict(machine: Machine) -> None:
    items = machine.pop_to_mark()
    _container(machine, {})
    _set(machine, items)


def _name(machine: Machine, module: Any, name: Any) -> None:
    if (module, name) not in machine.names:
        raise RefusedError(
            f"the pickle asks for '{module}.{name}', which a dict of vectors does not "
            "need and which could execute code on this machine: it is refused; if you "
            "trust the file, convert it to .npz (arrays 'ids' and 'features')"
        )
    machine.push(machine.names[module, name])


def _stacked_name(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise ValueError("the name of a global is not a text")
    _name(machine, module, name)


def _call(machine: Machine) -> None:
    arguments, function = machine.pop(), machine.pop()
    known = any(function is value for value in machine.names.values())
    if not known or not callable(function):
        raise RefusedError("the pickle calls what is not a function: it is refused")
    if type(arguments) is not tuple:
        raise ValueError("a call lacks its arguments")
    _container(machine, function(machine, *arguments))


def _build(machine: Machine) -> None:
    state, target = machine.pop(), machine.pop()
    if not hasattr(type(target), "build"):
        raise RefusedError(
            f"the pickle changes a {type(target).__name__}: it is refused"
        )
    target.build(state, machine)
    machine.push(target)


Instruction = Callable[[Machine], Any]
_BY_LETTER: dict[bytes, Instruction] = {
    b"\x80": lambda m: m.take(1),  # The protocol.
    b"\x95": lambda m: m.take(8),  # The length of a frame.
    b"(": lambda m: m.marks.append(len(m.stack)),
    b"0": _discard,
    b"1": lambda m: m.pop_to_mark(),
    b"2": _again,
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"I": _int_line,
    b"L": lambda m: m.push(int(_short(m.line()).rstrip("L"))),
    b"F": lambda m: m.push(float(_short(m.line()))),
    b"J": lambda m: m.push(m.number("<i", 4)),
    b"K": lambda m: m.push(m.take(1)[0]),
    b"M": lambda m: m.push(m.number("<H", 2)),
    b"G": _floats,
    b"\x8a": lambda m: _long(m, m.take(1)[0]),
    b"\x8b": lambda m: _long(m, m.number("<i", 4)),
    b"S": _quoted,
    b"U": lambda m: _text(m, m.take(1)[0], "latin1"),
    b"T": lambda m: _text(m, m.number("<i", 4), "latin1"),
    b"V": lambda m: m.push(m.line().decode("raw-unicode-escape")),
    b"X": lambda m: _text(m, m.number("<I", 4)),
    b"\x8c": lambda m: _text(m, m.take(1)[0]),
    b"\x8d": lambda m: _text(m, m.number("<Q", 8)),
    b"C": lambda m: m.push(m.take(m.take(1)[0])),
    b"B": lambda m: m.push(m.take(m.number("<I", 4))),
    b"\x8e": lambda m: m.push(m.take(m.number("<Q", 8))),
    b"\x96": lambda m: m.push(m.take(m.number("<Q", 8))),
    b"]": lambda m: _container(m, []),
    b"}": lambda m: _container(m, {}),
    b")": lambda m: m.push(()),
    b"l": lambda m: _container(m, m.pop_to_mark()),
    b"d": _new_dict,
    b"t": lambda m: _container(m, tuple(m.pop_to_mark())),
    b"\x85": lambda m: _tuple(m, 1),
    b"\x86": lambda m: _tuple(m, 2),
    b"\x87": lambda m: _tuple(m, 3),
    b"a": lambda m: _append(m, [m.pop()]),
    b"e": lambda m: _append(m, m.pop_to_mark()),
    b"s": lambda m: _set(m, [m.pop(), m.pop()][::-1]),
    b"u": lambda m: _set(m, m.pop_to_mark()),
    b"p": lambda m: _remember(m, int(_short(m.line()))),
    b"q": lambda m: _remember(m, m.take(1)[0]),
    b"r": lambda m: _remember(m, m.number("<I", 4)),
    b"\x94": lambda m: _remember(m, len(m.memo)),
    b"g": lambda m: m.push(m.memo[int(_short(m.line()))]),
    b"h": lambda m: m.push(m.memo[m.take(1)[0]]),
    b"j": lambda m: m.push(m.memo[m.number("<I", 4)]),
    b"c": lambda m: _name(m, m.line().decode(), m.line().decode()),
    b"\x93": _stacked_name,
    b"R": _call,
    b"b": _build,
}
_INSTRUCTIONS = {letter[0]: do for letter, do in _BY_LETTER.items()}
