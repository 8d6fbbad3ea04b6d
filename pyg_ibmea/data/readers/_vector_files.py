"""File formats that hold one vector per entity, behind one interface."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from pyg_ibmea.data._boundary import check_bytes, open_regular, reading
from pyg_ibmea.data.features.names import encode_names
from pyg_ibmea.data.readers._restricted_pickle import load_vectors_pickle
from pyg_ibmea.data.readers.name_files import read_names
from pyg_ibmea.large import ranges

# From this size on, a matrix is not read at once.
_MAPPED_BYTES = 2**30

Key = int | str


@dataclass
class VectorFile:
    """Keys (published ids or URIs) and one checked vector for each.

    Args:
        path (Path): The file, for error messages.
        keys (list of int or str): An id or URI for each vector; at least one.
        vectors (sequence or numpy.ndarray): The vectors, one-dimensional and of one
            length.
        nested_names (bool, optional): Whether the file reads slashes in a key as a
            path. (default: :obj:`False`)
    """

    path: Path
    keys: list[Key]
    vectors: Sequence[Any] | NDArray[Any]
    nested_names: bool = False

    def __post_init__(self) -> None:
        if not self.keys:
            raise ValueError(f"{self.path} holds no vectors")
        self.num_channels = 0
        self.num_channels = self.vector(0).size
        if self.num_channels == 0:
            raise ValueError(f"{self.path}: the first vector is empty")

    def vector(self, place: int) -> NDArray[np.float32]:
        """Returns the vector of ``keys[place]``, float ``[F]``."""
        entity = f"{self.path}: the vector of entity {self.keys[place]!r}"
        value = self.vectors[place]
        # Lists of one list over and over would become an array without end.
        if isinstance(value, list | tuple) and set(map(type, value)) & {list, tuple}:
            raise ValueError(f"{entity} is not a vector: it holds lists")
        raw = np.asarray(value)
        if raw.dtype.kind not in "biuf":
            raise ValueError(f"{entity} must hold real numbers, got {raw.dtype}")
        if raw.ndim != 1:
            raise ValueError(
                f"{entity} must have one dimension, got shape {list(raw.shape)}"
            )
        if self.num_channels and raw.size != self.num_channels:
            raise ValueError(
                f"{entity} has {raw.size} entries, but that of entity "
                f"{self.keys[0]!r} has {self.num_channels}"
            )
        with np.errstate(over="ignore"):  # Infinity is reported by the caller.
            return raw.astype(np.float32)

    def normalise(self, name: str) -> str:
        """Spells a URI as the keys of this file spell it."""
        return re.sub("/+", "/", name).strip("/") if self.nested_names else name


def read_vector_file(path: Path) -> VectorFile:
    """Reads a file of vectors in the format that its suffix names.

    Raises:
        ImportError: If an HDF5 file is given and h5py is not installed.
        ValueError: If the suffix is unknown or the file is malformed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "names.npy"
        ...     np.save(path, np.eye(2))
        ...     read_vector_file(path).keys
        [0, 1]
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(
            f"{path}: unknown kind of feature file '{path.suffix}'; known are "
            f"{', '.join(_READERS)}"
        )
    with reading(path):
        return reader(path)


def check_archive(path: Path) -> None:
    """Raises ValueError if what a zip archive holds is too large unpacked."""
    with open_regular(path) as file, ZipFile(file) as archive:
        check_bytes(path, sum(member.file_size for member in archive.infolist()))


def _read_pickle(path: Path) -> VectorFile:
    vectors = load_vectors_pickle(path)
    return VectorFile(path, [_key(path, k) for k in vectors], list(vectors.values()))


def _read_npz(path: Path) -> VectorFile:
    with reading(path, "is not an .npz file of 'ids' and 'features'"):
        check_archive(path)
        with np.load(path, allow_pickle=False) as arrays:
            missing = {"ids", "features"} - set(arrays.files)
            if missing:
                raise ValueError(f"it lacks {', '.join(sorted(missing))}")
            return _from_arrays(path, arrays["ids"], arrays["features"])


def _read_npy(path: Path) -> VectorFile:
    with reading(path, "is not an .npy matrix of numbers"):
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size < _MAPPED_BYTES:
                features = np.lib.format.read_array(file, allow_pickle=False)
            else:
                features = np.lib.format.open_memmap(path, mode="r")
        if features.ndim != 2:
            raise ValueError(f"{path} must hold one matrix [max id + 1, F]")
        there = [(features[r] != 0).any(axis=1) for r in ranges(len(features))]
        present = np.flatnonzero(np.concatenate(there or [np.zeros(0, bool)]))
        return VectorFile(path, present.tolist(), _Rows(features, present))


@dataclass
class _Rows(Sequence[Any]):
    """Some rows of a matrix, which may lie in a file."""

    matrix: NDArray[Any]
    numbers: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, place: Any) -> Any:
        return self.matrix[self.numbers[place]]


def _read_hdf5(path: Path) -> VectorFile:
    try:
        import h5py  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f'reading {path} needs h5py: pip install "pyg_ibmea[hdf5]"'
        ) from error
    from pyg_ibmea.data.readers._hdf5 import HDF5Vectors

    with reading(path, "is not an HDF5 file of numbers"):
        with HDF5Vectors(path) as file:
            table = file.table()
            if table is not None:
                return _from_arrays(path, *table)
            vectors: dict[Key, NDArray[Any]] = dict(file.by_name())
        return VectorFile(path, list(vectors), list(vectors.values()), True)


def _read_names(path: Path) -> VectorFile:
    named = [(key, name) for key, name in read_names(path) if name]
    vectors: Sequence[Any] | NDArray[Any]
    vectors = encode_names([name for _, name in named]) if named else []
    return VectorFile(path, [key for key, _ in named], vectors)


def _from_arrays(path: Path, ids: NDArray[Any], features: NDArray[Any]) -> VectorFile:
    if ids.ndim != 1 or features.ndim != 2 or len(ids) != len(features):
        raise ValueError(
            f"'ids' must be [M] and 'features' [M, F], got {list(ids.shape)} and "
            f"{list(features.shape)}"
        )
    return VectorFile(path, [_key(path, key) for key in ids.tolist()], features)


def _key(path: Path, key: object) -> Key:
    if isinstance(key, np.integer):
        return int(key)
    if isinstance(key, int | str) and not isinstance(key, bool):
        return key
    raise ValueError(
        f"{path}: keys must be entity ids or URIs, got {key!r} of type "
        f"{type(key).__name__}"
    )


_READERS: dict[str, Callable[[Path], VectorFile]] = {
    ".pkl": _read_pickle,
    ".pickle": _read_pickle,
    ".npz": _read_npz,
    ".npy": _read_npy,
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
    ".json": _read_names,
    ".tsv": _read_names,
    ".txt": _read_names,
}
