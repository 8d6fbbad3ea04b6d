import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.align import Alignment
from pyg_ibmea.data.readers.rdf import read_same_as


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
    assert list(read_same_as(alignment.save(tmp_path / "m.nt"))) == [
        ("a", "x"),
        ("http://k/c", "http://k/ü b"),
    ]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_any_name_is_read_back_from_rdf(tmp_path_factory, names):
    alignment = alignment_of(names, ["x"] * len(names))
    path = alignment.save(tmp_path_factory.mktemp("nt") / "m.nt")
    assert [left for left, _ in read_same_as(path)] == names


def test_blank_nodes_are_the_same_as_nothing(tmp_path):
    alignment = alignment_of(["a", "_:b0", "c", "_: d"], ["x", "y", "_:b1", "z"])
    with pytest.warns(
        UserWarning, match="left out 2 owl:sameAs statements about blank"
    ):
        path = alignment.save(tmp_path / "m.nt")
    assert list(read_same_as(path)) == [("a", "x"), ("_: d", "z")]
