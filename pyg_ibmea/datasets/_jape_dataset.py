"""What the datasets that are read from files in JAPE's layout share."""

from __future__ import annotations

import os
import pickle
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData, InMemoryDataset

from pyg_ibmea.data import (
    describe_gaps,
    missing_jape_files,
    read_features,
    read_jape,
    set_split,
    split_folds,
    split_links,
    to_hetero_data,
)
from pyg_ibmea.datasets._inputs import JapeInputs
from pyg_ibmea.files import replacing
from pyg_ibmea.problem import links_between

PathLike = str | os.PathLike[str]


class JapeDataset(InMemoryDataset):
    r"""Two knowledge graphs from a folder in JAPE's layout, as one HeteroData.

    The processed data are cached under ``root/processed`` in a file whose name holds
    a hash of everything that shapes them, raw files included; a change of any of it
    makes another file. The split is applied when the data are loaded. The raw files
    are only read, and nothing is downloaded.

    Args:
        root: Folder of the cache.
        folder: Folder of the raw files.
        names: Names of the two graphs.
        where: Where the raw files are published, for error messages.
        modalities: The modalities to use; by default all that there are.
        ratio: Share of the links that are seed pairs. By default the published
            folds where there are some, else :obj:`default_ratio`.
        default_ratio: The published share of seed pairs.
        split_seed: Seed of the split.
        val_ratio: Share of the seed pairs kept for validation.
        num_features: The most columns of a bag.
        features: Feature file by modality, for images, names or the user's own.
        transform: Applied to the data on every access.
        force_reload: Whether to process the raw files again.

    Raises:
        FileNotFoundError: If raw or feature files are missing.
        ValueError: If a file is malformed, a modality asked for is absent, or the
            split is impossible.
    """

    def __init__(
        self,
        root: PathLike,
        folder: PathLike,
        names: tuple[str, str],
        *,
        where: str,
        modalities: Sequence[str] | None,
        ratio: float | None,
        default_ratio: float,
        split_seed: int,
        val_ratio: float,
        num_features: int,
        features: Mapping[str, PathLike | None],
        transform: Callable[[HeteroData], HeteroData] | None,
        force_reload: bool,
    ) -> None:
        self.names = names
        self.ratio, self.default_ratio = ratio, default_ratio
        self.split_seed, self.val_ratio = split_seed, val_ratio
        missing = missing_jape_files(folder)
        if missing:
            raise FileNotFoundError(
                f"{type(self).__name__} needs {', '.join(missing)} in the folder "
                f"{Path(folder).absolute()}. {where}"
            )
        self.inputs = JapeInputs.find(
            folder, names, modalities, num_features, features, type(self).__name__
        )
        super().__init__(
            os.fspath(root), transform, log=False, force_reload=force_reload
        )
        self._load_cache()
        self._apply_split()
        for gap in describe_gaps(self._data):
            warnings.warn(gap, stacklevel=3)

    @property
    def raw_dir(self) -> str:
        """Folder of the raw files; nothing is written there."""
        return os.fspath(self.inputs.folder)

    @property
    def raw_file_names(self) -> list[str]:
        """The raw files that are read."""
        return [path.name for path in self.inputs.files]

    @property
    def processed_file_names(self) -> str:
        """The cache file, named by a hash of everything that shapes it."""
        names = re.sub(r"[^\w.-]", "-", "_".join(self.names))
        return f"{names}_{self.inputs.fingerprint()}.pt"

    def process(self) -> None:
        """Reads the raw files and writes the cache file in one step."""
        pair = read_jape(self.inputs.folder, self.names)
        for modality, path in self.inputs.features.items():
            ids = torch.cat([_ids(pair.source), _ids(pair.target)])
            uris = pair.source.entities + pair.target.entities
            x, mask = read_features(path, ids, uris)
            start = 0
            for graph in (pair.source, pair.target):
                rows = slice(start, start + graph.num_nodes)
                # Copies, or saving one side would write the storage of both.
                graph.features[modality] = (x[rows].clone(), mask[rows].clone())
                start += graph.num_nodes
        data = to_hetero_data(
            [pair.source, pair.target],
            {self.names: pair.links},
            self.inputs.modalities,
            self.inputs.num_features,
            warn=False,
        )
        payload = {"data": data.to_dict(), "seed_mask": pair.seed_mask}
        with replacing(Path(self.processed_paths[0])) as unfinished:
            torch.save(payload, unfinished)

    def _load_cache(self) -> None:
        """Loads the cache file; one that is broken is made again."""
        path = self.processed_paths[0]
        try:
            data, self._seed_mask = _read_cache(path)
        except (RuntimeError, OSError, EOFError, KeyError, pickle.UnpicklingError):
            self.process()
            data, self._seed_mask = _read_cache(path)
        self.data, self.slices = data, None

    def _apply_split(self) -> None:
        """Writes the masks of the published folds, or of a split of our own."""
        links = links_between(self._data, self.names).edge_index
        seed_mask: Tensor | None = self._seed_mask
        if self.ratio is None and seed_mask is not None:
            masks = split_folds(links, seed_mask, self.split_seed, self.val_ratio)
        else:
            ratio = self.default_ratio if self.ratio is None else self.ratio
            masks = split_links(links, ratio, self.split_seed, self.val_ratio)
        set_split(self._data, self.names, masks)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.names)})"


def check_pair(dataset: str, pair: str, pairs: Sequence[str]) -> tuple[str, str]:
    """Checks the name of a benchmark's pair; gives the names of its two graphs."""
    if pair not in pairs:
        raise ValueError(
            f"{dataset} has no pair '{pair}'; there are {', '.join(map(repr, pairs))}."
        )
    source, target = pair.split("_")
    return source, target


def _ids(graph: Any) -> Tensor:
    ids: Tensor = graph.entity_ids
    return ids


def _read_cache(path: str) -> tuple[HeteroData, Tensor | None]:
    payload = torch.load(path, weights_only=True)
    return HeteroData.from_dict(payload["data"]), payload["seed_mask"]
