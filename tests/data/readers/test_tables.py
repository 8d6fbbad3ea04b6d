import csv
import gzip
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.data import read_folder, read_tables, write_tables
from pyg_ibmea.data.builder import GraphBuilder
from pyg_ibmea.data.readers.tables import find_table

ROWS = [("Paris", "in", "France"), ("Seine", "through", "Paris"), ("ö, ü", "in", '"')]
# Any text that is not only white space; text files cannot hold surrogates.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NAME = TEXT.filter(str.strip)


def written(folder: Path, name: str, rows: list[tuple[str, ...]]) -> Path:
    """The rows in the format that the name asks for."""
    path = folder / name
    if name.endswith(".parquet"):
        import pyarrow
        from pyarrow import parquet

        header, *rest = rows
        columns = dict(zip(header, map(list, zip(*rest, strict=True)), strict=True))
        parquet.write_table(pyarrow.table(columns), path)
        return path
    opened = gzip.open if name.endswith(".gz") else open
    with opened(path, "wt", encoding="utf-8", newline="") as file:
        if ".csv" in name:
            csv.writer(file).writerows(rows)
        else:
            file.writelines("\t".join(row) + "\n" for row in rows)
    return path


@pytest.mark.parametrize(
    "name", ["t.tsv", "t", "t.txt.gz", "t.csv", "t.csv.gz", "t.parquet", "t.TSV"]
)
def test_every_format_gives_the_same_graph(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name, [("head", "relation", "tail"), *ROWS])
    graph = read_tables("en", path)
    assert graph.entities == ["Paris", "France", "Seine", "ö, ü", '"']
    assert graph.relations == ["in", "through"]
    assert graph.triples.tolist() == [[0, 0, 1], [2, 1, 0], [3, 0, 4]]


def test_header_or_none_other_orders_and_columns(tmp_path: Path) -> None:
    plain = read_tables("en", written(tmp_path, "a.tsv", ROWS))
    rows = [
        ("Tail", "note", "HEAD ", "relation"),
        *((t, "x", h, r) for h, r, t in ROWS),
    ]
    turned = read_tables("en", written(tmp_path, "b.csv", rows))
    assert plain.entities == turned.entities
    assert plain.triples.tolist() == turned.triples.tolist()
    edges = [(h, t) for h, _, t in ROWS]
    for name, header in [("c.tsv", []), ("d.tsv", [("head", "tail")])]:
        graph = read_tables("en", written(tmp_path, name, [*header, *edges]))
        assert graph.relations == ["related"]
        assert graph.entities == plain.entities


def test_attributes_entities_exclude_and_repeats(tmp_path: Path) -> None:
    facts = [("Paris", "age", "9"), ("Paris", "age", "9"), ("Rome", "age", "")]
    graph = read_tables(
        "en",
        written(tmp_path, "t.tsv", [*ROWS, ROWS[0]]),
        written(tmp_path, "a.tsv", facts),
        written(tmp_path, "e.tsv", [("Rome",), ("Oslo",)]),
        written(tmp_path, "x.tsv", [("Seine",)]),
    )
    assert graph.entities == ["Rome", "Oslo", "Paris", "France", "ö, ü", '"']
    assert graph.triples.tolist() == [[2, 0, 3], [4, 0, 5]]
    assert graph.attributes is not None
    assert graph.attributes.tolist() == [[2, 0], [0, 0]]
    assert graph.values == ["9", ""]
    two = read_tables("en", attributes=written(tmp_path, "b.tsv", [("Rome", "age")]))
    assert two.values == [""]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.tsv", b"", "t.tsv is empty"),
        ("t.csv", b"\n \n", "t.csv is empty"),
        ("t.tsv", b"a\tb\tc\na\tb\n", "line 2: expected 3 fields as in the first row"),
        ("t.tsv", b"a\n", "line 1: expected head, relation, tail or head, tail, got 1"),
        ("t.tsv", b"a\tb\tc\n\na\t \tc\n", "line 3: the relation is empty"),
        ("t.tsv", b"a\tb\tc\n\xff\tb\tc\n", "line 2: byte 0xff is not UTF-8"),
        ("t.csv", b'a,b,c\n"a,b,c\n', "line 2: unexpected end of data"),
        ("t.tsv.gz", b"no gzip", "cannot be read: Not a gzipped file"),
        ("t.tsv.gz", gzip.compress(b"a\tb\tc\n" * 99, mtime=0)[:-9], "cannot be read"),
        ("t.parquet", b"PAR1", "cannot be read as Parquet"),
    ],
)
def test_errors_say_where(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_tables("en", tmp_path / name)
    assert str(tmp_path / name) in str(error.value)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file nowhere"):
        read_tables("en", "nowhere")
    with pytest.raises(ValueError, match="'en' needs a table"):
        read_tables("en")
    with pytest.raises(FileNotFoundError, match="holds no table of triples"):
        read_folder("en", tmp_path)
    header = [("a", "b"), ("1", "2")]
    with pytest.raises(ValueError, match="needs the columns head, relation, tail or"):
        read_tables("en", written(tmp_path, "t.parquet", header))
    written(tmp_path, "t.csv", ROWS)
    with pytest.raises(ValueError, match=r"several tables of t: t\.csv, t\.parquet"):
        find_table(tmp_path, "t")


graphs = st.builds(
    lambda triples, facts: (triples, facts),
    st.lists(st.tuples(NAME, NAME, NAME), min_size=1, max_size=6, unique=True),
    st.lists(st.tuples(NAME, NAME, TEXT), max_size=4, unique=True),
)


@given(graphs)
def test_round_trip_whatever_the_names(
    tmp_path_factory: pytest.TempPathFactory, statements
) -> None:
    builder = GraphBuilder("en")
    for triple in statements[0]:
        builder.add_triple(*triple)
    for fact in statements[1]:
        builder.add_attribute(*fact)
    graph = builder.build()
    folder = tmp_path_factory.mktemp("graph")
    write_tables(graph, folder)
    again = read_folder("en", folder)
    assert again.entities == graph.entities
    assert again.relations == graph.relations
    assert torch.equal(again.triples, graph.triples)
    assert again.values == graph.values
    assert again.attribute_names == graph.attribute_names


@given(
    content=st.binary(max_size=200), name=st.sampled_from(["t.tsv", "t.csv", "t.gz"])
)
def test_any_bytes_give_a_graph_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_bytes(content)
    try:
        graph = read_tables("en", path)
    except ValueError as raised:
        message = str(raised)
        assert str(path) in message
        return
    finally:
        assert path.read_bytes() == content
    assert graph.num_triples > 0
