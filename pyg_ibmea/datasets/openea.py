"""The benchmarks of OpenEA."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pyg_ibmea.data import read_openea, set_split
from pyg_ibmea.datasets._feature_files import (
    PathLike,
    add_features,
    check_asked_for,
    given_files,
)
from pyg_ibmea.datasets.knowledge_graphs import KnowledgeGraphs

_WHERE = (
    "OpenEA's datasets (v1.1 and v2.0, 15K and 100K) are linked from "
    "https://github.com/nju-websoft/OpenEA; unpack them and give the folder that holds "
    "ent_links, or the one above it, as root"
)


class OpenEA(KnowledgeGraphs):
    """A pair of graphs of OpenEA, such as ``EN_FR_15K_V1``, with its published folds.

    Args:
        root (str or Path): Folder of the files, or the folder above it; it is only
            read.
        name (str): Name of the pair, such as :obj:`"D_W_15K_V1"`.
        fold (int, optional): Number of the published fold, from 1 on.
            (default: :obj:`1`)
        names (tuple, optional): Names of the graphs.
            (default: taken from the name of the pair)
        ratio (float, optional): Share of the links that are seed pairs, instead of the
            fold. (default: :obj:`None`)
        image (str or Path, optional): File of image features of both graphs; see
            :func:`~pyg_ibmea.data.read_features`. Entities are named by their URI, or
            by their node id, to which in the second graph the number of entities of the
            first is added. (default: :obj:`None`)
        features (dict, optional): Files of features of other modalities, by modality,
            such as :obj:`{"name": "names.tsv"}`. (default: :obj:`None`)
        **options (optional): See :class:`KnowledgeGraphs`.

    Raises:
        FileNotFoundError: If files are missing; the message says where they are
            published.
        ValueError: If a file is malformed, or one was given for a modality that is not
            asked for.
    """

    def __init__(
        self,
        root: PathLike,
        name: str,
        fold: int = 1,
        names: tuple[str, str] | None = None,
        ratio: float | None = None,
        image: PathLike | None = None,
        features: Mapping[str, PathLike] | None = None,
        **options: Any,
    ) -> None:
        files = given_files({"image": image, **(features or {})})
        if options.get("modalities") is not None:
            check_asked_for(files, options["modalities"])
        folders = [Path(root) / name, Path(root)]
        folder = next((f for f in folders if (f / "ent_links").is_file()), None)
        if folder is None:
            raise FileNotFoundError(
                f"{folders[0].absolute()} has no ent_links; {_WHERE}"
            )
        parts = name.lower().split("_")
        names = names or (parts[0], parts[1] if len(parts) > 1 else "target")
        pair = read_openea(folder, names, fold)
        # Numbered across both graphs, so that a number names one entity.
        size = pair.source.num_nodes
        pair.target.entity_ids = torch.arange(size, size + pair.target.num_nodes)
        add_features([pair.source, pair.target], files)
        links = {names: pair.links}
        given = ratio is not None or pair.masks is None
        super().__init__(
            [pair.source, pair.target],
            links,
            ratio=ratio if ratio is not None else 0.3 if given else 1.0,
            **({} if given else {"val_ratio": 0.0}) | options,
        )
        if not given and pair.masks is not None:
            set_split(self._data, names, pair.masks)
