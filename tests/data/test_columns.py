import pandas
import pyarrow
import pytest

from pyg_ibmea.data._columns import Columns, columns_of, is_frame, refuse_frame


class Capsule:
    """What has the Arrow interface and nothing else, as polars frames have it."""

    def __init__(self, table: pyarrow.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


class Older:
    def __init__(self, table: pyarrow.Table) -> None:
        self.table = table

    def to_arrow(self) -> pyarrow.Table:
        return self.table


VALUES = {"id": ["a", "b"], "age": [1, None], "tags": [["x", "y"], []]}


def test_all_kinds_of_frames_give_the_same() -> None:
    table = pyarrow.table(VALUES)
    for frame in (VALUES, table, Capsule(table), Older(table)):
        assert is_frame(frame)
        assert columns_of(frame, "it") == Columns(VALUES, None, 2)
    frame = pandas.DataFrame({**VALUES, "age": pandas.array([1, None], "Int64")})
    found = columns_of(frame, "it")
    assert found.index is None
    assert found.values["tags"] == VALUES["tags"]
    assert found.values["age"][0] == 1


def test_polars() -> None:
    polars = pytest.importorskip("polars")
    assert columns_of(polars.DataFrame(VALUES), "it") == Columns(VALUES, None, 2)


def test_an_index_that_says_something_is_kept() -> None:
    frame = pandas.DataFrame({"age": [1, 2]}, index=["a", "b"])
    assert columns_of(frame, "it").index == ["a", "b"]
    assert columns_of(frame.reset_index(drop=True), "it").index is None
    assert columns_of(frame.reset_index(drop=True)[1:], "it").index is None
    numbered = frame.reset_index(drop=True).rename_axis("id")
    assert columns_of(numbered, "it").index == [0, 1]


def test_frames_that_cannot_be_read() -> None:
    twice = pandas.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(ValueError, match="it: two columns are called 'a'"):
        columns_of(twice, "it")
    levels = pandas.DataFrame([[1, 2]], columns=[["a", "a"], ["b", "c"]])
    with pytest.raises(ValueError, match="2 levels"):
        columns_of(levels, "it")
    with pytest.raises(ValueError, match=r"differ in length: \{'a': 1, 'b': 2\}"):
        columns_of({"a": [1], "b": [1, 2]}, "it")
    with pytest.raises(TypeError, match="must hold lists, got str"):
        columns_of({"a": "xyz"}, "it")
    with pytest.raises(TypeError, match="got str; read_tables reads files"):
        columns_of("films.csv", "it")
    with pytest.raises(TypeError, match=r"got list$"):
        columns_of([1], "it")


def test_arrow_is_asked_for_where_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame = Capsule(pyarrow.table(VALUES))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r'pip install "pyg_ibmea\[tables\]"'):
        columns_of(frame, "it")
    assert columns_of(pandas.DataFrame(VALUES), "it").rows == 2


def test_a_frame_is_no_path() -> None:
    refuse_frame("triples", "triples.csv", "from_frames")
    with pytest.raises(TypeError, match="triples must be the path of a file, got a Da"):
        refuse_frame("triples", pandas.DataFrame(VALUES), "from_frames")
