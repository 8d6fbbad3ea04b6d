"""The encoders of images and names, by name; add your own under a new name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from os import PathLike
from pathlib import Path
from typing import TypeVar

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
Encoder = TypeVar("Encoder")


def _colours(folder: str | None) -> ImageEncoder:
    if folder is not None:
        raise ValueError("the encoder 'colours' takes no folder")
    return encode_image


def _vision(folder: str | None, device: str | None = None) -> ImageEncoder:
    if folder is None:
        raise ValueError("give the folder of the vision model: vision:FOLDER")
    return VisionEncoder(folder, device)


def _ngrams(folder: str | None) -> NameEncoder:
    if folder is not None:
        raise ValueError("the encoder 'ngrams' takes no folder")
    return encode_names


def _sentences(folder: str | None, device: str | None = None) -> NameEncoder:
    return lambda texts: encode_sentences(texts, folder, device=device)


IMAGE_ENCODERS: dict[str, Callable[..., ImageEncoder]] = {
    "colours": _colours,
    "vision": _vision,
}
"""Image encoders by name: functions that take what follows the colon (a folder, or
None) and return the encoder, which turns a file into a vector. Those with an argument
``device`` are told where to encode. Add yours under a new name."""

NAME_ENCODERS: dict[str, Callable[..., NameEncoder]] = {
    "ngrams": _ngrams,
    "sentences": _sentences,
}
"""Name encoders by name, likewise; an encoder turns texts into rows, which are zero
where a text is empty."""


def image_encoder(spec: str, device: str | None = None) -> ImageEncoder:
    """The image encoder that ``'colours'`` or ``'vision:FOLDER'`` stands for.

    Args:
        spec (str): Name, or name, colon and folder.
        device (str, optional): Where a model encodes. (default: CUDA if available)

    Raises:
        ValueError: If there is no such encoder, or its folder holds no model.

    Example:
        >>> image_encoder("colours").__name__
        'encode_image'
    """
    name, folder = _parts(spec, IMAGE_ENCODERS)
    return _made(IMAGE_ENCODERS[name], folder, device)


def name_encoder(
    spec: str, cache: str | PathLike[str] | None = None, device: str | None = None
) -> NameEncoder:
    """The name encoder that ``'ngrams'``, ``'sentences'`` or ``'sentences:FOLDER'``
    stands for.

    Args:
        spec (str): Name, or name, colon and folder.
        cache (str or Path, optional): Folder in which vectors are kept by text and
            model files, except n-grams, which depend on all names together.
            (default: none)
        device (str, optional): Where a model encodes. (default: CUDA if available)

    Raises:
        ValueError: If there is no such encoder.

    Example:
        >>> name_encoder("ngrams")(["Paris"]).shape
        (1, 1024)
    """
    name, folder = _parts(spec, NAME_ENCODERS)
    encoder = _made(NAME_ENCODERS[name], folder, device)
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


def _made(
    make: Callable[..., Encoder], folder: str | None, device: str | None
) -> Encoder:
    if "device" in signature(make).parameters:
        return make(folder, device=device)
    return make(folder)


def _parts(spec: str, known: Mapping[str, object]) -> tuple[str, str | None]:
    name, colon, folder = spec.partition(":")
    if name not in known:
        raise ValueError(f"there is no encoder {name!r}; there are {', '.join(known)}")
    return name, folder if colon else None
