"""An alignment in RDF: ``owl:sameAs``, SKOS mappings, and the Alignment format of the
Ontology Alignment Evaluation Initiative.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias
from xml.sax.saxutils import quoteattr

from pyg_ibmea.options import EXACT
from pyg_ibmea.rdf_terms import iri_of, iri_term, is_blank, warn_of_blank

Columns: TypeAlias = Mapping[str, list[Any]]
"""Values by name of the column."""

SKOS = "http://www.w3.org/2004/02/skos/core#"
OAEI = "http://knowledgeweb.semanticweb.org/heterogeneity/alignment#"
_SAME_AS = "<http://www.w3.org/2002/07/owl#sameAs>"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XSD = "http://www.w3.org/2001/XMLSchema#"


def mapping_of(confidence: float, exact_from: float) -> str:
    """The SKOS mapping relation of a match, without its prefix.

    Example:
        >>> mapping_of(0.95, 0.9), mapping_of(0.6, 0.9)
        ('exactMatch', 'closeMatch')
    """
    return "exactMatch" if confidence >= exact_from else "closeMatch"


def n_triples(tables: Iterable[Columns]) -> Iterator[str]:
    """``owl:sameAs`` statements, a line each."""
    what = ("owl:sameAs statement", "owl:sameAs statements")
    for source, target, _ in _matches(tables, iri_term, what=what):
        yield f"{source} {_SAME_AS} {target} .\n"


def turtle(tables: Iterable[Columns], exact_from: float = EXACT) -> Iterator[str]:
    """SKOS mappings in Turtle, a line each."""
    yield f"@prefix skos: <{SKOS}> .\n\n"
    for source, target, confidence in _matches(tables, iri_term):
        yield f"{source} skos:{mapping_of(confidence, exact_from)} {target} .\n"


def json_ld(tables: Iterable[Columns], exact_from: float = EXACT) -> Iterator[str]:
    """SKOS mappings in JSON-LD, a line each."""
    terms = {
        name: {"@id": SKOS + name, "@type": "@id"}
        for name in ("exactMatch", "closeMatch")
    }
    yield f'{{"@context": {json.dumps(terms)},\n"@graph": ['
    between = "\n"
    for source, target, confidence in _matches(tables, iri_of):
        node = {"@id": source, mapping_of(confidence, exact_from): target}
        yield between + json.dumps(node, ensure_ascii=False)
        between = ",\n"
    yield "\n]}\n"


def oaei(tables: Iterable[Columns]) -> Iterator[str]:
    """The Alignment format: an ``Alignment`` for each pair of graphs, with a ``Cell``
    for each match whose ``measure`` is the confidence.
    """
    yield '<?xml version="1.0" encoding="utf-8"?>\n'
    yield f'<rdf:RDF xmlns="{OAEI}" xmlns:rdf="{_RDF}" xmlns:xsd="{_XSD}">\n'
    before: tuple[str, str] | None = None
    for source, target, confidence, *graphs in _matches(
        tables, iri_of, "source_graph", "target_graph"
    ):
        if before != (graphs[0], graphs[1]):
            yield _END if before else ""
            before = graphs[0], graphs[1]
            yield "<Alignment>\n<xml>yes</xml>\n<level>0</level>\n<type>**</type>\n"
            for number, graph in enumerate(before, start=1):
                named = f"rdf:about={quoteattr(iri_of(graph))}"
                yield f"<onto{number}><Ontology {named}/></onto{number}>\n"
        one, two = (f"rdf:resource={quoteattr(end)}/>" for end in (source, target))
        yield (
            f"<map><Cell><entity1 {one}<entity2 {two}<relation>=</relation>"
            f'<measure rdf:datatype="{_XSD}float">{confidence:.6f}</measure>'
            "</Cell></map>\n"
        )
    yield f"{_END if before else ''}</rdf:RDF>\n"


_END = "</Alignment>\n"


def _matches(
    tables: Iterable[Columns],
    term: Callable[[str], str],
    *more: str,
    what: tuple[str, str] = ("match", "matches"),
) -> Iterator[Any]:
    """Both ends as terms, the confidence and further columns; none of blank nodes."""
    blank = 0
    for columns in tables:
        sides = columns["source"], columns["target"]
        # An entity may be the target of many, and quoting is slow.
        names = set().union(*sides)
        known = {name: term(name) for name in names if not is_blank(name)}
        further = (columns[name] for name in ("confidence", *more))
        for source, target, *rest in zip(*sides, *further, strict=True):
            if source in known and target in known:
                yield (known[source], known[target], *rest)
            else:
                blank += 1
    warn_of_blank(blank, *what)
