"""The encoders of images and names, by name; add your own under a new name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pyg_ibmea.data.features._vector_cache import VectorCache, content_key, folder_key
from pyg_ibmea.data.features.colours import encode_image
from pyg_ibmea.data.features.names import encode_names
from pyg_ibmea.data.features.sentences import encode_sentences
from pyg_ibmea.data.features.vision import VisionEncoder

Vector = NDArray[np.float32]
ImageEncoder = Callable[[Path], Vector]
NameEncoder = Callable[[Sequence[str]], Vector]


def _colours(folder: str | None) -> ImageEncoder:
    if folder is not None:
        raise ValueError("the encoder 'colours' takes no folder")
    return encode_image


def _vision(folder: str | None) -> ImageEncoder:
    if folder is None:
        raise ValueError("give the folder of the vision model: vision:FOLDER")
    return VisionEncoder(folder)


def _ngrams(folder: str | None) -> NameEncoder:
    if folder is not None:
        raise ValueError("the encoder 'ngrams' takes no folder")
    return encode_names


def _sentences(folder: str | None) -> NameEncoder:
    return lambda texts: encode_sentences(texts, folder)


IMAGE_ENCODERS: dict[str, Callable[[str | None], ImageEncoder]] = {
    "colours": _colours,
    "vision": _vision,
}
"""Image encoders by name: functions that take what follows the colon (a folder, or
None) and return the encoder, which turns a file into a vector. Add yours under a new
name."""

NAME_ENCODERS: dict[str, Callable[[str | None], NameEncoder]] = {
    "ngrams": _ngrams,
    "sentences": _sentences,
}
"""Name encoders by name, likewise; an encoder turns texts into rows, which are zero
where a text is empty."""


def image_encoder(spec: str) -> ImageEncoder:
    """The image encoder that ``'colours'`` or ``'vision:FOLDER'`` stands for.

    Raises:
        ValueError: If there is no such encoder, or its folder holds no model.

    Example:
        >>> image_encoder("colours").__name__
        'encode_image'
    """
    name, folder = _parts(spec, IMAGE_ENCODERS)
    return IMAGE_ENCODERS[name](folder)


def name_encoder(spec: str, cache: str | PathLike[str] | None = None) -> NameEncoder:
    """The name encoder that ``'ngrams'``, ``'sentences'`` or ``'sentences:FOLDER'``
    stands for.

    Args:
        spec (str): Name, or name, colon and folder.
        cache (str or Path, optional): Folder in which vectors are kept by text and
            model files, except n-grams, which depend on all names together.
            (default: none)

    Raises:
        ValueError: If there is no such encoder.

    Example:
        >>> name_encoder("ngrams")(["Paris"]).shape
        (1, 1024)
    """
    name, folder = _parts(spec, NAME_ENCODERS)
    encoder = NAME_ENCODERS[name](folder)
    if cache is None or name == "ngrams":
        return encoder
    kept = spec if folder is None else f"{name}:{folder_key(folder)}"

    def cached(texts: Sequence[str]) -> Vector:
        store = VectorCache(cache, "names", kept)
        keys = {text: content_key(text.encode()) for text in texts}
        missing = [text for text, key in keys.items() if key not in store.known]
        if missing:
            for text, vector in zip(missing, encoder(missing), strict=True):
                store.add(keys[text], vector)
            store.save()
        return np.stack([store.known[keys[text]] for text in texts])

    return cached


def _parts(spec: str, known: Mapping[str, object]) -> tuple[str, str | None]:
    name, colon, folder = spec.partition(":")
    if name not in known:
        raise ValueError(f"there is no encoder {name!r}; there are {', '.join(known)}")
    return name, folder if colon else None
