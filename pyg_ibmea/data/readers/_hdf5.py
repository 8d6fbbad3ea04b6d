"""Vectors in HDF5 files, from nothing but the file itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pyg_ibmea.data._boundary import check_bytes, check_regular

# Texts of any length may stand many times in a table, in a few bytes each.
_TEXTS_AT_ONCE = 64


class HDF5Vectors:
    """An open HDF5 file of vectors.

    A file that takes data from another one (an external link, external storage, a
    virtual dataset) is refused when it is opened: it could name any file of this
    machine.

    Args:
        path (Path): The file.

    Raises:
        ValueError: If it refers to another file.
    """

    def __init__(self, path: Path) -> None:
        check_regular(path)
        self.path = path
        self.file = h5py.File(path, "r")
        self._bytes = 0
        try:
            self.datasets = dict(_datasets(path, self.file))
        except BaseException:
            self.file.close()
            raise

    def __enter__(self) -> HDF5Vectors:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()

    def table(self) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """The datasets ``ids`` and ``features``, if there are both."""
        ids, features = self.file.get("ids"), self.file.get("features")
        if not isinstance(ids, h5py.Dataset) or not isinstance(features, h5py.Dataset):
            return None
        keys = self._texts(ids) if h5py.check_string_dtype(ids.dtype) else None
        return self._numbers(ids) if keys is None else keys, self._numbers(features)

    def by_name(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Every dataset with its path in the file."""
        for name, dataset in self.datasets.items():
            yield name, self._numbers(dataset)

    def _numbers(self, dataset: h5py.Dataset) -> NDArray[Any]:
        if dataset.dtype.kind not in "biuf":
            raise ValueError(
                f"{self.path}: the vector of entity {dataset.name.strip('/')!r} must "
                f"hold real numbers, got {dataset.dtype}"
            )
        # A dataset may have any shape, and nothing behind it.
        self._spend(dataset.nbytes)
        return np.asarray(dataset[()])

    def _texts(self, dataset: h5py.Dataset) -> NDArray[Any]:
        self._spend(dataset.nbytes)
        if dataset.ndim != 1:
            raise ValueError(f"{self.path}: 'ids' must be [M], got {dataset.shape}")
        found: list[str] = []
        for start in range(0, len(dataset), _TEXTS_AT_ONCE):
            part = dataset.asstr()[start : start + _TEXTS_AT_ONCE].tolist()
            self._spend(sum(map(len, part)))
            found += part
        return np.array(found, dtype=object)

    def _spend(self, count: int) -> None:
        self._bytes += count
        check_bytes(self.path, self._bytes)


def _datasets(path: Path, file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """Every dataset, by name within its groups, once; groups may hold each other."""
    waiting: list[tuple[str, h5py.Group]] = [("", file)]
    seen: set[int] = set()
    found: list[tuple[str, h5py.Dataset]] = []
    while waiting:
        place, group = waiting.pop()
        for name in group:
            where = place + name
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.SoftLink):  # To what has a name of its own.
                continue
            if not isinstance(link, h5py.HardLink):
                raise ValueError(
                    f"{path}: {where!r} is a link to another file, which is refused; "
                    "copy the data into this one"
                )
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(item, h5py.Group):
                waiting.append((f"{where}/", item))
            elif isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise ValueError(
                        f"{path}: the data of {where!r} are in another file, which is "
                        "refused; copy them into this one"
                    )
                found.append((where, item))
    # As h5py visits them.
    yield from sorted(found, key=lambda entry: entry[0].split("/"))
