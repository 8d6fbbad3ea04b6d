"""The files of your own graphs, and the alignment problem made from them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pyg_ibmea.data import (
    KnowledgeGraph,
    encode_images,
    read_features,
    read_folder,
    read_graphml,
    read_names,
    read_neo4j,
    read_rdf,
    read_tables,
)
from pyg_ibmea.data._columns import refuse_frame
from pyg_ibmea.data.builder import without_leaves
from pyg_ibmea.data.features import encoders
from pyg_ibmea.data.features.literals import names_of
from pyg_ibmea.data.readers.image_files import find_images, named_by_images
from pyg_ibmea.data.readers.link_tables import read_link_table, read_pairs
from pyg_ibmea.data.readers.tables import find_table
from pyg_ibmea.datasets._dropped import Losses
from pyg_ibmea.datasets._feature_files import check_given
from pyg_ibmea.datasets.knowledge_graphs import KnowledgeGraphs
from pyg_ibmea.problem import Pair, check_names

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class GraphFiles:
    """Where the parts of a graph are.

    Args:
        name (str): Name of the graph.
        folder (Path, optional): Folder of tables; see
            :func:`~pyg_ibmea.data.read_folder`. A table ``names`` and a folder
            ``images`` in it are used as well. (default: :obj:`None`)
        rdf (Path, optional): RDF file; see :func:`~pyg_ibmea.data.read_rdf`.
            (default: :obj:`None`)
        triples (Path, optional): Table of triples or edges; see
            :func:`~pyg_ibmea.data.read_tables`. (default: :obj:`None`)
        attributes (Path, optional): Table of attributes and their values.
            (default: :obj:`None`)
        entities (Path, optional): Table of entities. (default: :obj:`None`)
        exclude (Path, optional): Table of entities to leave out. (default: :obj:`None`)
        images (Path, optional): Folder or table of images; see
            :func:`~pyg_ibmea.data.find_images`. (default: :obj:`None`)
        names (Path, optional): Names of entities; see
            :func:`~pyg_ibmea.data.read_names`. (default: values of attributes such as
            ``rdfs:label``)
        leaves (str, optional): ``'keep'``, or ``'drop'`` to leave out entities known
            only as the tail of a single triple. (default: :obj:`"keep"`)
        features (dict, optional): File of vectors by modality; see
            :func:`~pyg_ibmea.data.read_features`. A number in it is the entity of that
            name where all entities are called by whole numbers, else the place of the
            entity in the order in which they are first named. ``relation`` and
            ``attribute`` are made from the graph. (default: none)
        graphml (Path, optional): GraphML file; see
            :func:`~pyg_ibmea.data.read_graphml`. (default: :obj:`None`)
        neo4j (Path, optional): CSV file of Neo4j, or a folder of them; see
            :func:`~pyg_ibmea.data.read_neo4j`. (default: :obj:`None`)

    Raises:
        ValueError: If the graph has no source, or several, an option is unknown, or a
            name cannot be used (see :func:`~pyg_ibmea.problem.check_names`).
    """

    name: str
    folder: Path | None = None
    rdf: Path | None = None
    triples: Path | None = None
    attributes: Path | None = None
    entities: Path | None = None
    exclude: Path | None = None
    images: Path | None = None
    names: Path | None = None
    leaves: str = "keep"
    features: Mapping[str, Path] = field(default_factory=dict)
    graphml: Path | None = None
    neo4j: Path | None = None

    def __post_init__(self) -> None:
        check_names([self.name])
        check_given(self.features)
        for key, path in ((f.name, getattr(self, f.name)) for f in fields(self)):
            if key not in ("name", "leaves", "features"):
                refuse_frame(
                    f"graph '{self.name}': {key}", path, "MMKGPair.from_frames"
                )
        for modality, beside in (("image", self.images), ("name", self.names)):
            if beside is not None and modality in self.features:
                raise ValueError(
                    f"graph '{self.name}': give either {modality}s or the vectors "
                    f"feature:{modality}, not both"
                )
        tables = self.triples or self.attributes or self.entities
        given = (self.folder, self.rdf, self.graphml, self.neo4j, tables)
        sources = [source for source in given if source]
        if len(sources) != 1:
            raise ValueError(
                f"graph '{self.name}' needs one of a folder, RDF, GraphML, Neo4j and "
                f"tables (triples, attributes, entities); got {len(sources)} of them"
            )
        if self.leaves not in ("keep", "drop"):
            raise ValueError(f"leaves must be 'keep' or 'drop', got {self.leaves!r}")

    @classmethod
    def parse(cls, words: Sequence[str]) -> GraphFiles:
        """Parses a name and words like ``triples=FILE``, as given on a command line.

        A key such as ``feature:audio`` gives the vectors of a modality.

        Example:
            >>> GraphFiles.parse(["zh", "triples=zh.tsv", "leaves=drop"]).leaves
            'drop'
        """
        known = {f.name for f in fields(cls)} - {"name", "features"}
        given: dict[str, Any] = {}
        features: dict[str, Path] = {}
        for word in words[1:]:
            key, equals, value = word.partition("=")
            modality = key.removeprefix("feature:")
            if not equals or not value or not (key in known or modality != key):
                raise ValueError(
                    f"graph '{words[0]}': expected KEY=FILE with a key of "
                    f"{', '.join(sorted(known))} or feature:MODALITY, got {word!r}"
                )
            if key in given or modality in features:
                raise ValueError(f"graph '{words[0]}': {key} is given twice")
            if modality != key:
                features[modality] = Path(value)
            else:
                given[key] = value if key == "leaves" else Path(value)
        return cls(words[0], features=features, **given)

    def read(self) -> KnowledgeGraph:
        """Reads the graph, without names, images and features."""
        if self.rdf is not None:
            return read_rdf(self.name, self.rdf, self.left_out())
        if self.graphml is not None:
            return read_graphml(self.name, self.graphml, self.left_out())
        if self.neo4j is not None:
            return read_neo4j(self.name, self.neo4j, self.left_out())
        if self.folder is not None:
            return read_folder(self.name, self.folder, self.exclude)
        tables = (self.triples, self.attributes, self.entities, self.exclude)
        return read_tables(self.name, *tables)

    def image_source(self) -> Path | None:
        """The folder or table of images, if there is one."""
        if self.images is None and self.folder is not None:
            inside = self.folder / "images"
            return inside if inside.is_dir() else find_table(self.folder, "images")
        return self.images

    def names_file(self) -> Path | None:
        """The file of names, if there is one."""
        if self.names is None and self.folder is not None:
            return find_table(self.folder, "names")
        return self.names

    def left_out(self) -> list[str]:
        """The entities that are left out on purpose."""
        if self.exclude is None:
            return []
        return read_tables("", entities=self.exclude).entities

    def read_names(self, graph: KnowledgeGraph) -> dict[str, str]:
        """Reads names of entities by URI, from the file of names or the graph's values.

        Raises:
            ValueError: If the file names no entity of the graph.
        """
        path = self.names_file()
        if path is None:
            return names_of(graph)
        known = set(graph.entities)
        names = {str(key): name for key, name in read_names(path)}
        found = {entity: name for entity, name in names.items() if entity in known}
        if not found:
            raise ValueError(
                f"{path} names no entity of graph '{graph.name}'; the file begins "
                f"with {next(iter(names), '')!r}, the graph with {graph.entities[0]!r}"
            )
        return found


def read_problem(
    files: Sequence[GraphFiles],
    links: Mapping[Pair, PathLike],
    cache: PathLike | None = None,
    progress: bool = False,
    dangling: Mapping[Pair, PathLike] | None = None,
    image_encoder: str = "colours",
    name_encoder: str = "ngrams",
    allow_dropped: bool = False,
    device: str | None = None,
    **options: Any,
) -> KnowledgeGraphs:
    """Reads graphs and the known pairs between them.

    Args:
        files (sequence of GraphFiles): The files of two or more graphs.
        links (dict): By pair of graph names, a table of known pairs; see
            :func:`~pyg_ibmea.data.read_link_table`. It may be empty (see
            :func:`pyg_ibmea.anchors.seed_problem`).
        cache (str or Path, optional): Folder in which the vectors of images and of
            names (except n-grams) are kept. (default: none)
        progress (bool, optional): Whether to show the progress of encoding images.
            (default: :obj:`False`)
        dangling (dict, optional): By pair of graph names, a table of entities of the
            first graph that are known to have no counterpart in the second.
            (default: :obj:`None`)
        image_encoder (str, optional): See
            :func:`~pyg_ibmea.data.features.encoders.image_encoder`.
            (default: :obj:`"colours"`)
        name_encoder (str, optional): See
            :func:`~pyg_ibmea.data.features.encoders.name_encoder`.
            (default: :obj:`"ngrams"`)
        allow_dropped (bool, optional): Whether more than a tenth of a table of links,
            names or images may name unknown entities. What is dropped is counted in
            warnings, and listed in the ``dropped`` of what is returned.
            (default: :obj:`False`)
        device (str, optional): Where models encode images and names. (default: CUDA if
            it is available, else the CPU)
        **options (optional): See :class:`~pyg_ibmea.datasets.KnowledgeGraphs`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is malformed, the links are between unknown graphs, or
            too much is dropped.
    """
    check_names([f.name for f in files])
    encoder = encoders.image_encoder(image_encoder, device)
    options["name_encoder"] = encoders.name_encoder(name_encoder, cache, device)
    graphs = {f.name: f.read() for f in files}
    for pair in (*links, *(dangling or {})):
        for name in pair:
            if name not in graphs:
                raise ValueError(
                    f"links name the graph '{name}'; there are {', '.join(graphs)}"
                )
    losses = Losses(
        {name: graph.entities for name, graph in graphs.items()},
        {f.name: set(f.left_out()) for f in files},
    )
    # A file of names or images may be of several graphs.
    everywhere = frozenset(e for graph in graphs.values() for e in graph.entities)
    wanted = options.get("modalities")
    names: dict[str, dict[str, str]] = {}
    pictures: dict[str, dict[str, Path]] = {}
    for f in files:
        graph = graphs[f.name]
        if wanted is None or "name" in wanted:
            names[f.name] = f.read_names(graph)
            if (path := f.names_file()) is not None:
                keys = [str(key) for key, _ in read_names(path)]
                losses.add("names", path, len(keys), _rows(keys, everywhere, f.name))
        source = f.image_source()
        given = "image" in f.features
        if source is not None and not given and (wanted is None or "image" in wanted):
            pictures[f.name] = find_images(source, graph.entities)
            keys = named_by_images(source)
            if source.is_dir():
                used = {p.stem for p in find_images(source, [*everywhere]).values()}
                lost = [(0, f.name, stem) for stem in keys if stem not in used]
            else:
                lost = _rows(keys, everywhere, f.name)
            losses.add("images", source, len(keys), lost)
        for modality, path in f.features.items():
            arguments = (path, _ids(graph.entities), graph.entities)
            graph.features[modality] = read_features(*arguments)
    known: dict[str, set[str]] = {}
    if any(f.leaves == "drop" for f in files):
        known = _named(graphs, links, dangling or {})
    for f in files:
        if f.leaves == "drop":
            keep = {*names.get(f.name, {}), *pictures.get(f.name, {}), *known[f.name]}
            graphs[f.name] = without_leaves(graphs[f.name], keep)
        if f.name in pictures:
            graph = graphs[f.name]
            given_images = (pictures[f.name], graph.entities, cache, encoder)
            graph.features["image"] = encode_images(*given_images, progress=progress)
    edges = {
        pair: _read_links(path, graphs[pair[0]], graphs[pair[1]], losses)
        for pair, path in links.items()
    }
    alone = {
        pair: _nodes(path, graphs[pair[0]], losses)
        for pair, path in (dangling or {}).items()
    }
    losses.tell(allow_dropped)
    problem = KnowledgeGraphs(list(graphs.values()), edges, alone, names, **options)
    problem.dropped = tuple(losses.rows)
    problem.notes = tuple(losses.sentences)
    return problem


def _ids(entities: Sequence[str]) -> Tensor:
    """The numbers by which files of vectors name the entities, long ``[N]``."""
    if all(len(e) < 19 and e.isascii() and e.isdigit() for e in entities):
        numbers = [int(entity) for entity in entities]
        if [str(number) for number in numbers] == list(entities):
            return torch.tensor(numbers, dtype=torch.long)
    return torch.arange(len(entities))


def _rows(
    keys: Sequence[str], known: Collection[str], graph: str
) -> list[tuple[int, str, str]]:
    """Row, graph and id of those keys that are not known."""
    return [(i, graph, key) for i, key in enumerate(keys, 1) if key not in known]


def _read_links(
    path: PathLike, source: KnowledgeGraph, target: KnowledgeGraph, losses: Losses
) -> Tensor:
    """Node ids of known pairs, long ``[2, L]``; those of unknown entities are lost."""
    lost: dict[int, tuple[str, str]] = {}
    edges = read_link_table(path, source, target, lost)
    if lost:
        known = [frozenset(graph.entities) for graph in (source, target)]
        unknown = [
            (row, graph.name, entity)
            for row, pair in lost.items()
            for graph, entity, there in zip((source, target), pair, known, strict=True)
            if entity not in there
        ]
        exchanged = sum(a in known[1] and b in known[0] for a, b in lost.values())
        total = sum(1 for _ in read_pairs(path))
        losses.add("links", path, total, unknown, exchanged)
    return edges


def _nodes(path: PathLike, graph: KnowledgeGraph, losses: Losses) -> Tensor:
    """Node ids of the entities in a table; unknown entities are lost."""
    number = {entity: i for i, entity in enumerate(graph.entities)}
    listed = read_tables("", entities=path).entities
    found = [number[entity] for entity in listed if entity in number]
    if not found:
        raise ValueError(
            f"{path} names no entity of graph '{graph.name}'; the file begins "
            f"with {listed[0]!r}"
        )
    losses.add("alone", path, len(listed), _rows(listed, number, graph.name))
    return torch.tensor(found)


def _named(
    graphs: Mapping[str, KnowledgeGraph],
    links: Mapping[Pair, PathLike],
    dangling: Mapping[Pair, PathLike],
) -> dict[str, set[str]]:
    """The entities of each graph that are known to have a counterpart, or none."""
    known: dict[str, set[str]] = {name: set() for name in graphs}
    for pair, path in links.items():
        for entities in read_pairs(path):
            for name, entity in zip(pair, entities, strict=True):
                known[name].add(entity)
    for (a, _), table in dangling.items():
        known[a].update(read_tables("", entities=table).entities)
    return known
