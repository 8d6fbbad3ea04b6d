"""An alignment in SSSOM, the Simple Standard for Sharing Ontological Mappings."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any, TextIO
from uuid import NAMESPACE_URL, uuid5

from pyg_ibmea.align._alignment_rdf import SKOS, Columns, mapping_of
from pyg_ibmea.options import EXACT
from pyg_ibmea.rdf_terms import MINTED, iri_of, is_blank, warn_of_blank

Labels = Mapping[str, Mapping[str, str]]
"""By graph, the label of an entity by its URI."""

COLUMNS = (
    *("subject_id", "subject_label", "predicate_id", "object_id", "object_label"),
    *("mapping_justification", "confidence", "similarity_score"),
    *("subject_source", "object_source", "other"),
)
_SEMAPV = "https://w3id.org/semapv/vocab/"
# Names, structure, values and images decide together.
_JUSTIFICATION = "semapv:CompositeMatching"
_OBO = re.compile(r"(http://purl\.obolibrary\.org/obo/([A-Z][A-Za-z]*)_)(.+)")
_LAST = re.compile(r"(.*[/#:])(.+)", re.DOTALL)
_HOST = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*:(?://[^/]*/)?)(.+)", re.DOTALL)
_MOST_NAMESPACES = 100


def write_sssom(
    file: TextIO,
    tables: Callable[[], Iterable[Columns]],
    labels: Labels | None = None,
    exact_from: float = EXACT,
    comment: str = "",
) -> None:
    """Writes SSSOM/TSV with its metadata in the lines before the table.

    Args:
        file: Where to write.
        tables: Gives the matches some rows at a time, as often as it is called: the
            prefixes of all rows come before the first.
        labels: What entities are called.
        exact_from: The confidence from which a match is exact.
        comment: A sentence about all matches.
    """
    names: set[str] = set()
    checksum = sha256()
    for columns in tables():
        for name in ("source", "target", "source_graph", "target_graph"):
            checksum.update(json.dumps(columns[name]).encode())
        checksum.update(json.dumps(columns["confidence"]).encode())
        for name in ("source", "target", "source_graph", "target_graph"):
            names.update(columns[name])
    names = {name for name in names if not is_blank(name)}
    curies = _Curies(iri_of(name) for name in sorted(names))
    identity = uuid5(NAMESPACE_URL, checksum.hexdigest())
    about = {
        "license": "https://w3id.org/sssom/license/unspecified",
        "mapping_set_id": f"https://w3id.org/sssom/mappings/{identity}",
        "mapping_tool": "pyg_ibmea",
        "mapping_tool_version": sys.modules["pyg_ibmea"].__version__,
        **({"comment": comment} if comment else {}),
    }
    file.write("#curie_map:\n")
    for prefix, namespace in curies.prefixes.items():
        file.write(f"#  {prefix}: {json.dumps(namespace, ensure_ascii=False)}\n")
    for key, value in about.items():
        file.write(f"#{key}: {json.dumps(value, ensure_ascii=False)}\n")
    writer = csv.writer(file, delimiter="\t", lineterminator="\n")
    writer.writerow(COLUMNS)
    blank = 0
    known: dict[str, str] = {name: curies.of(iri_of(name)) for name in names}
    for columns in tables():
        for row in zip(*columns.values(), strict=True):
            match: dict[str, Any] = dict(zip(columns, row, strict=True))
            if match["source"] in known and match["target"] in known:
                writer.writerow(_fields(match, known, labels or {}, exact_from))
            else:
                blank += 1
    warn_of_blank(blank, "match", "matches")


def _fields(
    match: Mapping[str, Any], known: Mapping[str, str], labels: Labels, least: float
) -> list[str]:
    ends = [match["source"], match["target"]]
    graphs = [match["source_graph"], match["target_graph"]]
    called = [
        " ".join(labels.get(graph, {}).get(end, "").split())
        for graph, end in zip(graphs, ends, strict=True)
    ]
    score = match["score"]
    return [
        known[ends[0]],
        called[0],
        f"skos:{mapping_of(match['confidence'], least)}",
        known[ends[1]],
        called[1],
        _JUSTIFICATION,
        f"{match['confidence']:.6f}",
        # A score beyond 1 is no similarity in the sense of the standard.
        f"{score:.6f}" if 0 <= score <= 1 else "",
        *(known.get(graph, "") for graph in graphs),
        f"score {score:.6f}, margin {match['margin']:.6f}",
    ]


class _Curies:
    """Compact forms of IRIs, with the prefixes that they take."""

    def __init__(self, iris: Iterable[str]) -> None:
        self.prefixes = {"semapv": _SEMAPV, "skos": SKOS}
        self._by_namespace = {MINTED: "x-entity"}
        iris = list(iris)
        found = {_parts(iri, _LAST)[0] for iri in iris}
        # Namespaces as numerous as entities are none.
        self._split = _LAST if len(found) <= _MOST_NAMESPACES else _HOST
        for namespace in sorted({_parts(iri, self._split)[0] for iri in iris}):
            obo = _OBO.fullmatch(f"{namespace}x")
            if namespace not in self._by_namespace:
                number = len(self._by_namespace)
                self._by_namespace[namespace] = obo[2] if obo else f"ns{number}"
            self.prefixes[self._by_namespace[namespace]] = namespace

    def of(self, iri: str) -> str:
        namespace, local = _parts(iri, self._split)
        return f"{self._by_namespace[namespace]}:{local}"


def _parts(iri: str, split: re.Pattern[str]) -> tuple[str, str]:
    if iri.startswith(MINTED):
        return MINTED, iri.removeprefix(MINTED)
    for pattern in (_OBO, split, _HOST):
        found = pattern.fullmatch(iri)
        if found:
            return found[1], found[found.re.groups]
    raise AssertionError(f"{iri} is no absolute IRI")
