"""Which attribute values speak for two entities' being the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pyg_ibmea.align._value_columns import Floats, Ids
from pyg_ibmea.align._value_learning import ValueCorrespondence
from pyg_ibmea.align.value_agreement import each_evidence


class ValueFacts(NamedTuple):
    """What values of corresponding attributes say of pairs of entities.

    Attributes:
        pair (numpy.ndarray): Pairs of node ids as one number each, ascending, ``[L]``.
        learned (numpy.ndarray): The number of the correspondence, ``[L]``.
        evidence (numpy.ndarray): In nats, ``[L]``.
    """

    pair: Ids
    learned: Ids
    evidence: Floats

    @classmethod
    def of(
        cls, learned: Sequence[ValueCorrespondence], size: tuple[int, int]
    ) -> ValueFacts:
        """All that values say.

        Args:
            learned (sequence of ValueCorrespondence): Which attributes correspond.
            size (tuple): Number of nodes of both graphs.
        """
        each = list(each_evidence(learned, size))
        if not each:
            none = np.empty(0, dtype=np.int64)
            return cls(none, none, np.empty(0))
        pair = np.concatenate([pairs for pairs, _ in each])
        evidence = np.concatenate([found for _, found in each])
        number = np.repeat(np.arange(len(each)), [len(found) for _, found in each])
        order = np.lexsort((-evidence, pair))
        return cls(pair[order], number[order], evidence[order])

    def among(self, pair: int) -> list[tuple[int, float]]:
        """Numbers of the correspondences that speak for a pair, and how much, the most
        telling first; each attribute once.
        """
        start, end = np.searchsorted(self.pair, (pair, pair + 1))
        found = zip(
            self.learned[start:end].tolist(),
            self.evidence[start:end].tolist(),
            strict=True,
        )
        return list(found)
