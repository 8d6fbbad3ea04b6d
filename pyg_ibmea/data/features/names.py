"""Names of entities as vectors: character n-grams, hashed and weighted by idf."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pyg_ibmea.large import ranges, room_for

NUM_CHANNELS = 1024
"""Channels of the vector of a name."""

# Above this number, names are encoded some at a time and kept in half precision.
_MANY = 250_000
_AT_A_TIME = 50_000


def encode_names(names: Sequence[str]) -> NDArray[np.floating[Any]]:
    """Encodes names by their character n-grams, n from 2 to 4, within words.

    N-grams are hashed to signed channels, so that the inner product of two names
    estimates the cosine of their n-gram counts, weighted by idf over all names. Case,
    underscores and compatibility forms (NFKC) make no difference.

    Of more than 250,000 names, the rows are in half precision and, of a gibibyte or
    more, in a file that goes when the array does.

    Args:
        names (sequence of str): ``M`` names; an empty one becomes a zero row.

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
            'encoding names needs scikit-learn: pip install "pyg_ibmea[text]"'
        ) from error
    vectorizer = HashingVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), n_features=NUM_CHANNELS, norm=None
    )
    if len(names) <= _MANY:
        weighted = TfidfTransformer().fit_transform(
            vectorizer.transform(map(_plain, names))
        )
        return weighted.toarray().astype(np.float32)  # type: ignore[no-any-return]
    parts, count = [], np.zeros(NUM_CHANNELS, dtype=np.int64)
    for some in ranges(len(names), _AT_A_TIME):
        # The counts of n-grams are small.
        hashed = vectorizer.transform(map(_plain, names[some])).astype(np.float32)
        count += np.bincount(hashed.indices, minlength=NUM_CHANNELS)
        parts.append(hashed)
    idf = (np.log((1 + len(names)) / (1 + count)) + 1).astype(np.float32)
    found = room_for((len(names), NUM_CHANNELS), torch.float16).numpy()
    for some in ranges(len(names), _AT_A_TIME):
        weighted = parts.pop(0)
        weighted.data *= idf[weighted.indices]
        dense = weighted.toarray()
        length = np.linalg.norm(dense, axis=1, keepdims=True)
        found[some] = dense / np.where(length > 0, length, 1)
    return found


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().replace("_", " ")
