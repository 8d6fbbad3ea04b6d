"""Two knowledge graphs of your own, from files."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.data import KnowledgeGraph, from_frames, from_hetero, from_networkx
from pyg_ibmea.data._columns import is_frame, refuse_frame
from pyg_ibmea.data.data_frames import pairs_of_frame
from pyg_ibmea.datasets._feature_files import PathLike
from pyg_ibmea.datasets._jape_dataset import JapeDataset
from pyg_ibmea.datasets.graph_files import GraphFiles, read_problem
from pyg_ibmea.datasets.knowledge_graphs import KnowledgeGraphs
from pyg_ibmea.problem import check_names


class MMKGPair(JapeDataset):
    r"""Two knowledge graphs of your own, from a folder in JAPE's layout.

    The files are those of :func:`~pyg_ibmea.data.read_jape`. The dataset holds one
    :class:`~torch_geometric.data.HeteroData` (see
    :func:`~pyg_ibmea.data.to_hetero_data`).

    Args:
        root (str or Path): Folder of the cache.
        raw (str or Path, optional): Folder of the raw files; it is only read.
            (default: ``root/raw``)
        names (tuple, optional): Names of the two graphs.
            (default: :obj:`("source", "target")`)
        modalities (sequence of str, optional): The modalities to use, of
            :obj:`"relation"`, :obj:`"attribute"`, :obj:`"image"`, :obj:`"name"` and
            those in :obj:`features`. (default: all that have files)
        ratio (float, optional): Share of the links that are seed pairs, in (0, 1).
            (default: the links in ``sup_ent_ids`` where the folder has that file, else
            0.3)
        split_seed (int, optional): Seed of the split, independent of the seed of a
            training. (default: :obj:`0`)
        val_ratio (float, optional): Share of the seed pairs kept for validation, in
            [0, 1]. (default: :obj:`0.1`)
        num_features (int, optional): Maximum number of columns of the relation bag and
            of the attribute bag. (default: :obj:`1000`)
        image (str or Path, optional): File of image features; see
            :func:`~pyg_ibmea.data.read_features`. (default: the
            ``*_id_img_feature_dict.pkl`` or ``images.{npz,npy,h5}`` in the folder, if
            there is one)
        name (str or Path, optional): File of name features. (default: :obj:`None`)
        features (dict, optional): Files of features of other modalities, by modality.
            (default: :obj:`None`)
        transform (callable, optional): Applied to the data on every access.
            (default: :obj:`None`)
        force_reload (bool, optional): Whether to process the raw files again.
            (default: :obj:`False`)

    Raises:
        FileNotFoundError: If raw or feature files are missing; the message says which,
            where to put them and where they are published.
        ValueError: If the names are equal or cannot be used (see
            :func:`~pyg_ibmea.problem.check_names`), a file is malformed (the message
            names file and line), a modality asked for is absent, or the split is
            impossible.

    Example:
        >>> MMKGPair("cache", raw="no such folder")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        FileNotFoundError: MMKGPair needs ent_ids_1, ... in the folder ...
    """

    def __init__(
        self,
        root: PathLike,
        raw: PathLike | None = None,
        names: tuple[str, str] = ("source", "target"),
        modalities: Sequence[str] | None = None,
        ratio: float | None = None,
        split_seed: int = 0,
        val_ratio: float = 0.1,
        num_features: int = 1000,
        image: PathLike | None = None,
        name: PathLike | None = None,
        features: Mapping[str, PathLike] | None = None,
        transform: Callable[[HeteroData], HeteroData] | None = None,
        force_reload: bool = False,
    ) -> None:
        if len(names) != 2 or names[0] == names[1]:
            raise ValueError(f"names must be two different names, got {names}")
        check_names(names)
        super().__init__(
            root,
            Path(root) / "raw" if raw is None else raw,
            (names[0], names[1]),
            "see pyg_ibmea.data.read_jape for what the files hold, and give their "
            "folder as raw=..., or put them there",
            modalities=modalities,
            ratio=ratio,
            split_seed=split_seed,
            val_ratio=val_ratio,
            num_features=num_features,
            features={"image": image, "name": name, **(features or {})},
            transform=transform,
            force_reload=force_reload,
        )

    @staticmethod
    def from_tables(
        source: Mapping[str, PathLike],
        target: Mapping[str, PathLike],
        links: PathLike,
        names: tuple[str, str] = ("source", "target"),
        **options: Any,
    ) -> KnowledgeGraphs:
        """Two graphs from CSV, tab-separated or Parquet tables, names and images.

        Args:
            source (dict): Files of one graph, such as :obj:`{"triples": "zh.tsv",
                "images": "pictures"}`; the keys are the arguments of
                :class:`~pyg_ibmea.datasets.GraphFiles`.
            target (dict): Files of the other graph.
            links (str or Path): Table of known pairs; see
                :func:`~pyg_ibmea.data.read_link_table`.
            names (tuple, optional): Names of the graphs.
                (default: :obj:`("source", "target")`)
            **options (optional): See :func:`~pyg_ibmea.datasets.read_problem`.
        """
        _refuse_frames({"links": links})
        for given in (source, target):
            _refuse_frames(given)
        files = [
            GraphFiles.parse([name, *(f"{key}={path}" for key, path in given.items())])
            for name, given in zip(names, (source, target), strict=True)
        ]
        return read_problem(files, {names: links}, **options)

    @staticmethod
    def from_rdf(
        source: PathLike,
        target: PathLike,
        links: PathLike,
        names: tuple[str, str] = ("source", "target"),
        **options: Any,
    ) -> KnowledgeGraphs:
        """Two graphs from RDF files, and the known pairs from a table or from the
        ``owl:sameAs`` statements of an RDF file.

        Args:
            source (str or Path): RDF file of one graph; see
                :func:`~pyg_ibmea.data.read_rdf`.
            target (str or Path): RDF file of the other graph.
            links (str or Path): The known pairs.
            names (tuple, optional): Names of the graphs.
                (default: :obj:`("source", "target")`)
            **options (optional): See :func:`~pyg_ibmea.datasets.read_problem`.
        """
        _refuse_frames({"source": source, "target": target, "links": links})
        pair = zip(names, (source, target), strict=True)
        files = [GraphFiles(name, rdf=Path(path)) for name, path in pair]
        return read_problem(files, {names: links}, **options)

    @staticmethod
    def from_frames(
        source: Any,
        target: Any,
        links: Any = None,
        names: tuple[str, str] = ("source", "target"),
        **options: Any,
    ) -> KnowledgeGraphs:
        """Two graphs from data frames: pandas, polars, Arrow, dictionaries of lists.

        Args:
            source (frame or dict): A frame with a row for each entity, or the arguments
                of :func:`~pyg_ibmea.data.from_frames` by name, such as
                ``{"entities": frame, "label": "title"}``.
            target (frame or dict): Likewise.
            links (frame or sequence of tuple, optional): Known pairs of entities, by
                the names that the graphs give them: pairs, or a frame with columns such
                as source and target. (default: none; see
                :func:`pyg_ibmea.anchors.seed_problem`)
            names (tuple, optional): Names of the graphs.
                (default: :obj:`("source", "target")`)
            **options (optional): See :class:`~pyg_ibmea.datasets.KnowledgeGraphs`.

        Raises:
            TypeError: If something is no data frame.
            ValueError: As :func:`~pyg_ibmea.data.from_frames`; or if links name an
                entity that is not there.

        Example:
            >>> frames = {"id": ["a", "b"], "name": ["Alien", "Brazil"]}
            >>> MMKGPair.from_frames(frames, frames, names=("imdb", "dbpedia"))
            KnowledgeGraphs(imdb, dbpedia)
        """
        graphs = [
            from_frames(name, **_frames_of(given))
            for name, given in zip(names, (source, target), strict=True)
        ]
        if links is not None and is_frame(links):
            links = pairs_of_frame(links)
        with warnings.catch_warnings():
            if not any(graph.num_triples for graph in graphs):  # Records have none.
                warnings.filterwarnings("ignore", "Graph .* has no triples")
            return _join(graphs, () if links is None else links, **options)

    @staticmethod
    def from_networkx(
        source: Any,
        target: Any,
        links: Sequence[tuple[Any, Any]],
        names: tuple[str, str] = ("source", "target"),
        **options: Any,
    ) -> KnowledgeGraphs:
        """Two graphs from NetworkX; see :func:`~pyg_ibmea.data.from_networkx`.

        Args:
            source (networkx.Graph): One graph.
            target (networkx.Graph): The other graph.
            links (sequence of tuple): Known pairs of nodes.
            names (tuple, optional): Names of the graphs.
                (default: :obj:`("source", "target")`)
            **options (optional): See :class:`~pyg_ibmea.datasets.KnowledgeGraphs`.
        """
        pair = zip(names, (source, target), strict=True)
        graphs = [from_networkx(name, graph) for name, graph in pair]
        return _join(graphs, links, **options)

    @staticmethod
    def from_hetero(
        source: HeteroData,
        target: HeteroData,
        links: Sequence[tuple[str, str]],
        names: tuple[str, str] = ("source", "target"),
        **options: Any,
    ) -> KnowledgeGraphs:
        """Two graphs from HeteroData whose node types are kinds of entities; see
        :func:`~pyg_ibmea.data.from_hetero`.

        Args:
            source (HeteroData): One graph.
            target (HeteroData): The other graph.
            links (sequence of tuple): Known pairs of entities, by their texts.
            names (tuple, optional): Names of the graphs.
                (default: :obj:`("source", "target")`)
            **options (optional): See :class:`~pyg_ibmea.datasets.KnowledgeGraphs`.
        """
        pair = zip(names, (source, target), strict=True)
        graphs = [from_hetero(name, graph) for name, graph in pair]
        return _join(graphs, links, **options)


def _refuse_frames(given: Mapping[str, object]) -> None:
    for what, value in given.items():
        refuse_frame(what, value, "MMKGPair.from_frames")


def _frames_of(given: Any) -> dict[str, Any]:
    """The arguments of :func:`~pyg_ibmea.data.from_frames`."""
    tables = ("entities", "triples", "attributes")
    if isinstance(given, Mapping) and any(
        is_frame(given.get(table)) for table in tables
    ):
        return dict(given)
    return {"entities": given}


def _join(
    graphs: list[KnowledgeGraph], links: Sequence[tuple[Any, Any]], **options: Any
) -> KnowledgeGraphs:
    node = [{entity: i for i, entity in enumerate(g.entities)} for g in graphs]
    ids = []
    for pair in links:
        for side, entity in enumerate(pair):
            if str(entity) not in node[side]:
                raise ValueError(
                    f"links name {entity!r}, which is not in graph "
                    f"'{graphs[side].name}'"
                )
        ids.append([node[0][str(pair[0])], node[1][str(pair[1])]])
    edge_index = torch.tensor(ids, dtype=torch.long).view(-1, 2).t().contiguous()
    return KnowledgeGraphs(
        graphs, {(graphs[0].name, graphs[1].name): edge_index}, **options
    )
