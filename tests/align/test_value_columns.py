from __future__ import annotations

import numpy as np
import torch

from pyg_ibmea.align._value_columns import (
    Column,
    dates_or_numbers,
    value_columns,
)
from pyg_ibmea.problem import Literals


def literals(**values: list[tuple[int, str]]) -> Literals:
    """Values by attribute, as pairs of entity and text."""
    rows = [
        (entity, number, text)
        for number, of_attribute in enumerate(values.values())
        for entity, text in of_attribute
    ]
    entity, attribute, text = (list(part) for part in zip(*rows, strict=True))
    return Literals(torch.tensor(entity), torch.tensor(attribute), text, list(values))


def only(columns: list[Column]) -> Column:
    [column] = columns
    return column


def test_values_by_entity_without_repeats() -> None:
    column = only(
        value_columns(literals(size=[(3, "5"), (1, "7"), (3, "5"), (3, "2")]))
    )
    assert (column.name, column.kind) == ("size", ("number", ""))
    assert column.entity.tolist() == [1, 3, 3]
    assert ((column.low + column.high) / 2).tolist() == [7, 2, 5]
    assert column.num_entities == 2


def test_places_of_some_entities() -> None:
    column = only(
        value_columns(literals(size=[(1, "7"), (3, "2"), (3, "5"), (9, "1")]))
    )
    index, place = column.among(np.array([3, 2, 9, 3]))
    assert index.tolist() == [0, 0, 2, 3, 3]
    assert place.tolist() == [1, 2, 3, 1, 2]


def test_kinds_and_units_are_parted() -> None:
    given = literals(height=[(0, "180 cm"), (1, "1.8"), (2, "tall"), (3, "1.7 m")])
    found = {column.kind: column.entity.tolist() for column in value_columns(given)}
    assert found == {("number", "m"): [0, 3], ("number", ""): [1], ("text", ""): [2]}


def test_texts_are_the_same_up_to_case_and_accents() -> None:
    column = only(
        value_columns(literals(name=[(0, "Zürich"), (1, "ZURICH!"), (2, "x")]))
    )
    assert column.low[0] == column.low[1] != column.low[2]


def test_prose_is_left_out() -> None:
    assert value_columns(literals(note=[(0, "very " * 20 + "long")])) == []


def test_bare_years_are_dates_where_all_values_are() -> None:
    found = dates_or_numbers(["1982", "1955.75", "1904.0", "1799"])
    assert [value.kind for value in found] == ["date"] * 4
    assert [value.form for value in found] == ["year", "year.fraction", "year", "year"]


def test_numbers_among_which_some_could_be_years_are_numbers() -> None:
    for texts in (["1982", "83600", "210"], ["60", "42", "90"], ["1.73", "1.8"]):
        assert {value.kind for value in dates_or_numbers(texts)} == {"number"}


def test_old_years_are_dates_beside_other_dates() -> None:
    assert {v.kind for v in dates_or_numbers(["0384", "44"])} == {"number"}
    found = dates_or_numbers(["384", "44", "1564-04-26"])
    assert [value.kind for value in found] == ["date"] * 3


def test_packed_dates_beside_iso_dates() -> None:
    found = dates_or_numbers(["1884-05-08", "1894.0802", "1905.0000", "2011-##-##"])
    assert [value.form for value in found] == [
        *("YYYY-MM-DD", "year.MMDD", "year.MMDD", "YYYY")
    ]


def test_latitude_and_longitude_are_one_value() -> None:
    given = literals(
        **{
            "http://x/hasLatitude": [(0, "48.5"), (1, "10"), (2, "95"), (4, "7")],
            "http://x/hasLongitude": [(0, "2.25"), (2, "20"), (3, "5"), (4, "-8")],
        }
    )
    columns = value_columns(given)
    point = next(column for column in columns if column.kind[0] == "point")
    assert point.name == "http://x/hasLatitude"
    assert point.entity.tolist() == [0, 4]
    assert (point.low.tolist(), point.high.tolist()) == ([48.5, 7], [2.25, -8])
    rest = {column.name: column.entity.tolist() for column in columns[1:]}
    # What has only one of them stays a number.
    assert rest == {"http://x/hasLatitude": [1], "http://x/hasLongitude": [3]}


def test_lat_and_long_of_another_stem_stay_apart() -> None:
    given = literals(startLat=[(0, "48.5")], endLong=[(0, "2.25")])
    assert [column.kind[0] for column in value_columns(given)] == ["number", "number"]


def test_no_values() -> None:
    none = torch.empty(0, dtype=torch.long)
    assert value_columns(Literals(none, none, [], ["unused"])) == []
