from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import numpy as np
import pandas
import pytest

from pyg_ibmea.data._cells import texts_of


def test_whole_numbers_stay_whole_where_some_are_missing() -> None:
    column = pandas.Series([1995, None, 2001])
    assert column.dtype == float
    assert texts_of(column.tolist(), "year") == [["1995"], [], ["2001"]]
    assert texts_of([1.0, 2.5], "x") == [["1.0"], ["2.5"]]
    assert texts_of([float("inf"), 1e300], "x") == [["inf"], ["1e+300"]]


def test_what_is_missing_says_nothing() -> None:
    missing = [None, float("nan"), pandas.NA, pandas.NaT, np.nan, "", "  \n", []]
    assert texts_of([*missing, [None, "a", ""]], "x") == [[]] * len(missing) + [["a"]]


def test_lists_give_several_values() -> None:
    cells = [("b", "a"), {"b", "a"}, np.array([3, 4]), np.array(["x"], dtype=object)]
    assert texts_of(cells, "x") == [["b", "a"], ["a", "b"], ["3", "4"], ["x"]]


def test_kinds_of_values() -> None:
    cells = [True, np.int64(3), Decimal("1.10"), date(1982, 5, 3), time(9, 30)]
    written = ["true", "3", "1.10", "1982-05-03", "09:30:00"]
    assert texts_of(cells, "x") == [[text] for text in written]
    known = UUID("12345678123456781234567812345678")
    assert texts_of([known], "x") == [[str(known)]]
    assert texts_of([timedelta(minutes=2)], "x") == [["120 s"]]
    assert texts_of([pandas.Timedelta("1h")], "x") == [["3600 s"]]


def test_points_in_time_are_dates_where_all_are_at_midnight() -> None:
    days = pandas.to_datetime(["1982-05-03", None, "1990-01-01"])
    assert texts_of(days.tolist(), "x") == [["1982-05-03"], [], ["1990-01-01"]]
    times = [datetime(1982, 5, 3), datetime(1982, 5, 3, 12)]
    expected = [["1982-05-03T00:00:00"], ["1982-05-03T12:00:00"]]
    assert texts_of(times, "x") == expected
    zoned = datetime(1982, 5, 3, tzinfo=timezone.utc)
    assert texts_of([zoned], "x") == [["1982-05-03T00:00:00+00:00"]]
    stamps = [np.datetime64("1982-05-03", "ns"), np.datetime64("NaT")]
    assert texts_of(stamps, "x") == [["1982-05-03"], []]


def test_what_is_no_value_names_its_row() -> None:
    with pytest.raises(TypeError, match=r"'tags', row 1: .* got a dict: .*'a': 1"):
        texts_of(["x", {"a": 1}], "'tags'")
