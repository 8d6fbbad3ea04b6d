from pathlib import Path

import pytest
from rdflib import BNode, Graph, Literal, Namespace, URIRef

from pyg_ibmea.data.readers._rdf_pairs import read_rdf_pairs
from pyg_ibmea.data.readers.link_tables import read_pairs

#: As the campaigns publish it: entities of their own, no "#" after the namespace.
OLD = """\
<?xml version="1.0" encoding="utf-8" standalone="no"?>
<rdf:RDF xmlns="http://knowledgeweb.semanticweb.org/heterogeneity/alignment"
  xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
  xmlns:xsd="http://www.w3.org/2001/XMLSchema#">
<Alignment>
  <xml>yes</xml>
  <map>
    <Cell>
      <entity1 rdf:resource="http://mouse.owl#MA_0002401"/>
      <entity2 rdf:resource="http://human.owl#NCI_C52561"/>
      <measure rdf:datatype="xsd:float">1.0</measure>
      <relation>=</relation>
    </Cell>
  </map>
  <map>
    <Cell>
      <entity1 rdf:resource="http://mouse.owl#MA_1"/>
      <entity2 rdf:resource="http://human.owl#NCI_2"/>
      <relation>&lt;</relation>
    </Cell>
  </map>
</Alignment>
</rdf:RDF>
"""


def test_cells_that_are_equal(tmp_path: Path) -> None:
    path = tmp_path / "reference.rdf"
    path.write_text(OLD)
    pair = ("http://mouse.owl#MA_0002401", "http://human.owl#NCI_C52561")
    assert list(read_pairs(path)) == [pair]
    path.write_text(OLD.replace("heterogeneity/alignment", "heterogeneity/alignment#"))
    assert list(read_pairs(path)) == [pair]
    path.write_text(OLD.replace("<relation>=</relation>", ""))
    assert list(read_pairs(path)) == [pair]


@pytest.mark.parametrize("form", ["turtle", "xml", "json-ld"])
def test_all_ways_to_say_it_in_any_order(tmp_path: Path, form: str) -> None:
    lines = [
        "http://www.w3.org/2002/07/owl#sameAs",
        "http://www.w3.org/2004/02/skos/core#exactMatch",
        "http://www.w3.org/2002/07/owl#equivalentClass",
        "http://www.w3.org/2004/02/skos/core#closeMatch",
    ]
    graph, cell = Graph(), BNode()
    for number, predicate in enumerate(lines):
        ends = (URIRef(f"http://x/{side}{number}") for side in "ab")
        source, target = ends
        graph.add((source, URIRef(predicate), target))
    oaei = Namespace("http://knowledgeweb.semanticweb.org/heterogeneity/alignment#")
    graph.add((cell, oaei.relation, Literal("=")))
    graph.add((cell, oaei.entity2, URIRef("http://x/b9")))
    graph.add((cell, oaei.entity1, URIRef("http://x/a9")))
    suffix = {"turtle": "ttl", "xml": "rdf", "json-ld": "jsonld"}[form]
    path = tmp_path / f"pairs.{suffix}"
    graph.serialize(path, format=form)
    expected = [
        (f"http://x/a{number}", f"http://x/b{number}") for number in (0, 1, 2, 9)
    ]
    assert sorted(read_rdf_pairs(path)) == expected


def test_a_cell_without_an_entity_is_named(tmp_path: Path) -> None:
    path = tmp_path / "reference.rdf"
    path.write_text(OLD.replace('<entity2 rdf:resource="http://human.owl#NCI_2"/>', ""))
    with pytest.raises(ValueError, match=r"cell 2 has no entity2 \(http://mouse"):
        list(read_rdf_pairs(path))
