import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.data.readers.rdf import read_same_as
from pyg_ibmea.report import (
    Match,
    as_iri,
    judge_matches,
    read_matches,
    select_matches,
    write_matches,
)

MATCHES = [
    Match("a", "x", 0.5, 0.9, "y", 0.1),
    Match("b", "x", 0.4, 0.95, "", 0.0),
    Match("http://k/c", "http://k/ü b", 0.3, 0.2, "x", 0.2),
]


def test_tables_read_back(tmp_path: Path) -> None:
    path = write_matches(MATCHES, tmp_path / "new" / "alignment.tsv")
    assert read_matches(path) == MATCHES
    path = write_matches(MATCHES, tmp_path / "m.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["target"] for row in rows] == [match.target for match in MATCHES]
    from pyarrow import parquet

    for matches in (MATCHES, []):
        path = write_matches(matches, tmp_path / "m.parquet")
        table = parquet.read_table(path)
        assert table.column("confidence").to_pylist() == [m.confidence for m in matches]
        assert table.column("source").type == "string"
    assert not list(tmp_path.glob(".*"))


def test_same_as_is_rdf(tmp_path: Path) -> None:
    path = write_matches(MATCHES, tmp_path / "m.nt")
    assert list(read_same_as(path)) == [
        ("urn:x-entity:a", "urn:x-entity:x"),
        ("urn:x-entity:b", "urn:x-entity:x"),
        ("http://k/c", "http://k/%C3%BC%20b"),
    ]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_any_name_makes_valid_rdf(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    matches = [Match(name, "x", 0, 0, "", 0) for name in names]
    path = write_matches(matches, tmp_path_factory.mktemp("nt") / "m.nt")
    iris = [left for left, _ in read_same_as(path)]
    assert len(iris) == len(names)
    assert [f"<{iri}>" for iri in iris] == [as_iri(name) for name in names]


def test_selection() -> None:
    assert select_matches(MATCHES, 0.5) == MATCHES[:2]
    assert select_matches(MATCHES, one_to_one=True) == MATCHES[1:]
    with pytest.raises(ValueError, match="a confidence lies in"):
        select_matches(MATCHES, 1.5)


def test_judgement() -> None:
    found = judge_matches(MATCHES, [("a", "x"), ("a", "z"), ("b", "z"), ("d", "x")])
    assert (found["pairs"], found["given"], found["right"]) == (3, 2, 1)
    assert found["precision"] == 0.5
    assert found["recall"] == pytest.approx(1 / 3)
    assert found["f1"] == pytest.approx(0.4)
    # Sure at .9 and right, sure at .95 and wrong, in bins of their own.
    assert found["expected_calibration_error"] == pytest.approx((0.1 + 0.95) / 2)
    nothing = judge_matches([], [("a", "x")])
    assert nothing["recall"] == 0
    assert "coverage" not in nothing
    with pytest.raises(ValueError, match="no pairs"):
        judge_matches(MATCHES, [])


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="train first"):
        read_matches(tmp_path / "alignment.tsv")
    path = tmp_path / "alignment.tsv"
    path.write_text("source\ttarget\n")
    with pytest.raises(ValueError, match="line 1: expected the columns source"):
        read_matches(path)
    write_matches(MATCHES, path)
    path.write_text(path.read_text() + "a\tb\tc\n")
    with pytest.raises(ValueError, match="line 5: expected eight fields"):
        read_matches(path)
    path.write_text("kept")
    with pytest.raises(ValueError, match=r"expected one of \.tsv"):
        write_matches(MATCHES, tmp_path / "m.doc")
    with pytest.raises(AttributeError):
        write_matches([*MATCHES, None], path, "nt")
    assert path.read_text() == "kept"
    assert [p.name for p in tmp_path.iterdir()] == ["alignment.tsv"]
