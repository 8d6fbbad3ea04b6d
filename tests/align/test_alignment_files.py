import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.align import Alignment
from pyg_ibmea.data.readers._rdf_pairs import read_rdf_pairs


def alignment_of(sources, targets):
    return Alignment(
        [("k", "l")],
        {"k": sources, "l": targets},
        source=range(len(sources)),
        target=range(len(targets)),
        runner_up=[-1] * len(sources),
        score=[0.5] * len(sources),
        margin=[0.0] * len(sources),
        confidence=[0.5] * len(sources),
        pair=[0] * len(sources),
    )


@pytest.mark.parametrize("suffix", ["tsv", "csv", "parquet", "nt"])
def test_only_the_file_is_left(tmp_path, suffix):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    folder = tmp_path / "new"
    for _ in range(2):  # Over an old one, too.
        path = alignment_of(["a"], ["x"]).save(folder / f"m.{suffix}")
        assert list(folder.iterdir()) == [path]


def test_statements_are_read_as_known_pairs(tmp_path):
    alignment = alignment_of(["a", "http://k/c"], ["x", "http://k/ü b"])
    assert list(read_rdf_pairs(alignment.save(tmp_path / "m.nt"))) == [
        ("a", "x"),
        ("http://k/c", "http://k/ü b"),
    ]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_any_name_is_read_back_from_rdf(tmp_path_factory, names):
    alignment = alignment_of(names, ["x"] * len(names))
    path = alignment.save(tmp_path_factory.mktemp("nt") / "m.nt")
    assert [left for left, _ in read_rdf_pairs(path)] == names


def test_blank_nodes_are_the_same_as_nothing(tmp_path):
    alignment = alignment_of(["a", "_:b0", "c", "_: d"], ["x", "y", "_:b1", "z"])
    with pytest.warns(
        UserWarning, match="left out 2 owl:sameAs statements about blank"
    ):
        path = alignment.save(tmp_path / "m.nt")
    assert list(read_rdf_pairs(path)) == [("a", "x"), ("_: d", "z")]


FORMULAS = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1"]
HARMLESS = ["a=1", "'=1", " =1", "1-1", '"=1', "é"]


@pytest.mark.parametrize("suffix", ["tsv", "csv"])
def test_spreadsheets_find_no_formula(tmp_path, suffix):
    names = [*FORMULAS, *HARMLESS]
    alignment = alignment_of(names, names[::-1])
    path = alignment.save(tmp_path / f"m.{suffix}", safe_cells=True)
    with path.open(encoding="utf-8", newline="") as file:
        quoting = (
            {} if suffix == "csv" else {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
        )
        cells = [row[:2] for row in csv.reader(file, **quoting)]
    assert not [cell for row in cells for cell in row if cell[0] in "=+-@\t\r\n"]
    loaded = [match.source for match in Alignment.load(path)]
    assert loaded == [f"'{name}" for name in FORMULAS] + HARMLESS
    # Without being asked, nothing is changed.
    assert [match.source for match in Alignment.load(alignment.save(path))] == names


@pytest.mark.parametrize("suffix", ["parquet", "nt"])
def test_other_forms_have_no_cells(tmp_path, suffix):
    with pytest.raises(ValueError, match=r"only \.tsv, \.csv have cells"):
        alignment_of(["a"], ["x"]).save(tmp_path / f"m.{suffix}", safe_cells=True)
    assert not list(tmp_path.iterdir())
