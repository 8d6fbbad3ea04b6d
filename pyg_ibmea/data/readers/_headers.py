"""Names that the columns of a table go by."""

from __future__ import annotations

from collections.abc import Sequence

# Written without case, blanks, underscores and hyphens.
_TAIL = "tail object obj to dst dest destination target node2 entity2 tailentity "
_TAIL += "tonode targetnode tonodeid objectid tailid endid end"
_HEAD = "head subject subj from src source node1 entity1 headentity "
_HEAD += "fromnode sourcenode fromnodeid subjectid headid startid start"
_RELATION = "relation predicate pred rel property edge edgetype relationtype "
_RELATION += "relationship relationid predicateid relname type label"
_SOURCE = "source left entity1 ent1 e1 kg1 id1 uri1 sourceentity sourceid sourceuri "
_SOURCE += "subject subjectid from"
_TARGET = "target right entity2 ent2 e2 kg2 id2 uri2 targetentity targetid targeturi "
_TARGET += "object objectid to"
ALIASES: dict[str, str] = {
    "head": _HEAD,
    "relation": _RELATION,
    "tail": _TAIL,
    "entity": "entity subject subj entityid subjectid uri iri node nodeid item id",
    "attribute": "attribute predicate pred property attr attributename key relation",
    "value": "value object obj val literal attributevalue",
    "source": _SOURCE,
    "target": _TARGET,
    "name": "name label title entityname entitylabel preflabel rdfs:label "
    "skos:preflabel",
    "file": "file path image filename imagefile imagepath filepath",
}
"""By column the usual names of it, the surest first."""

# One word above a list of entities is as likely an entity of that name.
_ALONE = "entity entities entityid uri iri"


def place_of_columns(
    fields: Sequence[str], layout: Sequence[str]
) -> dict[str, int] | None:
    """The places of a layout's columns in a first row; ``None`` if it is no header.

    Each column goes by its own name first; only then by others, in any case, with
    blanks, hyphens or underscores.

    Args:
        fields (sequence of str): The first row.
        layout (sequence of str): Names of the columns.

    Example:
        >>> place_of_columns(["Object", "subject", "Predicate"],
        ...                  ("head", "relation", "tail"))
        {'head': 1, 'relation': 2, 'tail': 0}
        >>> place_of_columns(["Paris", "capital of", "France"],
        ...                  ("head", "relation", "tail")) is None
        True
    """
    names = [field.strip().lower() for field in fields]
    if set(layout) <= set(names):
        return {name: names.index(name) for name in layout}
    names = ["".join(c for c in name if c not in " _-\t") for name in names]
    place: dict[str, int] = {}
    for column in layout:
        known = ALIASES.get(column, column)
        for alias in (_ALONE if len(fields) == 1 else known).split():
            if alias in names and names.index(alias) not in place.values():
                place[column] = names.index(alias)
                break
        else:
            return None
    return place
