"""Names of entities as vectors: character n-grams, hashed and weighted by idf."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyg_ibmea.data._lines import read_lines

NUM_CHANNELS = 1024
"""Channels of the vector of a name."""

Names = list[tuple[int | str, str]]


def encode_names(names: Sequence[str]) -> NDArray[np.float32]:
    """Encodes names by their character n-grams, n from 2 to 4, within words.

    N-grams are hashed to signed channels, so that the inner product of two names
    estimates the cosine of their n-gram counts, weighted by idf over all names. Case,
    underscores and compatibility forms (NFKC) make no difference.

    Args:
        names: ``M`` names; an empty one becomes a zero row.

    Returns:
        Unit rows ``[M, 1024]``.

    Raises:
        ImportError: If scikit-learn is not installed.

    Example:
        >>> a, b, c = encode_names(["Gary_Rydstrom", "gary rydström", "Seoul"])
        >>> bool(a @ b > 0.5 > abs(a @ c))
        True
    """
    try:
        from sklearn.feature_extraction.text import (
            HashingVectorizer,
            TfidfTransformer,
        )
    except ImportError as error:
        raise ImportError(
            "encoding names needs scikit-learn: pip install pyg_ibmea[text]"
        ) from error
    plain = [
        unicodedata.normalize("NFKC", name).casefold().replace("_", " ")
        for name in names
    ]
    hashed = HashingVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), n_features=NUM_CHANNELS, norm=None
    ).transform(plain)
    weighted = TfidfTransformer().fit_transform(hashed)
    return weighted.toarray().astype(np.float32)  # type: ignore[no-any-return]


def read_names(path: Path) -> Names:
    """Reads the names of entities.

    A ``.json`` file holds ``{id or URI: name}`` or ``[[id or URI, name], ...]``, a
    name being a text or a list of words; any other file has a line
    ``id or URI <TAB> name`` for each entity.

    Raises:
        ValueError: If the file is malformed; the message names the entry or line.
    """
    if path.suffix.lower() == ".json":
        return _from_json(path)
    names: Names = []
    for number, line in enumerate(read_lines(path), start=1):
        key, tab, name = line.partition("\t")
        if not tab or not key.strip():
            raise ValueError(
                f"{path}, line {number}: expected an entity id or URI, a tab and a "
                f"name, got {line[:80]!r}."
            )
        names.append((_key(key.strip()), name.strip()))
    return names


def _from_json(path: Path) -> Names:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # Of UTF-8 or of JSON.
        raise ValueError(f"{path} is no JSON: {error}") from error
    entries = list(content.items()) if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise ValueError(f"{path} must hold an object or a list of pairs.")
    return [_entry(path, place, entry) for place, entry in enumerate(entries)]


def _entry(path: Path, place: int, entry: Any) -> tuple[int | str, str]:
    if isinstance(entry, list | tuple) and len(entry) == 2:
        key, name = entry
        if isinstance(name, list) and all(isinstance(word, str) for word in name):
            name = " ".join(name)
        is_key = isinstance(key, int | str) and not isinstance(key, bool)
        if is_key and isinstance(name, str):
            return _key(key) if isinstance(key, str) else key, name
    raise ValueError(
        f"{path}, entry {place}: expected an entity id or URI and a name (a text or a "
        f"list of words), got {str(entry)[:80]!r}."
    )


def _key(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text
