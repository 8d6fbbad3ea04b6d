from __future__ import annotations

from datetime import date

import pytest

from pyg_ibmea.typed_values import parse_value, parse_years


def years(day: date) -> float:
    """A date as a year with a fraction, by the calendar of 2001."""
    passed = date(2001, day.month, day.day).timetuple().tm_yday - 1
    return day.year + passed / 365


@pytest.mark.parametrize(
    ("text", "number", "half", "unit"),
    [
        ("1.73", 1.73, 0.005, ""),
        ("-8.5", -8.5, 0.05, ""),
        ("210.0", 210, 0.05, ""),
        ("809852", 809_852, 0.5, ""),
        ("5.156e+11", 5.156e11, 5e7, ""),
        ("1e3", 1000, 500, ""),
        (".5", 0.5, 0.05, ""),
        ("1,234,567", 1_234_567, 0.5, ""),
        ('"42"^^<http://www.w3.org/2001/XMLSchema#integer>', 42, 0.5, ""),
        ("42^^xsd:integer", 42, 0.5, ""),
        ("180 cm", 1.8, 0.005, "m"),
        ("1.8m", 1.8, 0.05, "m"),
        ("6 ft", 1.8288, 0.1524, "m"),
        ("2 h", 7200, 1800, "s"),
        ("37.3 km²", 37.3e6, 5e4, "m2"),
        ("75 kg", 75, 0.5, "kg"),
        ("$100", 100, 0.5, "$"),
        ("100 €", 100, 0.5, "€"),
        ("3.22 %", 0.0322, 5e-5, ""),
    ],
)
def test_numbers(text: str, number: float, half: float, unit: str) -> None:
    found = parse_value(text)
    assert (found.kind, found.unit) == ("number", unit)
    assert found.low == pytest.approx(number - half)
    assert found.high == pytest.approx(number + half)


def test_long_numbers_have_a_relative_tolerance() -> None:
    found = parse_value("12345678.123456789")
    assert found.high - found.low == pytest.approx(2e-7 * 12345678.12)


@pytest.mark.parametrize(
    ("text", "first", "days", "form"),
    [
        ("1982-05-03", date(1982, 5, 3), 1, "YYYY-MM-DD"),
        ("1956-9-12", date(1956, 9, 12), 1, "YYYY-MM-DD"),
        ("1999-12-31", date(1999, 12, 31), 1, "YYYY-MM-DD"),
        ("2000-02-29", date(2000, 3, 1), 1, "YYYY-MM-DD"),
        ("1982-05-03T12:30:00Z", date(1982, 5, 3), 1, "YYYY-MM-DD"),
        ("1982-05-03+02:00", date(1982, 5, 3), 1, "YYYY-MM-DD"),
        ('"1982-05-03"^^xsd:date', date(1982, 5, 3), 1, "YYYY-MM-DD"),
        ("2011-##-##", date(2011, 1, 1), 365, "YYYY"),
        ("2011-06-##", date(2011, 6, 1), 30, "YYYY-MM"),
        ("2011-02", date(2011, 2, 1), 28, "YYYY-MM"),
    ],
)
def test_dates(text: str, first: date, days: int, form: str) -> None:
    found = parse_value(text)
    assert (found.kind, found.form) == ("date", form)
    assert found.low == pytest.approx(years(first))
    assert found.high - found.low == pytest.approx(days / 365)


def test_dates_before_our_era() -> None:
    assert parse_value("-0384-06-01").low == pytest.approx(-384 + 151 / 365)


@pytest.mark.parametrize(
    ("text", "first", "days", "form"),
    [
        ("1982", date(1982, 1, 1), 365, "year"),
        ("1982.0", date(1982, 1, 1), 365, "year"),
        ("1982.333", date(1982, 5, 1), 31, "year.fraction"),
        ("1955.75", date(1955, 10, 1), 31, "year.fraction"),
        ("1947.58333333", date(1947, 8, 1), 31, "year.fraction"),
        ("1956.5", date(1956, 7, 1), 31, "year.fraction"),
        ("1894.0802", date(1894, 8, 2), 1, "year.MMDD"),
        ("1962.1200", date(1962, 12, 1), 31, "year.MMDD"),
        ("1905.0000", date(1905, 1, 1), 365, "year.MMDD"),
    ],
)
def test_numbers_read_as_dates(text: str, first: date, days: int, form: str) -> None:
    found = parse_years(text)
    assert found is not None
    assert (found.kind, found.form) == ("date", form)
    assert found.low == pytest.approx(years(first))
    assert found.high - found.low == pytest.approx(days / 365)


@pytest.mark.parametrize("month", range(1, 13))
def test_every_month_as_a_fraction(month: int) -> None:
    for digits in (3, 8):
        found = parse_years(f"{1982 + (month - 1) / 12:.{digits}f}")
        assert found is not None
        assert found.low == pytest.approx(years(date(1982, month, 1)))


@pytest.mark.parametrize("text", ["1.73", "1982.2", "1982.99", "83600", "x", "1982-05"])
def test_numbers_that_are_no_dates(text: str) -> None:
    found = parse_years(text)
    assert found is None


@pytest.mark.parametrize(
    ("text", "latitude", "longitude"),
    [
        ("48.8567, 2.3508", 48.8567, 2.3508),
        ("48.8567 2.3508", 48.8567, 2.3508),
        ("-33.86;151.21", -33.86, 151.21),
        ("POINT(2.3508 48.8567)", 48.8567, 2.3508),
        ("Point ( 2 48.5 )", 48.5, 2),
    ],
)
def test_coordinates(text: str, latitude: float, longitude: float) -> None:
    found = parse_value(text)
    assert (found.kind, found.low, found.high) == ("point", latitude, longitude)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Zürich, HB", "zurich hb"),
        ('"Paris"@fr', "paris"),
        ("  Straße  1 ", "strasse 1"),
        ("10 Downing", "10 downing"),
        ("9 apples", "9 apples"),
        ("$9 kg", "9 kg"),
        ("0-486-61272-4", "0 486 61272 4"),
        ("1982-13-01", "1982 13 01"),
        ("91.5, 2.5", "91 5 2 5"),
        ("1e999", "1e999"),
        ("京都", "京都"),
        ("", ""),
    ],
)
def test_texts(text: str, plain: str) -> None:
    found = parse_value(text)
    assert (found.kind, found.text) == ("text", plain)
