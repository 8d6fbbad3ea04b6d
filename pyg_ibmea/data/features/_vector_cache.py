"""Vectors that were computed before, by the content that they are of."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pyg_ibmea.files import replacing

Vector = NDArray[np.float32]


class VectorCache:
    """Vectors of one encoder in one ``.npz``; without a folder nothing is kept.

    Args:
        folder: Where the file is; it is made when the first vector is saved.
        kind: What is encoded, the beginning of the file's name.
        encoder: Names the encoder; another one has another file.
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
        try:
            with np.load(self.path, allow_pickle=False) as file:
                keys, vectors = file["keys"].tolist(), file["vectors"]
                self.known = dict(zip(keys, vectors, strict=True))
        except Exception:  # Absent or damaged: it is made anew.
            self.known = {}

    def add(self, key: str, vector: Vector) -> None:
        """Keeps a vector, to be saved."""
        self.known[key] = vector
        self._new = True

    def save(self) -> None:
        """Writes what is new, in one step."""
        if self.path is None or not self._new:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as unfinished, unfinished.open("wb") as file:
            keys, vectors = list(self.known), np.stack(list(self.known.values()))
            np.savez(file, keys=np.array(keys), vectors=vectors)


def content_key(content: bytes) -> str:
    """Under which a vector is kept."""
    return hashlib.sha256(content).hexdigest()


def folder_key(folder: str | os.PathLike[str]) -> str:
    """What tells a model in a folder from another: a hash of the folder's files."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).glob("*")):
        if path.is_file():
            digest.update(path.name.encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
