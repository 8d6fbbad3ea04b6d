"""Knowledge graphs from data frames: pandas, polars, Arrow."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from pyg_ibmea.data._cells import texts_of
from pyg_ibmea.data._columns import Columns, columns_of, known_columns
from pyg_ibmea.data.builder import UNNAMED, GraphBuilder
from pyg_ibmea.data.knowledge_graph import KnowledgeGraph
from pyg_ibmea.data.readers._headers import place_of_columns

LABEL = "http://www.w3.org/2000/01/rdf-schema#label"
"""The attribute that the column of labels becomes."""

_TRIPLE = ("head", "relation", "tail")
_FACT = ("entity", "attribute", "value")
_USUAL = {
    "entity": ("entity", "uri", "iri", "node", "item", "id"),
    "name": ("name", "label", "title"),
}


def from_frames(
    name: str,
    entities: Any = None,
    triples: Any = None,
    attributes: Any = None,
    *,
    id: str | None = None,
    label: str | None = None,
    columns: Sequence[str] | None = None,
    relations: Sequence[str] = (),
) -> KnowledgeGraph:
    r"""A knowledge graph from data frames.

    - :obj:`entities`: a row for each entity, as records that are to be linked. A cell
      is the value of the attribute that the column names; a list in a cell gives an
      attribute several values, and a missing value none.
    - :obj:`triples`: ``head``, ``relation``, ``tail``, or ``head``, ``tail``.
    - :obj:`attributes`: ``entity``, ``attribute`` and, where it is known, ``value``.

    In the two last ones columns are found by these names or usual ones such as subject,
    predicate, object; if there are none of these, by their places. What is missing in
    them is an error, except for a value.

    A frame is a ``pandas.DataFrame``, a dictionary of lists, or, through Arrow, a
    polars frame, a ``pyarrow.Table`` or whatever else has ``__arrow_c_stream__``.

    Args:
        name (str): Name of the graph.
        entities (frame, optional): The frame of entities. (default: :obj:`None`)
        triples (frame, optional): The frame of triples. (default: :obj:`None`)
        attributes (frame, optional): The frame of attributes. (default: :obj:`None`)
        id (str, optional): The column that names the entities; they are different.
            (default: an index that does not just count the rows, else a column called
            entity, uri, iri, node, item or id, else the numbers of the rows)
        label (str, optional): The column with what entities are called; with lists,
            synonyms follow. (default: a column called name, label or title, if any)
        columns (sequence of str, optional): The columns to use for values. (default:
            all)
        relations (sequence of str, optional): Columns whose cells name entities: they
            become triples, not values. (default: none)

    Raises:
        ImportError: If a frame takes pyarrow, which is not installed.
        TypeError: If something is no data frame, or a cell holds what is no value.
        ValueError: If there is no frame, a column is not there, or an entity has no
            name or that of another; the message names the row.

    Example:
        >>> films = {"title": ["Alien", "Brazil"], "year": [1979, None], "id": [7, 9]}
        >>> graph = from_frames("films", films)
        >>> graph.entities, graph.values
        (['7', '9'], ['Alien', '1979', 'Brazil'])
    """
    if entities is None and triples is None and attributes is None:
        raise ValueError(
            f"graph '{name}' needs a frame of entities, triples or attributes"
        )
    builder = GraphBuilder(name)
    if entities is not None:
        what = f"the entities of graph '{name}'"
        frame = columns_of(entities, what)
        _add_entities(builder, frame, what, id, label, columns, relations)
    if triples is not None:
        what = f"the triples of graph '{name}'"
        for head, relation, tail in _rows(columns_of(triples, what), what, _TRIPLE):
            builder.add_triple(head, relation or UNNAMED, tail)
    if attributes is not None:
        what = f"the attributes of graph '{name}'"
        for row in _rows(columns_of(attributes, what), what, _FACT):
            builder.add_attribute(*row)
    return builder.build()


def pairs_of_frame(links: Any, what: str = "links") -> list[tuple[str, str]]:
    """The pairs that a data frame has in columns such as source and target, or in its
    first two.

    Raises:
        ValueError: If a name is missing, or there are too few columns.

    Example:
        >>> pairs_of_frame({"target": ["x"], "source": [1]})
        [('1', 'x')]
    """
    layout = ("source", "target")
    return [(a, b) for a, b in _rows(columns_of(links, what), what, layout)]


def _add_entities(
    builder: GraphBuilder,
    frame: Columns,
    what: str,
    id: str | None,
    label: str | None,
    columns: Sequence[str] | None,
    relations: Sequence[str],
) -> None:
    id = _usual(frame, "entity") if id is None and frame.index is None else id
    for argument, given in (("id", id), ("label", label)):
        known_columns(frame, [given] if given is not None else [], argument, what)
    relations = known_columns(frame, relations, "relations", what)
    label = _usual(frame, "name", (id, *relations)) if label is None else label
    if columns is None:
        columns = [column for column in frame.values if column not in (id, label)]
    columns = known_columns(frame, columns, "columns", what)
    names = _names(frame, what, id)
    for entity in names:  # In the order of the rows, whatever they refer to.
        builder.add_entity(entity)
    kinds = {label: LABEL} if label is not None else {}
    kinds |= {c: c for c in columns if c not in relations and c not in kinds}
    values = {c: texts_of(frame.values[c], f"{what}, {c!r}") for c in kinds}
    ends = {c: texts_of(frame.values[c], f"{what}, {c!r}") for c in relations}
    for row, entity in enumerate(names):
        for column, kind in kinds.items():
            for text in values[column][row]:
                builder.add_attribute(entity, kind, text)
        for column in relations:
            for other in ends[column][row]:
                builder.add_triple(entity, column, other)


def _names(frame: Columns, what: str, id: str | None) -> list[str]:
    """The name of each row, all different."""
    if id is not None:
        column, where = frame.values[id], f"column {id!r}"
    elif frame.index is not None:
        column, where = frame.index, "the index"
    else:
        return [str(row) for row in range(frame.rows)]
    if any(isinstance(cell, tuple) for cell in column):
        raise ValueError(
            f"{what}: {where} has several levels; say with id=... which column names "
            "the entities"
        )
    names: dict[str, int] = {}
    for row, cell in enumerate(texts_of(column, f"{what}, {where}")):
        if len(cell) != 1:
            raise ValueError(
                f"{what}, row {row}: {where} must name the entity, got "
                f"{', '.join(map(repr, cell)) or 'a missing value'}"
            )
        first = names.setdefault(cell[0], row)
        if first != row:
            raise ValueError(
                f"{what}, rows {first} and {row}: {where} has {cell[0]!r} twice; a row "
                "is an entity, so put several values of one into lists"
            )
    return list(names)


def _usual(frame: Columns, kind: str, taken: Collection[str | None] = ()) -> str | None:
    """The column of a usual name of its kind, the surest first; ``None`` for none."""
    names = {column.strip().lower(): column for column in frame.values}
    found = (names[usual] for usual in _USUAL[kind] if usual in names)
    return next((column for column in found if column not in taken), None)


def _rows(frame: Columns, what: str, layout: Sequence[str]) -> list[list[str]]:
    """The rows of a frame in the order of a layout's columns."""
    there = list(frame.values)
    optional = next((c for c in ("relation", "value") if c in layout), "")
    layouts = [list(layout), [column for column in layout if column != optional]]
    place = None
    for wanted in layouts:
        place = place or place_of_columns(there, wanted)
    if place is None:
        wanted = next((x for x in layouts if len(x) == len(there)), [])
        place = {column: number for number, column in enumerate(wanted)}
    if not place:
        raise ValueError(
            f"{what} must have the columns {' or '.join(map(', '.join, layouts[:1]))}"
            f"{f' ({optional} may be left out)' if optional else ''}; they are "
            f"{', '.join(map(repr, there)) or 'none'}: choose or rename some"
        )
    found = []
    for column in layout:
        if column not in place:
            found.append([""] * frame.rows)
            continue
        name = there[place[column]]
        cells = texts_of(frame.values[name], f"{what}, {name!r}")
        for row, cell in enumerate(cells):
            if len(cell) > 1 or (not cell and column != "value"):
                said = "several values" if cell else "a missing value"
                raise ValueError(f"{what}, row {row}: {name!r} has {said}")
        found.append([cell[0] if cell else "" for cell in cells])
    return [list(row) for row in zip(*found, strict=True)]
