"""Features of entities (images, names) from files of vectors."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyg_ibmea.data._boundary import check_bytes, check_regular
from pyg_ibmea.data.readers._vector_files import VectorFile, read_vector_file
from pyg_ibmea.large import ranges, room_for


def read_features(
    path: str | os.PathLike[str], ids: Tensor, uris: Sequence[str]
) -> tuple[Tensor, Tensor]:
    r"""Reads one vector per entity from a file.

    - ``.pkl``, ``.pickle``: a dict ``{id: vector}``; only numbers are read
    - ``.npz``: arrays ``ids`` ``[M]`` and ``features`` ``[M, F]``
    - ``.npy``: ``[max id + 1, F]``, a row per entity id; an all-zero row is missing
    - ``.h5``, ``.hdf5``: ``ids`` and ``features``, or one dataset per entity
    - ``.json``: names: ``{id: name}`` or ``[[id, name], ...]``, a name being a text or
      a list of words
    - ``.tsv``, ``.txt``: names: a line for each, with id, tab and name

    Names become vectors of 1,024 hashed character n-grams, weighted by idf (needs
    scikit-learn). A matrix in an ``.npy`` of a gibibyte or more is read row by row, and
    features of that size lie in a file that goes when they do.

    An entity is named by its published id or by its URI. Entities that the file lacks
    get a zero row and False in the mask, never an invented vector; vectors of entities
    that are in no graph are dropped with a warning that counts them.

    Args:
        path (str or Path): The file.
        ids (torch.Tensor): Published entity ids, long :obj:`[N]`. For several graphs at
            once, concatenate their ids.
        uris (sequence of str): The N entity URIs.

    Returns:
        Features, float :obj:`[N, F]`, and mask, bool :obj:`[N]`.

    Raises:
        FileNotFoundError: If the file does not exist.
        ImportError: If an HDF5 file is given and h5py is not installed.
        ValueError: If the file is empty or malformed, a vector differs in length from
            the first, is not finite or not one-dimensional (the message names the
            entity), the file covers no entity, or it would take more than 4 GiB (and
            twice its size) of memory; the environment variable
            ``PYG_IBMEA_MAX_BYTES`` sets another limit.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "images.npz"
        ...     np.savez(path, ids=[4], features=[[0.5, 2.0]])
        ...     x, mask = read_features(path, torch.tensor([3, 4]), ["a", "b"])
        >>> x.tolist(), mask.tolist()
        ([[0.0, 0.0], [0.5, 2.0]], [False, True])
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no feature file {path}")
    check_regular(path)
    if ids.shape != (len(uris),):
        raise ValueError(
            f"ids must hold one id for each of the {len(uris)} URIs, got "
            f"{list(ids.shape)}"
        )
    vectors = read_vector_file(path)
    rows = _match_rows(vectors, ids, uris)
    known = rows >= 0
    if not known.any():
        raise ValueError(
            f"{path} covers none of the {len(uris)} entities; its first key is "
            f"{vectors.keys[0]!r}; keys must be entity ids or URIs"
        )
    if not known.all():
        warnings.warn(
            f"{path}: dropped {int((~known).sum())} of {known.size} vectors, whose "
            "entities are in no graph",
            stacklevel=2,
        )
    check_bytes(path, 4 * len(uris) * vectors.num_channels)
    x = room_for((len(uris), vectors.num_channels)).zero_().numpy()
    for place, row in enumerate(rows.tolist()):
        if row >= 0:
            x[row] = vectors.vector(place)
    _check_finite(path, x, ids, uris)
    mask = np.zeros(len(uris), dtype=bool)
    mask[rows[known]] = True
    return torch.from_numpy(x), torch.from_numpy(mask)


def _match_rows(
    vectors: VectorFile, ids: Tensor, uris: Sequence[str]
) -> NDArray[np.int64]:
    """Finds the row of each vector's entity; -1 where the entity is in no graph."""
    by_id = {entity: row for row, entity in enumerate(ids.tolist())}
    by_uri = {vectors.normalise(uri): row for row, uri in enumerate(uris)}
    rows = np.full(len(vectors.keys), -1, dtype=np.int64)
    taken: dict[int, int] = {}
    for place, key in enumerate(vectors.keys):
        if isinstance(key, str):
            row = by_uri.get(vectors.normalise(key), -1)
            if row < 0 and len(key) < 20 and key.isascii() and key.isdigit():
                row = by_id.get(int(key), -1)
        else:
            row = by_id.get(int(key), -1)
        if row >= 0 and taken.setdefault(row, place) != place:
            raise ValueError(
                f"{vectors.path} has two vectors for entity {int(ids[row])} "
                f"({uris[row]!r}): keys {vectors.keys[taken[row]]!r} and {key!r}"
            )
        rows[place] = row
    return rows


def _check_finite(
    path: Path, x: NDArray[np.float32], ids: Tensor, uris: Sequence[str]
) -> None:
    finite = [np.isfinite(x[rows]).all(axis=1) for rows in ranges(len(x))]
    bad = np.flatnonzero(~np.concatenate(finite))
    if bad.size:
        row = int(bad[0])
        raise ValueError(
            f"{path}: the vector of entity {int(ids[row])} ({uris[row]!r}) holds "
            f"NaN, infinity or numbers too large for float32 ({bad.size} such "
            "vectors); remove it, and the entity counts as missing"
        )
