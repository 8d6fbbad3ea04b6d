"""What the values of attributes say: numbers, dates, coordinates, short texts."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import NamedTuple

__all__ = ["TypedValue", "parse_value", "parse_years"]

_QUOTED = re.compile(r'"(.*)"(?:\^\^\S+|@[A-Za-z\-]+)?', re.DOTALL)
_TYPED = re.compile(r"(.*?)\^\^\S+", re.DOTALL)
_DIGITS = r"[+-]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
_NUMBER = re.compile(rf"([$€£¥]?)({_DIGITS})\s*([^\d\s]\S{{0,2}})?", re.ASCII)
_DATE = re.compile(
    r"([+-]?\d{4})-(\d{1,2}|##)(?:-(\d{1,2}|##))?(?:T[\d:.]*)?(?:Z|[+-]\d\d:\d\d)?",
    re.ASCII,
)
_PLAIN = r"[+-]?\d{1,3}(?:\.\d+)?"
_POINT = re.compile(rf"({_PLAIN})°?(?:\s*[,;]\s*|\s+)({_PLAIN})°?", re.ASCII)
_WKT = re.compile(rf"POINT\s*\(\s*({_PLAIN})\s+({_PLAIN})\s*\)", re.ASCII | re.I)
_YEARS = re.compile(r"([+-]?\d{1,4})(?:\.(\d*))?", re.ASCII)
_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)
_DAY = 1 / 365

# A base unit of each dimension and the factor that leads to it.
_FACTORS = {
    "m": {"mm": 1e-3, "cm": 1e-2, "m": 1.0, "km": 1e3}
    | {"in": 0.0254, "ft": 0.3048, "mi": 1609.344},
    "kg": {"g": 1e-3, "kg": 1.0, "t": 1e3, "lb": 0.45359237},
    "s": {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0},
    "m2": {"m2": 1.0, "m²": 1.0, "ha": 1e4, "km2": 1e6, "km²": 1e6},
    "": {"%": 0.01},
    **{money: {money: 1.0} for money in ("$", "€", "£", "¥")},
    **{money: {money: 1.0} for money in ("USD", "EUR", "GBP", "JPY")},
}
_UNITS = {
    form: (unit, factor)
    for unit, forms in _FACTORS.items()
    for form, factor in forms.items()
}


class TypedValue(NamedTuple):
    """What a value says.

    Attributes:
        kind (str): ``'number'``, ``'date'``, ``'point'`` or ``'text'``.
        low (float): The least number, in the base unit, that would be written so; the
            begin of the day, month or year, as a year with a fraction; the latitude in
            degrees; 0 for a text.
        high (float): The greatest number; the end; the longitude; 0 for a text.
        unit (str): The base unit of a number, such as ``'m'``, or its currency;
            ``''`` if it has none.
        form (str): How it is written: the unit, or the form of the date.
        text (str): A text in lower case without accents and punctuation.
    """

    kind: str
    low: float = 0.0
    high: float = 0.0
    unit: str = ""
    form: str = ""
    text: str = ""


def parse_value(text: str) -> TypedValue:
    """Reads a value by itself.

    Quotes, a language and a datatype as in N-Triples are dropped. Dates are those of
    ISO 8601, days and months unknown (``##``) or with one digit among them. Two
    decimal degrees, latitude first, or ``POINT(longitude latitude)`` are coordinates.
    Units of length, mass, time and area are converted; a number of anything else is a
    text. A bare number is a number, even if it could be a year (:func:`parse_years`).

    Args:
        text (str): The value as it was written.

    Example:
        >>> parse_value("180 cm")
        TypedValue(kind='number', low=1.795, high=1.805, unit='m', form='cm', text='')
        >>> parse_value('"1982-05-03"^^<http://www.w3.org/2001/XMLSchema#date>').form
        'YYYY-MM-DD'
        >>> parse_value("Zürich, HB").text
        'zurich hb'
    """
    text = _bare(text)
    found = _DATE.fullmatch(text)
    if found is not None and (date := _iso(*found.groups())):
        return date
    return _point(text) or _number(text) or TypedValue("text", text=_plain(text))


def parse_years(text: str) -> TypedValue | None:
    """Reads a bare number as a date: a year (``1982``), a year and the months that
    have passed as a fraction (``1982.333`` is May 1982), or a year with month and day
    behind the point (``1982.0503``). ``None`` if it is none of these.

    Whether an attribute writes dates so is told by all of its values, not by one.

    Example:
        >>> may = parse_years("1982.333")
        >>> round(may.low, 3), round(may.high, 3), may.form
        (1982.329, 1982.414, 'year.fraction')
        >>> parse_years("1982.0").form, parse_years("1982.0503").form
        ('year', 'year.MMDD')
        >>> parse_years("1982.2") is None
        True
    """
    found = _YEARS.fullmatch(_bare(text))
    if found is None:
        return None
    year, digits = int(found[1]), found[2] or ""
    if not digits.strip("0"):
        # Four zeros are the month and day of a date that does not have them.
        form = "year.MMDD" if len(digits) == 4 else "year"
        return TypedValue("date", float(year), year + 1.0, form=form)
    if len(digits) == 4:
        month, day = int(digits[:2]), int(digits[2:])
        if 1 <= month <= 12 and day <= 31:
            return _interval(year, month, day, "year.MMDD")
    months = 12 * float(f"0.{digits}")
    month = round(months)
    # Digits that were cut off may count as much as one in the last place.
    cut = 12 * 10.0 ** -len(digits) if len(digits) > 1 else 0.0
    if abs(months - month) > cut or month == 12:
        return None
    return _interval(year, month + 1, 0, "year.fraction")


def _bare(text: str) -> str:
    text = text.strip()
    found = _QUOTED.fullmatch(text) or _TYPED.fullmatch(text)
    return text if found is None else found[1].strip()


def _iso(year: str, month: str, day: str | None) -> TypedValue | None:
    """A date of ISO 8601; months and days may be unknown."""
    if month == "##" or month == "00":
        return TypedValue("date", int(year), int(year) + 1.0, form="YYYY")
    known = 0 if day in (None, "##", "00") else int(day or 0)
    if not 1 <= int(month) <= 12 or not 0 <= known <= 31:
        return None
    form = "YYYY-MM-DD" if known else "YYYY-MM"
    return _interval(int(year), int(month), known, form)


def _interval(year: int, month: int, day: int, form: str) -> TypedValue:
    """A day, or a month if the day is 0. No year is a leap year here."""
    if not day:
        ends = (_BEFORE[month - 1], _BEFORE[month])
    else:
        passed = min(_BEFORE[month - 1] + day - 1, 364)
        ends = (passed, passed + 1)
    return TypedValue("date", year + ends[0] * _DAY, year + ends[1] * _DAY, form=form)


def _point(text: str) -> TypedValue | None:
    found = _WKT.fullmatch(text)
    if found is not None:
        longitude, latitude = float(found[1]), float(found[2])
    else:
        found = _POINT.fullmatch(text)
        if found is None or not all("." in found[side] for side in (1, 2)):
            return None
        latitude, longitude = float(found[1]), float(found[2])
    if abs(latitude) > 90 or abs(longitude) > 180:
        return None
    return TypedValue("point", latitude, longitude)


def _number(text: str) -> TypedValue | None:
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    digits, form = found[2].replace(",", ""), found[1] or found[3] or ""
    number = float(digits)
    if not math.isfinite(number) or (found[1] and found[3]):
        return None
    if form and form not in _UNITS:
        return None
    unit, factor = _UNITS.get(form, ("", 1.0))
    mantissa, _, power = digits.lower().partition("e")
    decimals = len(mantissa.partition(".")[2]) - int(power or 0)
    # What was computed in double precision is written to the last digit.
    half = max(0.5 * 10.0**-decimals, 1e-7 * abs(number)) if decimals < 300 else 0.0
    low, high = factor * (number - half), factor * (number + half)
    return TypedValue("number", low, high, unit, form)


def _plain(text: str) -> str:
    """A text in lower case, without accents; words are parted by one space."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    kept = (
        letter if letter.isalnum() else " "
        for letter in letters
        if not unicodedata.combining(letter)
    )
    return " ".join("".join(kept).split())
