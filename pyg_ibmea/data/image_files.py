"""Image features of entities from a folder or a list of image files."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from pyg_ibmea.data._rows import read_rows
from pyg_ibmea.data._vector_cache import VectorCache, content_key
from pyg_ibmea.data.images import encode_image

PathLike = str | os.PathLike[str]
Vector = NDArray[np.float32]

_SUFFIXES = {
    ".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".svg", ".avif",
}  # fmt: skip
# Larger files are not even opened.
_MOST_BYTES = 100_000_000


def find_images(source: PathLike, entities: Sequence[str]) -> dict[str, Path]:
    """Finds which image file belongs to which entity.

    Args:
        source: A folder of images, each named after its entity (the URI, its last part,
            or the URI percent-encoded, with any suffix; upper and lower case are one if
            no exact name is there); or a table with the columns ``entity`` and
            ``file``, files being relative to its folder.
        entities: The URIs.

    Returns:
        The file of each entity that has one, in the order of the entities.

    Raises:
        FileNotFoundError: If there is no such folder or table.
        ValueError: If no image belongs to any entity, or the table is malformed.
    """
    source = Path(source)
    if source.is_dir():
        files = {
            path.stem: path
            for path in sorted(source.rglob("*"))
            if path.suffix.lower() in _SUFFIXES and path.is_file()
        }
        lower = {stem.casefold(): path for stem, path in files.items()}
        found = {}
        for entity in entities:
            names = (entity, quote(entity, safe=""), re.split(r"[/#]", entity)[-1])
            paths = [files.get(name) or lower.get(name.casefold()) for name in names]
            path = next((path for path in paths if path), None)
            if path:
                found[entity] = path
    else:
        known = set(entities)
        rows = read_rows(source, ("entity", "file"))
        listed = {e: source.parent / file for e, file in rows if e in known}
        found = {e: listed[e] for e in entities if e in listed}
    if not found:
        raise ValueError(
            f"{source}: no image belongs to any of the {len(entities)} entities, such "
            f"as {entities[0]!r}."
            if len(entities)
            else f"{source}: no entities."
        )
    return found


def encode_images(
    files: Mapping[str, Path],
    entities: Sequence[str],
    cache: PathLike | None = None,
    encoder: Callable[[Path], Vector] = encode_image,
    progress: bool = False,
) -> tuple[Tensor, Tensor]:
    """Encodes one image of each entity; those that cannot be read count as missing.

    Args:
        files: Image by entity.
        entities: The URIs of the ``N`` entities.
        cache: Folder in which vectors are kept by the content of the image and the name
            of the encoder (its ``cache_name``, if it has one), so that no image is
            encoded twice. (default: none)
        encoder: Gives the vector ``[F]`` of a file, and raises :class:`ValueError` or
            :class:`OSError` for one that it cannot read.
        progress: Whether to show how far it is.

    Returns:
        Features, float ``[N, F]``, zero where there is no image, and the mask, bool
        ``[N]``. What could not be read is warned about.

    Raises:
        ValueError: If none can be read.
    """
    name = f"{encoder.__module__}.{getattr(encoder, '__qualname__', repr(encoder))}"
    store = VectorCache(cache, "images", getattr(encoder, "cache_name", name))
    vectors: dict[str, Vector] = {}
    problems: list[str] = []
    wanted = [entity for entity in entities if entity in files]
    for entity in tqdm(wanted, "images", leave=False, disable=not progress):
        path = files[entity]
        try:
            vectors[entity] = _encoded(path, store, encoder)
        except (ValueError, OSError) as error:
            problems.append(
                str(error) if str(path) in str(error) else f"{path}: {error}"
            )
    store.save()
    if not vectors:
        first = problems[0] if problems else "no entity has one"
        raise ValueError(f"None of {len(wanted)} images can be read; {first}")
    if problems:
        warnings.warn(
            f"{len(problems)} of {len(wanted)} images cannot be read, their entities "
            f"count as having none ({problems[0]})",
            stacklevel=2,
        )
    width = len(next(iter(vectors.values())))
    x = np.zeros((len(entities), width), dtype=np.float32)
    mask = np.zeros(len(entities), dtype=bool)
    for row, entity in enumerate(entities):
        if entity in vectors:
            x[row], mask[row] = vectors[entity], True
    return torch.from_numpy(x), torch.from_numpy(mask)


def _encoded(
    path: Path, store: VectorCache, encoder: Callable[[Path], Vector]
) -> Vector:
    """The vector of an image, kept by its content."""
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"the file has more than {_MOST_BYTES:,} bytes")
    if store.path is None:
        return encoder(path)
    key = content_key(path.read_bytes())
    if key not in store.known:
        store.add(key, encoder(path))
    return store.known[key]
