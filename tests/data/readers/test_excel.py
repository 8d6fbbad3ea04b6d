"""Excel files, as openpyxl and pandas write them."""

import zipfile
from datetime import datetime
from pathlib import Path

import pandas
import pytest

from pyg_ibmea.data import read_folder, read_names, read_tables
from pyg_ibmea.data._boundary import MAX_BYTES
from pyg_ibmea.data.readers.link_tables import read_pairs

openpyxl = pytest.importorskip("openpyxl")

HEADER = ("entity", "attribute", "value")


def sheet(path: Path, *rows: tuple[object, ...]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.create_sheet("another").append(("nothing", "of", "this"))
    book.save(path)
    return path


def test_cells_are_texts_numbers_and_dates(tmp_path: Path) -> None:
    day = datetime(1982, 5, 3)
    rows = [
        ("Zürich", "area", 87.88),
        ("Zürich", "people", 443037),
        ("Zürich", "founded", day),
        (),
        ("Zürich", "capital", False),
        ("Bern", "note", None),
        ("Bern", "open", datetime(1982, 5, 3, 12, 30)),
    ]
    path = sheet(tmp_path / "a.xlsx", HEADER, *rows)
    graph = read_tables("x", attributes=path)
    assert graph.values == [
        *("87.88", "443037", "1982-05-03", "false", "", "1982-05-03T12:30:00")
    ]
    assert graph.entities == ["Zürich", "Bern"]


def test_every_reader_of_tables_takes_them(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"tail": ["b"], "note": ["x"], "head": ["a"]})
    frame.to_excel(tmp_path / "triples.xlsx", index=False)
    assert read_folder("x", tmp_path).triples.tolist() == [[0, 0, 1]]
    names = sheet(tmp_path / "names.xlsx", ("label", "id"), ("Zürich", "a"))
    assert read_names(names) == [("a", "Zürich")]
    pairs = sheet(tmp_path / "links.xlsx", (1, "x"), (2, "y"))
    assert list(read_pairs(pairs)) == [("1", "x"), ("2", "y")]


def test_errors_name_the_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sheet(tmp_path / "t.xlsx", ("a", "in", "b"), (), ("a", "in"))
    with pytest.raises(ValueError, match=r"t\.xlsx, row 3: the tail is empty"):
        read_tables("x", path)
    sheet(path, ("a", "in", "b"), ("a", "in", "b", "c"))
    with pytest.raises(ValueError, match=r"t\.xlsx, row 2: expected 3 fields"):
        read_tables("x", path)
    sheet(path, ("a", "in", "b"), ("a", "in", "#REF!"))
    with pytest.raises(ValueError, match=r"row 2: a cell holds #REF!; mend it"):
        read_tables("x", path)
    sheet(path)
    with pytest.raises(ValueError, match=r"t\.xlsx is empty"):
        read_tables("x", path)
    path.write_bytes(b"\xd0\xcf\x11\xe0 as .xls begins")
    with pytest.raises(ValueError, match=r"t\.xlsx is not an \.xlsx file"):
        read_tables("x", path)
    with zipfile.ZipFile(path, "w") as parts:
        parts.writestr("a", "b")
    with pytest.raises(ValueError, match=r"t\.xlsx cannot be read as Excel"):
        read_tables("x", path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/workbook.xml", b" " * 2_000_000)
    monkeypatch.setenv(MAX_BYTES, "1000000")
    with pytest.raises(ValueError, match=r"t\.xlsx would take .*more than the limit"):
        read_tables("x", path)


def test_what_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sheet(tmp_path / "t.xlsx", ("a", "in", "b"))
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(ImportError, match=r'pip install "pyg_ibmea\[excel\]"'):
        read_tables("x", path)
