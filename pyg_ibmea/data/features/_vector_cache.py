"""Vectors that were computed before, found by the content they encode."""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pyg_ibmea.data._boundary import open_regular
from pyg_ibmea.files import check_seal, replacing, seal

Vector = NDArray[np.float32]


class VectorCache:
    """Vectors of one encoder in one ``.npz``; without a folder nothing is kept.

    Args:
        folder (str, Path or None): Folder of the file, made when the first vector is
            saved; None to keep nothing.
        kind (str): What is encoded; the file's name begins with it.
        encoder (str): Name of the encoder; each encoder has its own file.
    """

    def __init__(
        self, folder: str | os.PathLike[str] | None, kind: str, encoder: str
    ) -> None:
        self.path: Path | None = None
        self.known: dict[str, Vector] = {}
        self._new = False
        if folder is None:
            return
        name = hashlib.sha256(encoder.encode()).hexdigest()[:16]
        self.path = Path(folder) / f"{kind}-{name}.npz"
        if not self.path.exists():
            return
        try:
            self.known = _read(self.path)
        except Exception as error:  # Whatever comes of reading what it should not.
            warnings.warn(
                f"{self.path} cannot be read ({error}); the vectors are computed again",
                stacklevel=3,
            )

    def add(self, key: str, vector: Vector) -> None:
        """Adds a vector, which :meth:`save` writes."""
        self.known[key] = vector
        self._new = True

    def save(self) -> None:
        """Writes the file, if there are new vectors."""
        if self.path is None or not self._new:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as unfinished, unfinished.open("wb") as file:
            keys, vectors = list(self.known), np.stack(list(self.known.values()))
            np.savez(file, keys=np.array(keys), vectors=vectors)
            file.close()
            seal(unfinished)


def _read(path: Path) -> dict[str, Vector]:
    with open_regular(path) as kept:
        check_seal(path)  # One of version 0.1 has the checksums of the zip format only.
        with np.load(kept, allow_pickle=False) as file:
            keys, vectors = file["keys"].tolist(), file["vectors"]
            return dict(zip(keys, vectors, strict=True))


def content_key(content: bytes) -> str:
    """The key under which the vector of a content is kept."""
    return hashlib.sha256(content).hexdigest()


def folder_key(folder: str | os.PathLike[str]) -> str:
    """A hash of the files in a folder, which tells one model from another."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).glob("*")):
        if path.is_file():
            digest.update(path.name.encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
