"""How tables without a header were understood."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pyg_ibmea.data.readers._rows import first_row
from pyg_ibmea.data.readers.link_tables import LINKS
from pyg_ibmea.data.readers.name_files import NAMES
from pyg_ibmea.data.readers.rdf import is_rdf
from pyg_ibmea.data.readers.sssom import is_sssom
from pyg_ibmea.data.readers.tables import FACTS, TRIPLES, find_table
from pyg_ibmea.datasets.graph_files import GraphFiles


def first_rows(files: Sequence[GraphFiles], links: Iterable[Path]) -> list[str]:
    """The first row of each table that no header names the columns of, as it was
    understood: a header that was not recognised shows here.

    Args:
        files (sequence of GraphFiles): The files of the graphs.
        links (iterable of Path): Tables of known pairs.
    """
    tables: list[tuple[Path, Sequence[Sequence[str]]]] = []
    for f in files:
        triples, attributes = f.triples, f.attributes
        if f.folder is not None:
            triples = find_table(f.folder, "triples")
            attributes = find_table(f.folder, "attributes")
        tables += [(triples, TRIPLES)] if triples else []
        tables += [(attributes, FACTS)] if attributes else []
        names = f.names_file()
        tables += [(names, NAMES)] if names and names.suffix != ".json" else []
    plain = [path for path in links if not is_rdf(path) and not is_sssom(path)]
    tables += [(path, LINKS) for path in plain]
    said = []
    for path, layouts in tables:
        row = first_row(path, *layouts)
        if row:
            fields = ", ".join(f"{name} {value!r}" for name, value in row.items())
            said.append(f"{path}: no header recognised; the first row is {fields}")
    return said
