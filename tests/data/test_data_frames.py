import pandas
import pyarrow
import pytest

from pyg_ibmea.data import from_frames, read_tables
from pyg_ibmea.data.data_frames import LABEL, pairs_of_frame
from pyg_ibmea.data.knowledge_graph import KnowledgeGraph


def facts(graph: KnowledgeGraph) -> set[tuple[str, str, str]]:
    assert graph.attributes is not None
    assert graph.values is not None
    return {
        (graph.entities[node], graph.attribute_names[kind], value)
        for (node, kind), value in zip(
            graph.attributes.t().tolist(), graph.values, strict=True
        )
    }


def triples(graph: KnowledgeGraph) -> set[tuple[str, str, str]]:
    names, kinds = graph.entities, graph.relations
    return {(names[h], kinds[r], names[t]) for h, r, t in graph.triples.tolist()}


@pytest.fixture
def films() -> pandas.DataFrame:
    return pandas.DataFrame(
        {
            "key": ["f1", "f2", "f3"],
            "title": ["Alien", ["Brazil", "Brasil"], None],
            "year": [1979, None, 1982],
            "released": pandas.to_datetime(["1979-05-25", None, "1982-06-25"]),
            "genres": [["horror", "sci-fi"], [], ["sci-fi"]],
            "sequel": ["f9", None, None],
        }
    )


def test_a_row_is_an_entity_and_a_column_an_attribute(films: pandas.DataFrame) -> None:
    graph = from_frames("films", films, id="key", relations=["sequel"])
    assert graph.entities == ["f1", "f2", "f3", "f9"]
    assert triples(graph) == {("f1", "sequel", "f9")}
    assert facts(graph) == {
        ("f1", LABEL, "Alien"),
        ("f1", "year", "1979"),
        ("f1", "released", "1979-05-25"),
        ("f1", "genres", "horror"),
        ("f1", "genres", "sci-fi"),
        ("f2", LABEL, "Brazil"),
        ("f2", LABEL, "Brasil"),
        ("f3", "year", "1982"),
        ("f3", "released", "1982-06-25"),
        ("f3", "genres", "sci-fi"),
    }


def test_an_arrow_table_gives_the_same(films: pandas.DataFrame) -> None:
    films["title"] = ["Alien", "Brazil", None]
    table = pyarrow.Table.from_pandas(films)
    frames = films, table
    one, other = (from_frames("f", frame, id="key") for frame in frames)
    assert one.entities == other.entities
    assert facts(one) == facts(other)


def test_where_the_names_of_entities_come_from(films: pandas.DataFrame) -> None:
    rows = from_frames("films", films)
    assert rows.entities == ["0", "1", "2"]
    assert ("0", "key", "f1") in facts(rows)
    assert from_frames("f", films.set_index("key")).entities == ["f1", "f2", "f3"]
    numbered = films.rename(columns={"key": "ID"})
    assert from_frames("f", numbered).entities == ["f1", "f2", "f3"]
    # What is asked for comes before what is usual.
    assert from_frames("f", numbered.set_index("year"), id="ID").entities == [
        *("f1", "f2", "f3")
    ]


def test_the_label_and_the_columns_that_are_asked_for(films: pandas.DataFrame) -> None:
    graph = from_frames("films", films, id="key", label="genres", columns=["title"])
    assert {kind for _, kind, _ in facts(graph)} == {LABEL, "title"}
    assert ("f2", "title", "Brazil") in facts(graph)
    none = from_frames("films", films[["key", "year"]], id="key", columns=[])
    assert none.attributes is None
    assert none.entities == ["f1", "f2", "f3"]


def test_triples_and_attributes_are_those_of_tables(tmp_path) -> None:
    # The reader of files is the oracle.
    frames = {
        "triples": {"object": ["x", "a"], "subject": ["a", "b"], "p": ["in", "by"]},
        "attributes": {"e": ["a", "b"], "k": ["age", "age"], "v": [7, None]},
    }
    frames["triples"]["predicate"] = frames["triples"].pop("p")
    (tmp_path / "t.csv").write_text("object,subject,predicate\nx,a,in\na,b,by\n")
    (tmp_path / "a.csv").write_text("a,age,7\nb,age,\n")
    expected = read_tables("g", tmp_path / "t.csv", tmp_path / "a.csv")
    graph = from_frames("g", **frames)
    assert graph.entities == expected.entities
    assert triples(graph) == triples(expected)
    assert facts(graph) == facts(expected)


def test_columns_of_triples_by_their_places() -> None:
    unnamed = pandas.DataFrame([["a", "in", "b"], ["b", "in", 3]])
    assert triples(from_frames("g", triples=unnamed)) == {
        ("a", "in", "b"),
        ("b", "in", "3"),
    }
    edges = pandas.DataFrame([["a", "b"]])
    assert triples(from_frames("g", triples=edges)) == {("a", "related", "b")}


def test_pairs() -> None:
    assert pairs_of_frame(pandas.DataFrame([["a", 1]])) == [("a", "1")]
    frame = pandas.DataFrame({"score": [0.5], "right": ["x"], "left": ["a"]})
    assert pairs_of_frame(frame) == [("a", "x")]
    with pytest.raises(ValueError, match="row 1: 'left' has a missing value"):
        pairs_of_frame({"left": ["a", None], "right": ["x", "y"]})


def test_errors_say_which_row_and_what_to_do(films: pandas.DataFrame) -> None:
    films.loc[2, "key"] = "f1"
    with pytest.raises(ValueError, match="rows 0 and 2: column 'key' has 'f1' twice"):
        from_frames("films", films, id="key")
    with pytest.raises(ValueError, match="the index has 'f1' twice"):
        from_frames("films", films.set_index("key"))
    films.loc[2, "key"] = None
    with pytest.raises(ValueError, match="row 2: column 'key' must name the entity"):
        from_frames("films", films, id="key")
    with pytest.raises(ValueError, match=r"no column 'isbn' \(id\); its columns"):
        from_frames("films", films, id="isbn")
    with pytest.raises(ValueError, match=r"no column 'plot' \(columns\)"):
        from_frames("films", films, columns=["plot"])
    with pytest.raises(TypeError, match=r"write \['sequel'\]"):
        from_frames("films", films, relations="sequel")
    with pytest.raises(ValueError, match="several levels; say with id"):
        from_frames("films", films.set_index(["key", "year"]))
    with pytest.raises(ValueError, match="needs a frame of entities"):
        from_frames("films")
    with pytest.raises(ValueError, match="row 0: 'tail' has several values"):
        from_frames("g", triples={"head": ["a"], "tail": [["b", "c"]]})
    with pytest.raises(ValueError, match="must have the columns head, relation, tail"):
        from_frames("g", triples={"a": ["b"]})
