import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.data import read_rdf
from pyg_ibmea.data.readers._rdf_pairs import read_rdf_pairs
from pyg_ibmea.data.readers.rdf import is_rdf
from pyg_ibmea.rdf_terms import is_blank

pyoxigraph = pytest.importorskip("pyoxigraph")

TURTLE = """
@prefix : <urn:> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
:Paris :in :France ; :name "Parijs"@nl ; :people "2102650"^^xsd:integer ;
  owl:sameAs :Q90 ; :mayor [ :name "A\\nB" ] .
:Paris :in :France .
"""


def test_statements_become_triples_and_attributes(tmp_path: Path) -> None:
    (tmp_path / "g.ttl").write_text(TURTLE)
    graph = read_rdf("en", tmp_path / "g.ttl")
    assert graph.relations == ["urn:in", "urn:mayor"]
    assert graph.num_triples == 2
    paris, france, mayor = graph.entities
    assert (paris, france) == ("urn:Paris", "urn:France")
    assert mayor.startswith("_:")
    assert graph.values == ["Parijs", "2102650", "A\nB"]
    assert list(read_rdf_pairs(tmp_path / "g.ttl")) == [("urn:Paris", "urn:Q90")]
    without = read_rdf("en", tmp_path / "g.ttl", exclude=["urn:France"])
    assert "urn:France" not in without.entities


@pytest.mark.parametrize(
    "name", ["g.nt", "g.NT.gz", "g.ttl", "g.rdf", "g.nq", "g.trig", "g.jsonld"]
)
def test_formats_agree(tmp_path: Path, name: str) -> None:
    start = TURTLE.replace("[ :name", ":M").replace(' "A\\nB" ] .', ".")
    (tmp_path / "start.ttl").write_text(start)
    quads = list(pyoxigraph.parse(path=tmp_path / "start.ttl"))
    kind = pyoxigraph.RdfFormat.from_extension(name.split(".")[1].lower())
    content = pyoxigraph.serialize(
        [quad.triple for quad in quads] if kind.name != "N-Quads" else quads,
        format=kind,
    )
    if name.endswith(".gz"):
        content = gzip.compress(content)
    (tmp_path / name).write_bytes(content)
    first, second = (read_rdf("en", tmp_path / n) for n in ("start.ttl", name))
    assert sorted(first.entities) == sorted(second.entities)
    assert first.num_triples == second.num_triples
    assert first.values == second.values


def test_errors_name_file_and_line(tmp_path: Path) -> None:
    for name, text, message in [
        ("g.nt", "<urn:a> <urn:b> <urn:c> .\n<urn:a> <urn:b> .\n", "line 2"),
        ("g.nt", "", "holds no statement"),
        ("g.nt.gz", "no gzip", "cannot be read as RDF"),
        ("g.docx", "x", "the suffix must be one of .nt"),
    ]:
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match=message) as error:
            read_rdf("en", tmp_path / name)
        assert name in str(error.value)
    with pytest.raises(FileNotFoundError, match="no file"):
        read_rdf("en", tmp_path / "none.nt")


def test_suffixes() -> None:
    assert is_rdf("a/b.TTL.gz")
    assert not is_rdf("a/b.tsv.gz")


@given(
    content=st.binary(max_size=120),
    name=st.sampled_from(["g.nt", "g.ttl", "g.rdf", "g.jsonld"]),
)
def test_any_bytes_give_a_graph_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_bytes(content)
    try:
        graph = read_rdf("en", path)
    except ValueError as raised:
        message = str(raised)
        assert str(path) in message
    else:
        assert graph.num_nodes > 0


BLANK = """@prefix : <urn:> .
:Paris :mayor [ :name "A" ; :born [ :year 1 ] ] . _:x :in :Paris . :Rome :near _:x .
[] :in :Rome .
"""


def test_blank_nodes_are_the_same_in_every_reading(tmp_path: Path) -> None:
    path = tmp_path / "g.ttl"
    path.write_text(BLANK)
    first, second = (read_rdf("en", path) for _ in range(2))
    assert first.entities == second.entities
    assert first.triples.tolist() == second.triples.tolist()
    blank = [name for name in first.entities if name.startswith("_:")]
    assert len(set(blank)) == 4
    assert all(map(is_blank, blank))
    (tmp_path / "copy.ttl").write_text(BLANK)
    assert read_rdf("en", tmp_path / "copy.ttl").entities == first.entities
    # A blank node of another file is another one.
    path.write_text(f"{BLANK}:a :b :c .")
    others = read_rdf("en", path).entities
    assert not set(blank) & set(others)
    assert len(others) == len(first.entities) + 2


def test_json_ld_has_its_context_with_it(tmp_path: Path) -> None:
    path = tmp_path / "g.jsonld"
    path.write_text('{"@context": {"@vocab": "urn:"}, "@id": "urn:a", "age": 7}')
    graph = read_rdf("en", path)
    assert (graph.entities, graph.values) == (["urn:a"], ["7"])
    path.write_text('{"@context": "http://x/c.jsonld", "@id": "urn:a", "age": 7}')
    with pytest.raises(ValueError, match=r"g\.jsonld has a context that is elsewhere"):
        read_rdf("en", path)
    path.write_text('{"@context": {"@vocab": "urn:"},\n"@id": "urn:a", "age": 7')
    with pytest.raises(ValueError, match=r"g\.jsonld, line 2: "):
        read_rdf("en", path)
