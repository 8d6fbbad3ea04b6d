"""What all datasets in JAPE's layout share."""

from __future__ import annotations

import os
import pickle
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor
from torch_geometric.data import HeteroData, InMemoryDataset

from pyg_ibmea.data import (
    read_jape,
    read_names,
    set_split,
    split_links,
    to_hetero_data,
)
from pyg_ibmea.data.features.labels import labels_of_ids
from pyg_ibmea.data.gaps import describe_gaps
from pyg_ibmea.data.readers.jape import missing_jape_files
from pyg_ibmea.data.split import all_test, split_folds
from pyg_ibmea.datasets._feature_files import PathLike, add_features
from pyg_ibmea.datasets._inputs import NAMES_FILE, JapeInputs
from pyg_ibmea.files import DamagedFileError, check_seal, replacing, seal
from pyg_ibmea.problem import links_between, set_labels


class JapeDataset(InMemoryDataset):
    r"""Two knowledge graphs from a folder in JAPE's layout, as one HeteroData.

    The processed data are cached under ``root/processed`` in a file whose name contains
    a hash of everything that shapes them, including the content of the raw files; any
    change makes another file. A damaged cache is made again, with a note. The split is
    applied when the data are loaded. The raw files are only read, and nothing is
    downloaded.

    Args:
        root (str or Path): Folder of the cache.
        folder (str or Path): Folder of the raw files.
        names (tuple): Names of the two graphs.
        where (str): Where the raw files come from, for error messages.
        modalities (sequence of str or None): The modalities to use; None for all that
            there are.
        ratio (float or None): Share of the links that are seed pairs; None for the
            published folds where there are some, else :attr:`default_ratio`.
        split_seed (int): Seed of the split.
        val_ratio (float): Share of the seed pairs kept for validation.
        num_features (int): Maximum number of columns of a bag.
        features (dict): Feature file by modality; None where there is none.
        transform (callable or None): Applied to the data on every access.
        force_reload (bool): Whether to process the raw files again.
    """

    #: Share of the links that are seed pairs, unless the user or the folder sets it.
    default_ratio: ClassVar[float] = 0.3

    def __init__(
        self,
        root: PathLike,
        folder: PathLike,
        names: tuple[str, str],
        where: str,
        *,
        modalities: Sequence[str] | None,
        ratio: float | None,
        split_seed: int,
        val_ratio: float,
        num_features: int,
        features: Mapping[str, PathLike | None],
        transform: Callable[[HeteroData], HeteroData] | None,
        force_reload: bool,
    ) -> None:
        self.names = names
        self.ratio, self.split_seed, self.val_ratio = ratio, split_seed, val_ratio
        missing = missing_jape_files(folder)
        if missing:
            raise FileNotFoundError(
                f"{type(self).__name__} needs {', '.join(missing)} in the folder "
                f"{Path(folder).absolute()}; {where}"
            )
        self.inputs = JapeInputs.find(
            folder, names, modalities, num_features, features, type(self).__name__
        )
        self._fingerprint = self.inputs.fingerprint()
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
        return f"{names}_{self._fingerprint}.pt"

    def _process(self) -> None:
        # PyG's own would load pre_transform.pt and pre_filter.pt from the folder of the
        # cache, as pickles that may run any code. There are no such transforms here.
        done = Path(self.processed_paths[0])
        if self.force_reload or not done.exists():
            done.parent.mkdir(parents=True, exist_ok=True)
            self.process()

    def process(self) -> None:
        """Reads the raw files and writes the cache file."""
        pair = read_jape(self.inputs.folder, self.names)
        add_features([pair.source, pair.target], self.inputs.features)
        data = to_hetero_data(
            [pair.source, pair.target],
            {self.names: pair.links},
            self.inputs.modalities,
            self.inputs.num_features,
            warn=False,
        )
        names = self.inputs.folder / NAMES_FILE
        if names in self.inputs.files:
            read = read_names(names)
            for graph in (pair.source, pair.target):
                set_labels(data, graph.name, labels_of_ids(graph, read))
        payload = {"data": data.to_dict(), "seed_mask": pair.seed_mask}
        with replacing(Path(self.processed_paths[0])) as unfinished:
            torch.save(payload, unfinished)
            seal(unfinished)

    def _load_cache(self) -> None:
        """Loads the cache file; a damaged one is made again."""
        path = self.processed_paths[0]
        try:
            data, self._seed_mask = _read_cache(path)
        except (
            *(RuntimeError, OSError, EOFError, KeyError, DamagedFileError),
            pickle.UnpicklingError,
        ) as error:
            warnings.warn(f"{error}; it is made again", stacklevel=4)
            self.process()
            data, self._seed_mask = _read_cache(path)
        self.data, self.slices = data, None

    def _apply_split(self) -> None:
        """Writes the masks of the published folds, or of a random split."""
        links = links_between(self._data, self.names).edge_index
        seed_mask: Tensor | None = self._seed_mask
        if self.ratio is None and seed_mask is not None:
            masks = split_folds(links, seed_mask, self.split_seed, self.val_ratio)
        elif self.ratio == 0:
            masks = all_test(links)
        else:
            ratio = self.default_ratio if self.ratio is None else self.ratio
            masks = split_links(links, ratio, self.split_seed, self.val_ratio)
        set_split(self._data, self.names, masks)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.names)})"


class JapeBenchmark(JapeDataset):
    """A published benchmark: pairs of graphs in folders in JAPE's layout.

    A subclass says which pairs there are, where they are published and how many of
    their links are seed pairs. Its docstring documents the arguments.

    Raises:
        FileNotFoundError: If raw or feature files are missing.
        ValueError: If the pair is unknown, a file is malformed, a modality asked for
            is absent, or the split is impossible.
    """

    #: The published pairs, each named after its two graphs; the first is the default.
    pairs: ClassVar[tuple[str, ...]]
    #: Says where the raw files are published, for error messages.
    published: ClassVar[str]

    def __init__(
        self,
        root: PathLike,
        pair: str | None = None,
        raw: PathLike | None = None,
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
        pair = self.pairs[0] if pair is None else pair
        if pair not in self.pairs:
            raise ValueError(
                f"{type(self).__name__} has no pair '{pair}'; there are "
                f"{', '.join(map(repr, self.pairs))}"
            )
        source, target = pair.split("_")
        super().__init__(
            root,
            (Path(root) / "raw" if raw is None else Path(raw)) / pair,
            (source, target),
            f"{self.published}; give the folder that holds the folder '{pair}' as "
            "raw=..., or put it there",
            modalities=modalities,
            ratio=ratio,
            split_seed=split_seed,
            val_ratio=val_ratio,
            num_features=num_features,
            features={"image": image, "name": name, **(features or {})},
            transform=transform,
            force_reload=force_reload,
        )


def _read_cache(path: str) -> tuple[HeteroData, Tensor | None]:
    if not check_seal(Path(path)):
        raise DamagedFileError(f"{path} is damaged: it has lost its checksum")
    payload = torch.load(path, weights_only=True)
    return HeteroData.from_dict(payload["data"]), payload["seed_mask"]
