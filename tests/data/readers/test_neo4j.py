import csv
import gzip
import json
from pathlib import Path

import pytest

from pyg_ibmea.data import read_neo4j
from pyg_ibmea.data.features.literals import names_of
from pyg_ibmea.datasets import GraphFiles

PERSONS = """\
personId:ID(Person),name:string,born:date,tags:string[],note:IGNORE,:LABEL
1,"Lovelace, Ada",1815-12-10,math;poetry,x,Person;Countess
2,Charles,,,,Person
"""
CITIES = ":ID(City){id-type: long},name,schema:area,:LABEL\n1,London,1572,City\n"
LIVES = """\
:START_ID(Person),since:int,:END_ID(City),:TYPE
1,1835,1,LIVES_IN
2,,1,LIVES_IN
"""
TRIPLES = {
    ("Person/1", "LIVES_IN", "City/1"),
    ("Person/2", "LIVES_IN", "City/1"),
}
FACTS = {
    ("Person/1", "label of the node", "Person"),
    ("Person/1", "label of the node", "Countess"),
    ("Person/1", "name", "Lovelace, Ada"),
    ("Person/1", "born", "1815-12-10"),
    ("Person/1", "tags", "math"),
    ("Person/1", "tags", "poetry"),
    ("Person/2", "label of the node", "Person"),
    ("Person/2", "name", "Charles"),
    ("City/1", "label of the node", "City"),
    ("City/1", "name", "London"),
    ("City/1", "schema:area", "1572"),
}


def statements(graph):
    names, kinds = graph.entities, graph.relations
    triples = {(names[h], kinds[r], names[t]) for h, r, t in graph.triples.tolist()}
    facts = {
        (names[node], graph.attribute_names[kind], value)
        for (node, kind), value in zip(
            graph.attributes.t().tolist(), graph.values, strict=True
        )
    }
    return triples, facts


def test_files_for_the_import_of_neo4j(tmp_path: Path) -> None:
    # The relationships come first in the folder, and the nodes keep their order.
    (tmp_path / "a_lives.csv").write_text(LIVES)
    (tmp_path / "b_persons.csv.gz").write_bytes(gzip.compress(PERSONS.encode()))
    (tmp_path / "c_cities.csv").write_text(CITIES)
    (tmp_path / "readme.txt").write_text("not a table")
    graph = read_neo4j("g", tmp_path)
    assert graph.entities == ["Person/1", "Person/2", "City/1"]
    assert statements(graph) == (TRIPLES, FACTS)
    assert names_of(graph)["City/1"] == "London"
    files = GraphFiles.parse(["g", f"neo4j={tmp_path}"])
    assert statements(files.read()) == statements(graph)
    assert "City/1" not in read_neo4j("g", tmp_path, ["City/1"]).entities


def test_one_file_of_apoc_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    header = ["_id", "_labels", "name", "born", "tags", "schema:area"]
    header += ["_start", "_end", "_type", "since"]
    nodes = {entity for entity, _, _ in FACTS}
    with path.open("w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(header)
        for node in sorted(nodes):
            own = {}
            for entity, kind, value in sorted(FACTS):
                if entity == node:
                    own.setdefault(kind, []).append(value)
            labels = "".join(f":{label}" for label in own.pop("label of the node"))
            cells = {k: v[0] if len(v) == 1 else json.dumps(v) for k, v in own.items()}
            row = {"_id": node, "_labels": labels, **cells}
            writer.writerow([row.get(column, "") for column in header])
        for head, kind, tail in TRIPLES:
            row = {"_start": head, "_end": tail, "_type": kind, "since": "1835"}
            writer.writerow([row.get(column, "") for column in header])
    assert statements(read_neo4j("g", path)) == (TRIPLES, FACTS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "n.csv is empty"),
        ("id,name\n1,a\n", "line 1: neither :ID nor :START_ID and :END_ID are"),
        (":START_ID,:TYPE\n1,a\n", "line 1: neither :ID"),
        ("id:ID,name\n1,a\n\n2\n", "line 4: expected 2 fields as in the header, got 1"),
        ("id:ID,name\n,a\n", "line 2: an id is empty"),
        (":START_ID,:END_ID\n1,\n", "line 2: an id is empty"),
        ('id:ID,name\n1,"a\n', "line 2: unexpected end of data"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "n.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        read_neo4j("g", path)
    assert str(error.value).startswith(str(path))


def test_folder_without_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no \.csv file"):
        read_neo4j("g", tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_neo4j("g", tmp_path / "x.csv")
