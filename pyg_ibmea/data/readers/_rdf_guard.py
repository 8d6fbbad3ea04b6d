"""What RDF must not hold, since the parser would crash or never end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pyg_ibmea.data._boundary import open_bytes, open_text

_MOST_NESTED = 100
_CHUNK = 2**20
_LONGEST_TOKEN = 64 * 2**20

# OWL files name their namespaces so. Text of its own, it cannot multiply.
_HARMLESS_ENTITY = re.compile(rb'<!ENTITY\s+[^\s"%&<>]+\s+"[^"&<>]{0,256}"\s*>')
_ENTITY = b"<!ENTITY"
_LONGEST_ENTITY = 1024

# What may hold brackets that are none, in Turtle and its relatives; \Z: or begins to.
_TOKEN = re.compile(
    rb'"""(?:[^"\\]|\\.|"{1,2}(?!"))*(?:"""|\\?"{0,2}\Z)'
    rb"|'''(?:[^'\\]|\\.|'{1,2}(?!'))*(?:'''|\\?'{0,2}\Z)"
    rb'|"(?:[^"\\\n\r]|\\.)*(?:"|\\?\Z)'
    rb"|'(?:[^'\\\n\r]|\\.)*(?:'|\\?\Z)"
    rb'|<(?!<)[^<>"{}|^`\\\x00-\x20]*(?:>|\Z)'
    rb"|\#[^\n\r]*(?:[\n\r]|\Z)"
    rb"|\\.|<<|>>",
    re.DOTALL,
)


def check_entities(path: Path) -> None:
    """Refuses RDF/XML that declares entities which could multiply.

    An entity that holds others grows exponentially: 674 bytes become gigabytes.

    Raises:
        ValueError: If an entity holds another one, is external or longer than 256
            characters.
    """
    with open_bytes(path) as file:
        rest = b""
        while chunk := file.read(_CHUNK):
            text = rest + chunk
            rest = _check_declarations(path, text, last=False)
        _check_declarations(path, rest, last=True)


def _check_declarations(path: Path, text: bytes, last: bool) -> bytes:
    """Checks the declarations in a text; returns the part to look at again."""
    start = text.find(_ENTITY)
    while start >= 0:
        found = _HARMLESS_ENTITY.match(text, start)
        if found is None:
            if not last and len(text) - start < _LONGEST_ENTITY:
                return text[start:]
            raise ValueError(
                f"{path} declares an entity that holds others, is external or longer "
                "than 256 characters, which is refused, since a few such entities can "
                "become gigabytes; resolve them first, e.g. with `xmllint --noent`"
            )
        start = text.find(_ENTITY, found.end())
    return text[-len(_ENTITY) + 1 :]


def check_nesting(path: Path) -> None:
    """Refuses triples that hold triples that hold triples, and so on.

    The parser frees nested triple terms recursively, until the process crashes.

    Raises:
        ValueError: If they are more than 100 deep.
    """
    with open_text(path) as file:
        chunks = iter(lambda: file.read(_CHUNK), b"")
        if sum(chunk.count(b"<<") for chunk in chunks) <= _MOST_NESTED:
            return
    depth = 0
    with open_text(path) as file:
        for token in _brackets(path, file):
            depth = depth + 1 if token == b"<<" else max(0, depth - 1)
            if depth > _MOST_NESTED:
                raise ValueError(
                    f"{path} has triples nested in triples more than {_MOST_NESTED} "
                    "deep, which is refused"
                )


def _brackets(path: Path, file: IO[bytes]) -> Iterator[bytes]:
    """The brackets of triples, outside texts, URIs and comments."""
    rest, more = b"", True
    while more:
        chunk = file.read(_CHUNK)
        text, more = rest + chunk, bool(chunk)
        # A token may go on in the next chunk, and a bracket begin at the end of this.
        start = max(0, len(text) - 2)
        for found in _TOKEN.finditer(text):
            if more and found.end() == len(text):
                start = found.start()
                break
            start = max(start, found.end())
            if found[0] in (b"<<", b">>"):
                yield found[0]
        rest = text[start:]
        if len(rest) > _LONGEST_TOKEN:
            raise ValueError(f"{path} has a text longer than {_LONGEST_TOKEN:,} bytes")
