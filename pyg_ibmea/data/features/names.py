"""Names of entities as vectors: character n-grams, hashed and weighted by idf."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NUM_CHANNELS = 1024
"""Channels of the vector of a name."""


def encode_names(names: Sequence[str]) -> NDArray[np.float32]:
    """Encodes names by their character n-grams, n from 2 to 4, within words.

    N-grams are hashed to signed channels, so that the inner product of two names
    estimates the cosine of their n-gram counts, weighted by idf over all names. Case,
    underscores and compatibility forms (NFKC) make no difference.

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
