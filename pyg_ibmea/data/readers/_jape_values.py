"""Values of attributes beside the files of JAPE's layout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_ibmea.data.readers._lines import read_lines, report_unknown

VALUE_FILES = ("values_1.tsv", "values_2.tsv")


class Facts(NamedTuple):
    """What is known of the attributes of a graph.

    Attributes:
        attributes (torch.Tensor): Node and attribute id, long ``[2, A]``; ``None`` if
            there is no file.
        names (list of str): URI by attribute id.
        values (list of str): A texts, ``''`` where only the attribute is known;
            ``None`` if there are no values.
    """

    attributes: Tensor | None
    names: list[str]
    values: list[str] | None


def with_values(known: Facts, path: Path, entities: Sequence[str]) -> Facts:
    r"""Adds the values of a file to the attributes of a graph; without the file, they
    stay as they are.

    An attribute that the graph has without a value is left out where the file has one
    for the same entity. What is repeated counts once.

    Args:
        known (Facts): What is known without the file.
        path (Path): Lines of entity URI TAB attribute TAB value, and a datatype after a
            further TAB, which is not used: it is seldom right.
        entities (sequence of str): URIs by node id.

    Raises:
        ValueError: If a line has another number of fields, an attribute or value is
            empty, no line names an entity of this side, or the file is empty or not
            UTF-8; the message names file and line.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "values_1.tsv"
        ...     _ = path.write_text("Paris\tpopulation\t2102650\tinteger")
        ...     with_values(Facts(None, [], None), path, ["Rome", "Paris"])
        Facts(attributes=tensor([[1],
                [0]]), names=['population'], values=['2102650'])
    """
    if not path.is_file():
        return known
    node = {uri: i for i, uri in enumerate(entities)}
    number = {name: i for i, name in enumerate(known.names)}
    facts: dict[tuple[int, int, str], None] = {}
    for uri, attribute, value in _known_rows(path, node):
        facts[node[uri], number.setdefault(attribute, len(number)), value] = None
    valued = {fact[:2] for fact in facts}
    listed = [] if known.attributes is None else known.attributes.t().tolist()
    bare = [(n, a, "") for n, a in listed if (n, a) not in valued]
    every = [*bare, *facts]
    ids = torch.tensor([fact[:2] for fact in every], dtype=torch.long).view(-1, 2)
    return Facts(ids.t().contiguous(), list(number), [fact[2] for fact in every])


def _known_rows(path: Path, node: dict[str, int]) -> Iterator[tuple[str, str, str]]:
    """Entity, attribute and value of the lines that name an entity of this side."""
    lines, unknown = read_lines(path), []
    for number, line in enumerate(lines, start=1):
        fields = line.split("\t")
        if len(fields) not in (3, 4) or not all(field.strip() for field in fields[:3]):
            raise ValueError(
                f"{path}, line {number}: expected entity URI, attribute, value and, "
                f"if there is one, datatype, with TABs between them, got {line!r:.100}"
            )
        if fields[0] in node:
            yield fields[0], fields[1], fields[2]
        else:
            unknown.append(number)
    report_unknown(path, lines, unknown, stacklevel=7)
