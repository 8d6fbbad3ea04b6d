import re
from itertools import permutations
from pathlib import Path

import pytest
from torch_geometric.testing import withPackage

from pyg_ibmea.data import read_tables
from pyg_ibmea.data.readers._headers import ALIASES
from pyg_ibmea.data.readers._rows import first_row
from pyg_ibmea.data.readers.link_tables import read_pairs
from pyg_ibmea.data.readers.name_files import NAMES
from pyg_ibmea.data.readers.tables import FACTS, TRIPLES
from pyg_ibmea.datasets import GraphFiles
from pyg_ibmea.datasets._understood import first_rows

ROW = ("Louvre", "in", "Paris")


@pytest.mark.parametrize(
    "header",
    [
        "subject predicate object",
        "from_node rel to_node",
        "from rel to",
        "source relation target",
        "head relation tail",
        "node1 edge node2",
        "Start_ID TYPE End_ID",
        "Subject-ID Predicate-ID Object-ID",
    ],
)
@pytest.mark.parametrize("order", [*permutations(range(3))])
@pytest.mark.parametrize("suffix", [".tsv", ".csv"])
def test_usual_headers_in_any_order(tmp_path: Path, header, order, suffix) -> None:
    names = header.split()
    rows = [[names[i] for i in order], [ROW[i] for i in order]]
    path = tmp_path / f"triples{suffix}"
    sign = "," if suffix == ".csv" else "\t"
    path.write_text("".join(sign.join(row) + "\n" for row in rows))
    graph = read_tables("en", triples=path)
    assert graph.entities == ["Louvre", "Paris"]
    assert graph.relations == ["in"]
    assert graph.triples.tolist() == [[0, 0, 1]]
    assert first_row(path, *TRIPLES) is None


@pytest.mark.parametrize(
    "header", ["entity attribute value", "Subject Predicate Object", "id property val"]
)
def test_headers_of_attributes(tmp_path: Path, header: str) -> None:
    path = tmp_path / "attributes.tsv"
    path.write_text("\t".join(header.split()) + "\nParis\tsize\t105\n")
    graph = read_tables("en", attributes=path)
    assert (graph.entities, graph.attribute_names, graph.values) == (
        ["Paris"], ["size"], ["105"],
    )  # fmt: skip


@pytest.mark.parametrize("header", ["Source Target", "left right", "ENTITY_1 entity_2"])
def test_headers_of_links(tmp_path: Path, header: str) -> None:
    path = tmp_path / "links.tsv"
    path.write_text("\t".join(header.split()) + "\na\tb\n")
    assert list(read_pairs(path)) == [("a", "b")]


def test_what_is_no_header_is_shown_as_it_was_understood(tmp_path: Path) -> None:
    path = tmp_path / "triples.tsv"
    path.write_text("who\tdoes\twhat\nLouvre\tin\tParis\n")
    assert first_row(path, *TRIPLES) == {
        "head": "who", "relation": "does", "tail": "what",
    }  # fmt: skip
    assert len(read_tables("en", triples=path).entities) == 4
    path.write_text("Louvre\tbuilt\n")
    assert first_row(path, *FACTS) == {"entity": "Louvre", "attribute": "built"}


def test_the_first_row_of_names_is_shown(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("head\ttail\na\tb\n")
    names = tmp_path / "n.csv"
    names.write_text("what,called\na,Anna\n")
    files = [GraphFiles("en", triples=tmp_path / "t.tsv", names=names)]
    assert first_rows(files, []) == [
        f"{names}: no header recognised; the first row is entity 'what', name 'called'"
    ]
    names.write_text("called;id,label,id\n;,Anna,a\n")
    assert first_rows(files, []) == []


@withPackage("pyarrow")
def test_columns_of_parquet_that_are_not_recognised_are_named(tmp_path: Path) -> None:
    from pyarrow import parquet, table

    path = tmp_path / "t.parquet"
    parquet.write_table(table({"who": ["a"], "does": ["r"], "what": ["b"]}), path)
    with pytest.raises(ValueError, match="head, tail; it has who, does, what"):
        read_tables("en", triples=path)
    files = [GraphFiles("en", triples=path)]
    assert first_rows(files, []) == []  # Reading says what is wrong.


def test_an_entity_of_a_list_may_be_called_node(tmp_path: Path) -> None:
    path = tmp_path / "entities.tsv"
    path.write_text("node\nitem\n")
    assert read_tables("en", entities=path).entities == ["node", "item"]
    path.write_text("URI\nnode\n")
    assert read_tables("en", entities=path).entities == ["node"]


@pytest.mark.parametrize(
    "layout", [*TRIPLES, *FACTS, ("source", "target"), ("entity", "file"), *NAMES]
)
def test_no_name_means_two_columns_of_a_layout(layout) -> None:
    names = [name for column in layout for name in ALIASES[column].split()]
    assert len(names) == len(set(names))
    assert all(re.fullmatch("[a-z0-9:]+", name) for name in names)
