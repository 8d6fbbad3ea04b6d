"""Pairs in SSSOM, the Simple Standard for Sharing Ontological Mappings."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

from pyg_ibmea.data.readers._rows import numbered_lines
from pyg_ibmea.rdf_terms import name_of_iri

SAME = frozenset(
    {
        "http://www.w3.org/2004/02/skos/core#exactMatch",
        "http://www.w3.org/2002/07/owl#sameAs",
        "http://www.w3.org/2002/07/owl#equivalentClass",
        "http://www.w3.org/2002/07/owl#equivalentProperty",
    }
)
"""Predicates that say that two entities are the same."""

# The standard knows these without a curie_map.
_BUILT_IN = {
    "owl": "http://www.w3.org/2002/07/owl#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "semapv": "https://w3id.org/semapv/vocab/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "sssom": "https://w3id.org/sssom/",
}
_NEEDED = ("subject_id", "predicate_id", "object_id")
_KEY = re.compile(r"(\s*)(\"[^\"]*\"|'[^']*'|[^\s:'\"][^:]*):(?:\s+(.*?))?\s*")


def is_sssom(path: Path) -> bool:
    """Whether the name of a file says that it is SSSOM.

    Example:
        >>> is_sssom(Path("m.sssom.tsv.gz")), is_sssom(Path("m.tsv"))
        (True, False)
    """
    return ".sssom." in path.name.lower()


def read_sssom(path: Path) -> Iterator[tuple[str, str]]:
    """Reads the pairs that an SSSOM table says are the same: ``skos:exactMatch``,
    ``owl:sameAs`` and ``owl:equivalentClass``; other predicates, and those that are
    negated, are passed over.

    Args:
        path (Path): A ``.sssom.tsv``. Its ``curie_map`` stands in lines that begin with
            ``#`` before the table, or in a ``.sssom.yml`` beside it.

    Yields:
        The names of subject and object.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If a column or a prefix is missing; the message names the line.
    """
    texts = (text for _, text in numbered_lines(path))
    head: list[str] = []
    first = ""
    for first in texts:
        if not first.startswith("#"):
            break
        head.append(first.removeprefix("#").rstrip("\r\n"))
    if not first or first.startswith("#"):
        raise ValueError(f"{path} has no table after its metadata")
    prefixes = {**_BUILT_IN, **_curie_map(head or _beside(path))}
    before = len(head)
    reader = csv.reader(chain([first], texts), delimiter="\t", strict=True)
    columns: list[str] = []
    try:
        for fields in reader:
            where = f"{path}, line {before + reader.line_num}"
            if not columns:
                columns = [field.strip() for field in fields]
                lacking = [name for name in _NEEDED if name not in columns]
                if lacking:
                    raise ValueError(
                        f"{where}: an SSSOM table needs the column {lacking[0]}; it "
                        f"has {', '.join(columns)}"
                    )
                continue
            if not any(field.strip() for field in fields):
                continue
            if len(fields) != len(columns):
                raise ValueError(
                    f"{where}: expected {len(columns)} fields as in the header, got "
                    f"{len(fields)}"
                )
            row = dict(zip(columns, fields, strict=True))
            subject, predicate, target = (
                _expanded(row[name], prefixes, f"{where}: the {name}")
                for name in _NEEDED
            )
            if predicate in SAME and not row.get("predicate_modifier", "").strip():
                yield name_of_iri(subject), name_of_iri(target)
    except csv.Error as error:
        raise ValueError(f"{path}, line {before + reader.line_num}: {error}") from error


def _beside(path: Path) -> list[str]:
    """The lines of a file of metadata beside a table, if there is one."""
    stem = path.name[: path.name.lower().rindex(".sssom.")]
    for suffix in ("yml", "yaml"):
        other = path.with_name(f"{stem}.sssom.{suffix}")
        if other.is_file():
            return [line.rstrip("\r\n") for _, line in numbered_lines(other)]
    return []


def _curie_map(lines: list[str]) -> dict[str, str]:
    """The prefixes in metadata, of which nothing else is read."""
    found: dict[str, str] = {}
    depth: int | None = None
    for line in lines:
        entry = _KEY.fullmatch(line)
        if entry is None:
            continue
        key, value = _unquoted(entry[2].strip()), _unquoted(entry[3] or "")
        if depth is not None and len(entry[1]) > depth and value:
            found[key] = value
        else:
            depth = len(entry[1]) if key == "curie_map" else None
    return found


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text[1:-1]
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    return text


def _expanded(curie: str, prefixes: Mapping[str, str], where: str) -> str:
    curie = curie.strip()
    prefix, colon, local = curie.partition(":")
    if colon and prefix in prefixes:
        return prefixes[prefix] + local
    if colon and (local.startswith("//") or prefix == "urn"):
        return curie
    raise ValueError(
        f"{where} {curie!r} has a prefix that the curie_map lacks; add the line "
        f"`#  {prefix}: IRI` to it, or give full IRIs"
        if colon
        else f"{where} {curie!r} is neither a CURIE nor an IRI"
    )
