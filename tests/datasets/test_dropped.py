import csv
import io
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.datasets import GraphFiles, read_problem
from pyg_ibmea.datasets._dropped import Dropped, Losses, table_of

ENTITIES = ["http://x/Paris", "http://x/New York", "http://x/Z%C3%BCrich", "http://x/ä"]


def nearest(entity):
    losses = Losses({"zh": ENTITIES})
    losses.add("links", "links.tsv", 100, [(7, "zh", entity)])
    [row] = losses.rows
    assert (row.row, row.kind, row.graph, row.id) == (7, "links", "zh", entity)
    return row.nearest, row.differs


@pytest.mark.parametrize(
    ("entity", "expected"),
    [
        (" http://x/Paris ", ("http://x/Paris", "stray blanks")),
        ("http://x/New%20York", ("http://x/New York", "percent-encoding")),
        ("http://x/Zürich", ("http://x/Z%C3%BCrich", "percent-encoding")),
        ("HTTP://x/paris", ("http://x/Paris", "case")),
        ("https://elsewhere/Paris", ("http://x/Paris", "prefix")),
        ("Paris", ("http://x/Paris", "prefix")),
        ("http://x/Pariss", ("http://x/Paris", "letters")),
        ("http://x/Tokyo", ("", "")),
        ("", ("", "")),
    ],
)
def test_the_entity_that_was_meant(entity, expected) -> None:
    assert nearest(entity) == expected


def test_too_much_is_an_error_unless_allowed(tmp_path: Path) -> None:
    table = tmp_path / "links.tsv"
    table.write_text("x")
    for total, fails in ((10, False), (9, True)):
        losses = Losses({"zh": ENTITIES})
        losses.add("links", table, total, [(3, "zh", "paris")])
        if fails:
            with pytest.raises(ValueError, match=r"1 of 9 pairs .*--allow-dropped"):
                losses.tell(allow=False)
        with pytest.warns(UserWarning, match="row 3: 'paris' is not an entity of 'zh'"):
            losses.tell(allow=fails)


def test_what_was_left_out_on_purpose_is_not_lost() -> None:
    losses = Losses({"zh": ENTITIES}, {"zh": {"out"}})
    losses.add("links", "links.tsv", 1, [(1, "zh", "out")])
    assert losses.rows == losses.sentences == []


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        min_size=1,
    )
)
def test_the_table_holds_every_id(ids) -> None:
    text = table_of([Dropped("f", i, "names", "zh", e) for i, e in enumerate(ids)])
    header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter="\t")
    assert header[:5] == ["file", "row", "kind", "graph", "id"]
    assert [row[4] for row in rows] == ids


def test_names_of_files_that_are_not_utf_8_are_escaped() -> None:
    text = table_of([Dropped("caf\udce9", 0, "images", "zh", "\udce9é")])
    assert text.splitlines()[1].startswith(
        '"caf\\udce9"\t"0"\t"images"\t"zh"\t"\\udce9é"'
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for side in "ab":
        rows = [f"{side}{i}\tr\t{side}{(i + 1) % 40}\n" for i in range(40)]
        (tmp_path / f"{side}.tsv").write_text("".join(rows))
    return tmp_path


def read(folder: Path, links, names=(), **options):
    (folder / "links.tsv").write_text("".join(f"{x}\t{y}\n" for x, y in links))
    files = [GraphFiles(side, triples=folder / f"{side}.tsv") for side in "ab"]
    if names:
        (folder / "names.tsv").write_text("".join(f"{n}\tname of {n}\n" for n in names))
        files = [
            GraphFiles(side, triples=folder / f"{side}.tsv", names=folder / "names.tsv")
            for side in "ab"
        ]
    return read_problem(files, {("a", "b"): folder / "links.tsv"}, **options)


def test_links_of_unknown_entities(folder: Path) -> None:
    good = [(f"a{i}", f"b{i}") for i in range(40)]
    with pytest.raises(ValueError, match="dropped 8 of 48 pairs") as error:
        read(folder, [*good, *((f"A{i}", f"b{i}") for i in range(8))])
    assert "row 41: 'A0' is not an entity of 'a', the nearest is 'a0' (case)" in str(
        error.value
    )
    with pytest.warns(UserWarning, match="dropped 2 of 42 pairs"):
        found = read(folder, [*good, ("a1", "c"), ("b2", "a2")])
    assert [(d.row, d.graph, d.id) for d in found.dropped] == [
        (41, "b", "c"), (42, "a", "b2"), (42, "b", "a2"),
    ]  # fmt: skip
    assert "1 of them fit the other way round" in found.notes[0]
    wrong = [(f"x{i}", f"b{i}") for i in range(20)]
    with pytest.warns(UserWarning, match="dropped 20 of 60"):
        read(folder, [*good, *wrong], allow_dropped=True)


def test_a_file_of_names_may_be_of_both_graphs(folder: Path) -> None:
    good = [(f"a{i}", f"b{i}") for i in range(40)]
    both = [f"{side}{i}" for side in "ab" for i in range(40)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(folder, good, both).dropped == ()
    with pytest.warns(UserWarning, match="dropped 1 of 81 names"):
        found = read(folder, good, [*both, "nobody"])
    assert {d.id for d in found.dropped} == {"nobody"}
