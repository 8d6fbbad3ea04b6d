"""Image features of entities: each image encoded once, what is missing masked."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from pyg_ibmea.data._boundary import open_regular
from pyg_ibmea.data.features._vector_cache import VectorCache, content_key
from pyg_ibmea.data.features.colours import encode_image

PathLike = str | os.PathLike[str]
Vector = NDArray[np.float32]

# Larger files are not even opened.
_MOST_BYTES = 100_000_000
# A picture with one of these may say which side is up. Vectors that were kept when
# nobody looked have the plain key of its content.
_ORIENTED = (b"Exif\0", b"eXIf", b"EXIF")


def encode_images(
    files: Mapping[str, Path],
    entities: Sequence[str],
    cache: PathLike | None = None,
    encoder: Callable[[Path], Vector] = encode_image,
    progress: bool = False,
) -> tuple[Tensor, Tensor]:
    """Encodes one image of each entity; those that cannot be read count as missing.

    Args:
        files (dict): Image by entity.
        entities (sequence of str): The URIs of the ``N`` entities.
        cache (str or Path, optional): Folder in which vectors are kept by the content
            of the image and the name of the encoder (its ``cache_name``, if it has
            one), so that no image is encoded twice. (default: none)
        encoder (callable, optional): Gives the vector ``[F]`` of a file, and raises
            :class:`ValueError` or :class:`OSError` for one that it cannot read.
            (default: :obj:`encode_image`)
        progress (bool, optional): Whether to show a progress bar.
            (default: :obj:`False`)

    Returns:
        Features, float ``[N, F]``, zero where there is no image, and the mask, bool
        ``[N]``. A warning counts the images that could not be read.

    Raises:
        ValueError: If no image can be read.
    """
    store = VectorCache(cache, "images", _cache_name(encoder))
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
        first = problems[0] if problems else "no entity has an image"
        raise ValueError(f"none of {len(wanted)} images can be read: {first}")
    if problems:
        warnings.warn(
            f"{len(problems)} of {len(wanted)} images cannot be read; their entities "
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


def _cache_name(encoder: Callable[[Path], Vector]) -> str:
    """The name under which the cache keeps the vectors of an encoder."""
    if encoder is encode_image:  # Must not change: it names the files of users' caches.
        return "pyg_ibmea.data.images.encode_image"
    name = f"{encoder.__module__}.{getattr(encoder, '__qualname__', repr(encoder))}"
    return str(getattr(encoder, "cache_name", name))


def _encoded(
    path: Path, store: VectorCache, encoder: Callable[[Path], Vector]
) -> Vector:
    """The vector of an image, kept by its content."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > _MOST_BYTES:
            raise ValueError(f"the file has more than {_MOST_BYTES:,} bytes")
        content = file.read() if store.path is not None else b""
    if store.path is None:
        return encoder(path)
    key = content_key(content)
    if any(mark in content for mark in _ORIENTED):
        key += "-upright"
    if key not in store.known:
        store.add(key, encoder(path))
    return store.known[key]
