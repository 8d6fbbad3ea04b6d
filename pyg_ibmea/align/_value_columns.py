"""The values of a graph by attribute and kind, as numbers that can be compared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pyg_ibmea.problem import Literals
from pyg_ibmea.typed_values import TypedValue, parse_value, parse_years

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

# A text of more letters is prose: no two graphs say it in the same words.
_LONGEST_TEXT = 80
# Of the bare numbers of an attribute, how many must be years for all to be dates.
_YEARS = 0.95
_LIKELY = (1000.0, 2200.0)
_MOST_LIKELY = 0.85
_LATITUDE = re.compile(r"lat(?:itude)?$", re.I)
_LONGITUDE = re.compile(r"(?:lon(?:g|gitude)?|lng)$", re.I)
_LOCAL = re.compile(r"[^/#:.>]*(?=>?$)")


@dataclass(frozen=True, eq=False)
class Column:
    """The values of one kind of an attribute, by entity and without repeats.

    Attributes:
        name (str): URI of the attribute; of coordinates, that of the latitude.
        kind (str): ``'number'``, ``'date'``, ``'point'`` or ``'text'``; with the unit
            of a number: those of other units cannot be compared.
        entity (numpy.ndarray): Node ids, ascending, ``[A]``.
        low (numpy.ndarray): See :class:`~pyg_ibmea.typed_values.TypedValue`; of texts,
            a hash.
        high (numpy.ndarray): Likewise.
    """

    name: str
    kind: tuple[str, str]
    entity: Ids
    low: Floats
    high: Floats

    @property
    def num_entities(self) -> int:
        """Number of entities that have a value."""
        return 1 + int(np.count_nonzero(np.diff(self.entity)))

    def among(self, entities: Ids) -> tuple[Ids, Ids]:
        """The places of the values of some entities: which of the entities, and the
        place; an entity that has several values is there as often.
        """
        start = np.searchsorted(self.entity, entities)
        count = np.searchsorted(self.entity, entities, side="right") - start
        index = np.repeat(np.arange(len(entities)), count)
        inside = np.arange(len(index)) - np.repeat(np.cumsum(count) - count, count)
        return index, np.repeat(start, count) + inside


def value_columns(literals: Literals) -> list[Column]:
    """The values of a graph by attribute and kind, in the order of the attributes.

    Bare numbers are dates where at least 95 % of those of their attribute are years,
    with or without month, and most lie between 1000 and 2200 or the attribute has
    dates beside them. A latitude and a longitude of one entity are one value.

    Args:
        literals (Literals): The values.
    """
    names, texts = literals.attribute_uri, list(_by_attribute(literals))
    sides = _coordinates(names)
    typed = {number: _typed(*texts[number]) for pair in sides for number in pair}
    found = _points(names, sides, typed)
    for number, name in enumerate(names):
        kinds: dict[tuple[str, str], list[tuple[int, TypedValue]]] = {}
        # One attribute at a time: there may be millions of values.
        rows = typed[number] if number in typed else _typed(*texts[number])
        for entity, value in rows:
            if value.kind != "text" or 0 < len(value.text) <= _LONGEST_TEXT:
                key = (value.kind, value.unit)
                kinds.setdefault(key, []).append((entity, value))
        found += [_column(name, kind, of_kind) for kind, of_kind in kinds.items()]
    return found


def dates_or_numbers(texts: list[str]) -> list[TypedValue]:
    """The values of one attribute, which tell together whether bare numbers are dates.

    Args:
        texts (list of str): The values as they were written.
    """
    values = [parse_value(text) for text in texts]
    bare = [i for i, v in enumerate(values) if v.kind == "number" and not v.form]
    years = {i: found for i in bare if (found := parse_years(texts[i])) is not None}
    dated = any(value.kind == "date" for value in values)
    likely = [i for i, v in years.items() if dated or _LIKELY[0] <= v.low < _LIKELY[1]]
    enough = len(likely) >= _MOST_LIKELY * len(bare)
    if len(years) >= _YEARS * len(bare) and enough:
        for i, found in years.items():
            values[i] = found
    return values


def _by_attribute(literals: Literals) -> Iterator[tuple[list[int], list[str]]]:
    """Entities and texts of each attribute."""
    attribute = literals.attribute.cpu().numpy()
    entity = literals.entity.cpu().numpy()
    order = np.lexsort((entity, attribute))
    ends = np.searchsorted(attribute[order], np.arange(len(literals.attribute_uri) + 1))
    for start, stop in pairwise(ends):
        places = order[start:stop]
        yield entity[places].tolist(), [literals.text[i] for i in places.tolist()]


def _typed(entities: list[int], texts: list[str]) -> list[tuple[int, TypedValue]]:
    return list(zip(entities, dates_or_numbers(texts), strict=True))


def _coordinates(names: list[str]) -> list[tuple[int, int]]:
    """The numbers of attributes that are a latitude and the longitude to it."""
    stems: dict[str, int] = {}
    for number, name in enumerate(names):
        if ending := _LATITUDE.search(_local(name)):
            stems.setdefault(_local(name)[: ending.start()], number)
    found = []
    for number, name in enumerate(names):
        ending = _LONGITUDE.search(_local(name))
        stem = "" if ending is None else _local(name)[: ending.start()]
        if ending is not None and stem in stems:
            found.append((stems.pop(stem), number))
    return found


def _points(
    names: list[str],
    sides: list[tuple[int, int]],
    typed: dict[int, list[tuple[int, TypedValue]]],
) -> list[Column]:
    """Takes latitudes and longitudes of the same entities out of their attributes."""
    found = []
    for pair in sides:
        latitude, longitude = (_degrees(typed[number]) for number in pair)
        both = latitude.keys() & longitude.keys()
        rows = [
            (entity, TypedValue("point", *degrees))
            for entity in sorted(both)
            # Of several, those that were written together.
            for degrees in zip(latitude[entity], longitude[entity], strict=False)
            if abs(degrees[0]) <= 90 and abs(degrees[1]) <= 180
        ]
        if rows:
            found.append(_column(names[pair[0]], ("point", ""), rows))
            for number in pair:
                typed[number] = [row for row in typed[number] if row[0] not in both]
    return found


def _local(name: str) -> str:
    """The last part of a URI."""
    found = _LOCAL.search(name)
    return name if found is None else found[0]


def _degrees(typed: list[tuple[int, TypedValue]]) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for entity, value in typed:
        if value.kind == "number":
            found.setdefault(entity, []).append((value.low + value.high) / 2)
    return found


def _column(
    name: str, kind: tuple[str, str], rows: list[tuple[int, TypedValue]]
) -> Column:
    ends = [(entity, *_ends(value)) for entity, value in rows]
    distinct = np.unique(np.array(ends, dtype=np.float64), axis=0)
    return Column(
        name, kind, distinct[:, 0].astype(np.int64), distinct[:, 1], distinct[:, 2]
    )


def _ends(value: TypedValue) -> tuple[float, float]:
    if value.kind != "text":
        return value.low, value.high
    # 48 bits, which a float64 holds exactly.
    digest = blake2b(value.text.encode("utf-8", "replace"), digest_size=6).digest()
    code = float(int.from_bytes(digest, "big"))
    return code, code
