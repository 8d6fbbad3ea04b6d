"""Anchors from labels: equal ones, those equal but for brackets, nearly equal ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyg_ibmea.anchors._entries import Floats, Ints, Pairs
from pyg_ibmea.anchors._keys import pairs_by_key
from pyg_ibmea.anchors._near_labels import near_labels
from pyg_ibmea.anchors._normal import in_any_order, without_brackets

EQUAL = "equal labels"
BRACKETS = "labels equal but for brackets"
NEAR = "nearly equal labels"

_FORMS = ((EQUAL, in_any_order, 0.97), (BRACKETS, without_brackets, 0.9))
# The share of a pair among all of an entity falls with this power of the cosine.
_POWER = 16

Labels = Sequence[Sequence[str]]


def by_labels(source: Labels, target: Labels) -> tuple[dict[str, Pairs], list[str]]:
    r"""What labels say about pairs of entities.

    A form of a label that one entity of each graph has gives 0.97, or 0.9 without
    what is in brackets; one that k entities of a graph share, a k-th of it. Labels
    whose n-grams have the cosine :math:`c` give :math:`0.97\, c` times the least share
    of :math:`c^{16}` among all pairs of either entity, so that what has two near labels
    has no sure one.

    Args:
        source (sequence): The labels of each source entity.
        target (sequence): The labels of each target entity.

    Returns:
        tuple: The pairs with their probabilities by kind, and sentences on labels that
        too many entities share.
    """
    found: dict[str, Pairs] = {}
    said = []
    for kind, form, probability in _FORMS:
        keys = [[{form(label) for label in own} for own in s] for s in (source, target)]
        keyed = pairs_by_key(*keys)
        value = keyed.pairs.value * probability
        found[kind] = keyed.pairs._replace(value=value)
        if keyed.crowded and kind == EQUAL:
            label, count = keyed.crowded[0]
            more = len(keyed.crowded) - 1
            others = f", like {more} other labels" * (more > 0)
            said.append(
                f"{count} entities are called {label!r}: it identifies none of "
                f"them{others}"
            )
    near = near_labels(source, target)
    certain = np.minimum(_share(near.row, near), _share(near.column, near))
    found[NEAR] = near._replace(value=0.97 * near.value * certain)
    return found, said


def _share(group: Ints, pairs: Pairs) -> Floats:
    """The share of each pair in the sum of its entity's."""
    power = pairs.value**_POWER
    total = np.bincount(group, weights=power)
    found: Floats = power / total[group] if len(group) else power
    return found
