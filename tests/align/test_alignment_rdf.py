"""Exports in RDF, as rdflib reads them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdflib import OWL, RDF, SKOS, Graph, Namespace, URIRef

from pyg_ibmea.align import Alignment
from pyg_ibmea.data.readers._rdf_pairs import read_rdf_pairs

OAEI = Namespace("http://knowledgeweb.semanticweb.org/heterogeneity/alignment#")
# rdflib's own reader of JSON-LD uses what rdflib deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")


def alignment_of(sources, targets, confidence=None, pairs=(("k", "l"),), pair=None):
    count = len(sources)
    uris = dict.fromkeys({b for _, b in pairs}, targets) | {"k": sources}
    return Alignment(
        pairs,
        uris,
        source=range(count),
        target=range(count),
        runner_up=[-1] * count,
        score=[0.5] * count,
        margin=[0.0] * count,
        confidence=confidence or [0.5] * count,
        pair=pair or [0] * count,
    )


SOURCES = ["http://k/a#1", "Zürich & <Umland>", "http://k/東京", "_:b0"]
TARGETS = ["http://l/x?y=1&z=2", 'say "so"', "urn:isbn:1", "y"]
CONFIDENCE = [0.95, 0.9, 0.8999, 1.0]
#: As the names become IRIs; the last one is a blank node.
IRIS = [
    ("http://k/a#1", "http://l/x?y=1&z=2"),
    (
        "urn:x-entity:Z%C3%BCrich%20%26%20%3CUmland%3E",
        "urn:x-entity:say%20%22so%22",
    ),
    ("http://k/東京", "urn:isbn:1"),
]


@pytest.fixture
def matches():
    return alignment_of(SOURCES, TARGETS, CONFIDENCE)


def parsed(path):
    form = {".ttl": "turtle", ".jsonld": "json-ld", ".rdf": "xml", ".nt": "nt"}
    return Graph().parse(path, format=form[path.suffix])


@pytest.mark.parametrize("suffix", ["ttl", "jsonld"])
def test_skos_mappings_by_confidence(tmp_path, matches, suffix):
    with pytest.warns(UserWarning, match="left out 1 match about blank nodes"):
        path = matches.save(tmp_path / f"m.{suffix}")
    exact, close = SKOS.exactMatch, SKOS.closeMatch
    expected = {
        (URIRef(a), kind, URIRef(b))
        for (a, b), kind in zip(IRIS, [exact, exact, close], strict=True)
    }
    assert set(parsed(path)) == expected
    with pytest.warns(UserWarning, match="blank"):
        matches.save(path, exact_from=0.95)
    kinds = [kind for _, kind, _ in parsed(path)]
    assert sorted(kinds) == [close, close, exact]


def test_same_as(tmp_path, matches):
    with pytest.warns(UserWarning, match="blank"):
        path = matches.save(tmp_path / "m.nt")
    expected = {(URIRef(a), OWL.sameAs, URIRef(b)) for a, b in IRIS}
    assert set(parsed(path)) == expected


def test_cells_of_the_alignment_format(tmp_path, matches):
    with pytest.warns(UserWarning, match="blank"):
        graph = parsed(matches.save(tmp_path / "m.rdf"))
    (alignment,) = graph.subjects(RDF.type, OAEI.Alignment)
    cells = list(graph.objects(alignment, OAEI.map))
    assert set(cells) == set(graph.subjects(RDF.type, OAEI.Cell))
    found = {
        (
            *(str(graph.value(cell, end)) for end in (OAEI.entity1, OAEI.entity2)),
            graph.value(cell, OAEI.measure).toPython(),
            str(graph.value(cell, OAEI.relation)),
        )
        for cell in cells
    }
    assert found == {
        (*iris, confidence, "=")
        for iris, confidence in zip(IRIS, CONFIDENCE, strict=False)
    }
    ontologies = [graph.value(alignment, end) for end in (OAEI.onto1, OAEI.onto2)]
    assert ontologies == [URIRef("urn:x-entity:k"), URIRef("urn:x-entity:l")]


def test_each_pair_of_graphs_is_an_alignment_of_its_own(tmp_path):
    pairs = [("k", "l"), ("k", "m")]
    matches = alignment_of(["a", "b"], ["x", "y"], pairs=pairs, pair=[0, 1])
    graph = parsed(matches.save(tmp_path / "m.rdf"))
    targets = {
        str(graph.value(alignment, OAEI.onto2)): [
            str(graph.value(cell, OAEI.entity2))
            for cell in graph.objects(alignment, OAEI.map)
        ]
        for alignment in graph.subjects(RDF.type, OAEI.Alignment)
    }
    assert targets == {
        "urn:x-entity:l": ["urn:x-entity:x"],
        "urn:x-entity:m": ["urn:x-entity:y"],
    }


@pytest.mark.parametrize("suffix", ["ttl", "jsonld", "rdf", "nt"])
def test_without_matches(tmp_path, suffix):
    path = alignment_of([], []).save(tmp_path / f"m.{suffix}")
    assert len(parsed(path)) == 0


def test_json_ld_is_json(tmp_path):
    path = alignment_of(["a", "b"], ["x", "y"]).save(tmp_path / "m.jsonld")
    assert len(json.loads(path.read_text(encoding="utf-8"))["@graph"]) == 2


@pytest.mark.parametrize("suffix", ["ttl", "jsonld", "rdf"])
@given(names=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_any_name_is_read_back(tmp_path_factory, suffix, names):
    names = [name for name in names if not name.startswith("_:")] or ["a"]
    matches = alignment_of(names, ["x"] * len(names))
    path = tmp_path_factory.mktemp("rdf") / f"m.{suffix}"
    matches.save(path, exact_from=0.5)
    found = [left for left, _ in read_rdf_pairs(path)]
    assert sorted(found) == sorted(names)
