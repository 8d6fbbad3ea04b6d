"""GraphML; NetworkX writes it, and its own reader says what is in it."""

import gzip
from pathlib import Path

import networkx
import pytest

from pyg_ibmea.data import from_networkx, read_graphml
from pyg_ibmea.data.features.literals import names_of
from pyg_ibmea.datasets import GraphFiles

START = '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'


def statements(graph):
    names, kinds = graph.entities, graph.relations
    triples = {(names[h], kinds[r], names[t]) for h, r, t in graph.triples.tolist()}
    facts = set()
    if graph.attributes is not None:
        facts = {
            (names[node], graph.attribute_names[kind], value)
            for (node, kind), value in zip(
                graph.attributes.t().tolist(), graph.values, strict=True
            )
        }
    return triples, facts


def test_equals_the_graph_that_networkx_reads(tmp_path: Path) -> None:
    graph = networkx.MultiDiGraph()
    graph.add_node("Zürich", label="Zürich <Stadt> & Kanton", people=443037)
    graph.add_node("alone", area=1.5, open=True)
    graph.add_edge("Zürich", "巴黎", relation="twin of")
    graph.add_edge("Zürich", "巴黎", relation="far from")
    graph.add_edge("巴黎", "巴黎")
    for path in (tmp_path / "g.graphml", tmp_path / "g.graphml.gz"):
        networkx.write_graphml(graph, path)
        read = networkx.read_graphml(path, force_multigraph=True)
        # A relation without a name; NetworkX takes numbers of edges for keys.
        expected = from_networkx("g", read)
        found = read_graphml("g", path)
        assert found.entities == expected.entities
        triples, facts = statements(found)
        values, relations = {"True": "true"}, {"0": "related", "1": "related"}
        assert triples == {
            (h, relations.get(r, r), t) for h, r, t in statements(expected)[0]
        }
        low = {(e, a, v.lower()) for e, a, v in facts}
        assert low == {
            (e, a, values.get(v, v).lower()) for e, a, v in statements(expected)[1]
        }
    assert names_of(found) == {"Zürich": "Zürich <Stadt> & Kanton"}
    files = GraphFiles.parse(["g", f"graphml={path}"])
    assert statements(files.read()) == statements(found)
    assert "alone" not in read_graphml("g", path, ["alone"]).entities


def test_what_neo4j_and_yed_write(tmp_path: Path) -> None:
    path = tmp_path / "g.graphml"
    path.write_text(
        f"""{START}
        <key id="name" for="node" attr.name="name" attr.type="string"/>
        <key id="k" for="node" attr.name="kind"><default>person</default></key>
        <key id="d6" for="node" yfiles.type="nodegraphics"/>
        <graph id="G" edgedefault="directed">
        <node id="n0" labels=":Person"><data key="name">Ada</data></node>
        <node id="n1"><data key="k">city</data><data key="d6">
          <y:ShapeNode xmlns:y="http://www.yworks.com/xml/graphml">
            <y:Geometry height="3"/><y:NodeLabel>London</y:NodeLabel>
          </y:ShapeNode></data></node>
        <edge id="e0" source="n0" target="n1" label="LIVES_IN"/>
        <edge id="e1" source="n0" target="n1"><data key="label">BORN_IN</data></edge>
        </graph></graphml>"""
    )
    triples, facts = statements(read_graphml("g", path))
    assert triples == {("n0", "LIVES_IN", "n1"), ("n0", "BORN_IN", "n1")}
    assert facts == {
        ("n0", "name", "Ada"),
        ("n0", "kind", "person"),
        ("n1", "kind", "city"),
        ("n1", "label", "London"),
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: no element found"),
        (START + "\n<graph><node id='a'/>\n</graphml>", "line 3: mismatched tag"),
        ("<gexf/>", "begins with <gexf> and not with <graphml>"),
        (START + "<graph><node name='x'/></graph></graphml>", 'a node .name="x". has'),
        (START + "<graph><edge source='a'/></graph></graphml>", "has no target"),
        (START + "<graph><hyperedge/></graph></graphml>", "has hyperedges"),
        ('<!DOCTYPE x [<!ENTITY a "&b;">]>' + START, "declares an entity that holds"),
    ],
)
def test_errors_say_what_and_where(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "g.graphml"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        read_graphml("g", path)
    assert str(error.value).startswith(str(path))
    packed = tmp_path / "h.graphml.gz"
    packed.write_bytes(gzip.compress(content.encode()))
    with pytest.raises(ValueError, match=message):
        read_graphml("g", packed)
