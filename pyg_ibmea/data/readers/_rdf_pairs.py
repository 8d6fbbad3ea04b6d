"""Pairs in RDF: sameAs statements, SKOS mappings, cells of the Alignment format."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pyg_ibmea.data.readers.rdf import statements
from pyg_ibmea.data.readers.sssom import SAME

# Older files lack the last "#".
_FORMAT = "http://knowledgeweb.semanticweb.org/heterogeneity/alignment"
_EQUAL = ("=", "==", "≡", "equivalence")


def read_rdf_pairs(path: str | os.PathLike[str]) -> Iterator[tuple[str, str]]:
    """Reads the pairs of URIs that an RDF file says are the same.

    These are ``owl:sameAs``, ``skos:exactMatch``, ``owl:equivalentClass`` and
    ``owl:equivalentProperty`` statements, in the order of the file, and then the cells
    of the Alignment format (of the Ontology Alignment Evaluation Initiative) whose
    relation is ``=``.

    Args:
        path (str or Path): The file; see :func:`~pyg_ibmea.data.read_rdf`.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is malformed, or a cell lacks an entity; the message
            names it.
    """
    cells: dict[str, dict[str, str]] = {}
    for subject, predicate, value, literal in statements(Path(path)):
        if predicate in SAME and not literal:
            yield subject, value
        elif predicate.startswith(_FORMAT):
            said = predicate.removeprefix(_FORMAT).removeprefix("#")
            if said in ("entity1", "entity2", "relation"):
                cells.setdefault(subject, {})[said] = value
    for number, cell in enumerate(cells.values(), start=1):
        for end in ("entity1", "entity2"):
            if end not in cell:
                raise ValueError(
                    f"{path}: cell {number} has no {end} ({', '.join(cell.values())})"
                )
        relation = cell.get("relation", "=").strip()
        if relation in _EQUAL or relation.endswith("EquivRelation"):
            yield cell["entity1"], cell["entity2"]
