"""Labels that are nearly equal: the cosine of their character n-grams."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from pyg_ibmea.anchors._entries import Ints, Pairs, among_best
from pyg_ibmea.anchors._normal import plain

_LENGTHS = (2, 3, 4)
# N-grams that more labels of a side have than this are left out of products.
_MOST_SHARED = 500
# The share of the smallest cosine that rarer n-grams must make up.
_SHARE = 0.5
_ROWS = 2048


def near_labels(
    source: Sequence[Sequence[str]],
    target: Sequence[Sequence[str]],
    least: float = 0.4,
    most: int = 5,
) -> Pairs:
    r"""The entities of two graphs whose labels are alike.

    A label is the bag of its character n-grams, n from 2 to 4, within words with their
    borders, each weighted by :math:`1 + \ln(n / n_g)` for the :math:`n_g` of the
    :math:`n` labels of both graphs that have it. Pairs are found by n-grams that at
    most 500 labels of a graph have; these must make up half of the smallest cosine.

    Args:
        source (sequence): The labels of each source entity.
        target (sequence): The labels of each target entity.
        least (float, optional): Smallest cosine. (default: :obj:`0.4`)
        most (int, optional): Most pairs that an entity is kept in, from either side.
            (default: :obj:`5`)

    Returns:
        Pairs: The largest cosine of two labels of the pair.
    """
    size = len(source), len(target)
    (owner, left), (other, right) = _bags(source, target)
    if not left.shape[0] or not right.shape[0]:
        return Pairs.none(size)
    rare = _useful(left, right)
    across = right.multiply(rare).T.tocsr()
    rows, columns, values = [], [], []
    for start in range(0, left.shape[0], _ROWS):
        whole = left[start : start + _ROWS]
        block = (whole.multiply(rare).tocsr() @ across).tocoo()
        kept = block.data >= _SHARE * least
        row, column = block.row[kept], block.col[kept]
        cosine = whole[row].multiply(right[column]).sum(axis=1)
        rows.append(owner[row + start])
        columns.append(other[column])
        values.append(cosine.astype(np.float64))
    three = np.concatenate(rows), np.concatenate(columns), np.concatenate(values)
    found = Pairs.best_of(*three, size)
    found = found.take(found.value >= least)
    found = found._replace(value=found.value.clip(max=1.0))
    near = among_best(found.row, found.value, most)
    near |= among_best(found.column, found.value, most)
    return found.take(near)


def _bags(
    *sides: Sequence[Sequence[str]],
) -> list[tuple[Ints, csr_array]]:
    """Whose label each row is, and the rows of unit length without common n-grams."""
    number: dict[str, int] = {}
    owners, shapes = [], []
    for labels in sides:
        owner: list[int] = []
        rows: list[int] = []
        columns: list[int] = []
        for entity, texts in enumerate(labels):
            for text in dict.fromkeys(map(plain, texts)):
                grams = _grams(text)
                columns += [number.setdefault(gram, len(number)) for gram in grams]
                rows += [len(owner)] * len(grams)
                owner += [entity] if grams else []
        owners.append(np.array(owner, dtype=np.int64))
        shapes.append((len(owner), rows, columns))
    bags = []
    for count, rows, columns in shapes:
        ones = np.ones(len(rows), dtype=np.float32)
        bags.append(csr_array((ones, (rows, columns)), shape=(count, len(number))))
    shared = sum(np.bincount(bag.indices, minlength=len(number)) for bag in bags)
    total = sum(bag.shape[0] for bag in bags)
    weight = (1 + np.log(total / np.maximum(shared, 1))).astype(np.float32)
    for bag in bags:
        bag.data = np.sqrt(bag.data) * weight[bag.indices]
        length = np.sqrt(bag.multiply(bag).sum(axis=1))
        bag.data /= np.repeat(length, np.diff(bag.indptr)).astype(np.float32)
    return list(zip(owners, bags, strict=True))


def _useful(left: csr_array, right: csr_array) -> NDArray[np.float32]:
    """Which n-grams are in labels of both graphs, in few enough: 0 or 1, ``[1, G]``."""
    shared = [np.bincount(bag.indices, minlength=bag.shape[1]) for bag in (left, right)]
    few = np.maximum(*shared) <= _MOST_SHARED
    return (few & (np.minimum(*shared) > 0)).astype(np.float32)[None]


def _grams(text: str) -> list[str]:
    words = [f" {word} " for word in text.split()]
    return [
        word[i : i + n]
        for word in words
        for n in _LENGTHS
        for i in range(max(1, len(word) - n + 1))
        if len(word) >= n
    ]
