"""The benchmarks of OpenEA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyg_ibmea.data import read_openea, set_split
from pyg_ibmea.datasets._jape_dataset import PathLike
from pyg_ibmea.datasets.knowledge_graphs import KnowledgeGraphs

_WHERE = (
    "OpenEA's datasets (v1.1 and v2.0, 15K and 100K) are linked from "
    "https://github.com/nju-websoft/OpenEA; unpack them and give the folder that holds "
    "ent_links, or the one above it, as root."
)


class OpenEA(KnowledgeGraphs):
    """A pair of graphs of OpenEA, such as ``EN_FR_15K_V1``, with its published folds.

    Args:
        root: Folder of the files, or the folder above it; it is only read.
        name: Name of the pair, such as ``'D_W_15K_V1'``.
        fold: Number of the published fold, from 1 on.
        names: Names of the graphs. (default: by the name of the pair)
        ratio: Share of the links that are seed pairs, instead of the fold.
        **options: See :class:`KnowledgeGraphs`.

    Raises:
        FileNotFoundError: If files are missing; the message says where they are
            published.
        ValueError: If a file is malformed.
    """

    def __init__(
        self,
        root: PathLike,
        name: str,
        fold: int = 1,
        names: tuple[str, str] | None = None,
        ratio: float | None = None,
        **options: Any,
    ) -> None:
        folders = [Path(root) / name, Path(root)]
        folder = next((f for f in folders if (f / "ent_links").is_file()), None)
        if folder is None:
            raise FileNotFoundError(
                f"{folders[0].absolute()} has no ent_links. {_WHERE}"
            )
        parts = name.lower().split("_")
        names = names or (parts[0], parts[1] if len(parts) > 1 else "target")
        pair = read_openea(folder, names, fold)
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
