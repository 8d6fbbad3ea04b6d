"""Knowledge graphs and links in RDF: N-Triples, Turtle, JSON-LD and relatives."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from pyg_ibmea.data._boundary import check_regular, open_bytes, open_text, reading
from pyg_ibmea.data.builder import GraphBuilder
from pyg_ibmea.data.knowledge_graph import KnowledgeGraph
from pyg_ibmea.data.readers._rdf_guard import check_entities, check_nesting
from pyg_ibmea.data.readers._rows import suffix_of
from pyg_ibmea.rdf_terms import name_of_iri

PathLike = str | os.PathLike[str]

RDF = (".nt", ".ttl", ".nq", ".trig", ".n3", ".rdf", ".owl", ".xml", ".jsonld")
SAME_AS = "http://www.w3.org/2002/07/owl#sameAs"
"""The predicate that says that two URIs name the same thing."""


def read_rdf(
    name: str, path: PathLike, exclude: Collection[str] = ()
) -> KnowledgeGraph:
    """Reads a knowledge graph from an RDF file, statement by statement.

    Statements between URIs or blank nodes become triples, and literals become
    attributes with their text as value, from which numbers and names of entities are
    taken later. ``owl:sameAs`` is not a relation of the graph: such statements are left
    out here and read by :func:`~pyg_ibmea.data.read_link_table`. Named graphs are read
    as one. An IRI that an export minted (``urn:x-entity:``) becomes the name that it
    was made for. Blank nodes are numbered in the order of the file and bear a checksum
    of it (``_:b0x1f0c…``): they have the same name whenever the same file is read, and
    another in any other file.

    Args:
        name (str): Name of the graph.
        path (str or Path): ``.nt``, ``.ttl``, ``.nq``, ``.trig``, ``.n3``, ``.jsonld``
            or RDF/XML, also compressed (``.gz``, ``.zst``).
        exclude (collection of str, optional): Entities to leave out, with all that is
            said of them. (default: none)

    Raises:
        FileNotFoundError: If the file does not exist.
        ImportError: If pyoxigraph is not installed.
        ValueError: If the file is malformed (the message names the line), holds no
            statements, or its suffix is unknown; if it declares XML entities that
            hold others, nests triples in triples, or decompresses to more than 4 GiB
            (the environment variable ``PYG_IBMEA_MAX_BYTES`` sets another limit).

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "graph.ttl"
        ...     _ = path.write_text('<urn:Paris> <urn:in> <urn:France> ; <urn:age> 9 .')
        ...     graph = read_rdf("en", path)
        >>> graph.entities, graph.attribute_names, graph.values
        (['urn:Paris', 'urn:France'], ['urn:age'], ['9'])
    """
    builder = GraphBuilder(name, exclude)
    empty = True
    with reading(path):
        for subject, predicate, value, literal in statements(Path(path)):
            empty = False
            if literal:
                builder.add_attribute(subject, predicate, value)
            elif predicate != SAME_AS:
                builder.add_triple(subject, predicate, value)
        if empty:
            raise ValueError(f"{path} holds no statements")
        return builder.build()


def _digest(path: Path) -> str:
    """A short checksum of a file."""
    checksum = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            checksum.update(block)
    return checksum.hexdigest()[:12]


def is_rdf(path: PathLike) -> bool:
    """Whether a file has the suffix of an RDF file."""
    return suffix_of(Path(path)) in RDF


def statements(path: Path) -> Iterator[tuple[str, str, str, bool]]:
    """Subject, predicate, object and whether that is a literal, of each statement."""
    try:
        import pyoxigraph
    except ImportError as error:
        raise ImportError(
            'RDF needs pyoxigraph: pip install "pyg_ibmea[rdf]"'
        ) from error
    check_regular(path)
    suffix = suffix_of(path).removeprefix(".").replace("owl", "rdf")
    kind = pyoxigraph.RdfFormat.from_extension(suffix)
    if kind is None:
        raise ValueError(f"{path}: the suffix must be one of {', '.join(RDF)}")
    literal, blank = pyoxigraph.Literal, pyoxigraph.BlankNode
    # Blank nodes by their order in the file: the parser draws their labels anew.
    blanks: dict[str, int] = {}
    digest: list[str] = []

    def text(term: Any) -> str:
        if not isinstance(term, blank):
            return name_of_iri(term.value)
        if not blanks:
            digest.append(_digest(path))
        number = blanks.setdefault(term.value, len(blanks))
        return f"_:b{number}x{digest[0]}"

    with reading(path, "cannot be read as RDF"):
        if kind == pyoxigraph.RdfFormat.RDF_XML:
            check_entities(path)
        else:
            check_nesting(path)
        xml = kind == pyoxigraph.RdfFormat.RDF_XML  # It says itself how it is encoded.
        with open_bytes(path) if xml else open_text(path) as file:
            stream: Any = file
            try:
                for quad in pyoxigraph.parse(stream, format=kind):
                    subject, value = quad.subject, quad.object
                    if isinstance(value, pyoxigraph.Triple):
                        raise ValueError("it holds triples about triples")
                    is_literal = isinstance(value, literal)
                    where = value.value if is_literal else text(value)
                    yield text(subject), text(quad.predicate), where, is_literal
            except SyntaxError as error:
                if error.lineno:
                    where = f"{path}, line {error.lineno}"
                    raise ValueError(f"{where}: {error.msg}") from error
                if "LoadDocumentCallback" in str(error):
                    raise ValueError(
                        f"{path} has a context that is elsewhere; contexts are not "
                        "fetched, so write what it says into the file, under @context"
                    ) from error
                raise
