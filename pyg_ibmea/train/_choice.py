"""What is asked of an alignment: how many matches, of which entities."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pyg_ibmea.align._ranked_evidence import Allowed
from pyg_ibmea.options import CARDINALITIES
from pyg_ibmea.problem import Pair
from pyg_ibmea.train._entity_names import Names
from pyg_ibmea.train._types import SameType

_SEVERAL = ("one-to-many", "many-to-many")


@dataclass(frozen=True)
class Choice:
    """What is asked of an alignment; see :meth:`pyg_ibmea.Aligner.align`.

    Attributes:
        k (int): How many matches of each source entity, at most. (default: :obj:`1`)
        cardinality (str, optional): How many entities one may be matched with.
            (default: any, the ``k`` best of each source entity)
        sources (collection of str, optional): URIs of the entities to match.
            (default: all)
        targets (collection of str, optional): URIs of the entities they may be matched
            with. (default: all)
        same_type (str or dict, optional): The relation that leads to the type of an
            entity, or that of each graph. (default: types do not count)

    Raises:
        ValueError: If ``k`` is not positive or there is no such cardinality.
    """

    k: int = 1
    cardinality: str | None = None
    sources: Collection[str] | None = None
    targets: Collection[str] | None = None
    same_type: str | Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k must be at least 1, got {self.k}")
        if self.cardinality is not None and self.cardinality not in CARDINALITIES:
            listed = ", ".join(map(repr, CARDINALITIES))
            raise ValueError(
                f"cardinality must be one of {listed}, got {self.cardinality!r}"
            )
        for name in ("sources", "targets"):
            if isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be a list of URIs, got a single text")

    @property
    def is_usual(self) -> bool:
        """Whether it is the match of each source entity that is asked for."""
        return self == Choice()

    @property
    def one_each(self) -> bool:
        """Whether a source entity is taken to have one counterpart at most."""
        return self.cardinality not in _SEVERAL


def chosen_nodes(
    uris: Collection[str] | None, side: int, pairs: Collection[Pair], names: Names
) -> dict[str, Tensor] | None:
    """Node ids of entities that are named, by graph; ``None`` for all.

    Args:
        uris (collection of str): Their URIs, or ``None``.
        side (int): 0 for source graphs, 1 for target graphs.
        pairs (collection of tuple): The pairs of graphs.
        names (Names): What entities are called.

    Raises:
        ValueError: If none of these graphs has an entity of that name.
    """
    if uris is None:
        return None
    graphs = list(dict.fromkeys(pair[side] for pair in pairs))
    for uri in uris:
        if not any(uri in names.node[kg] for kg in graphs):
            raise ValueError(
                f"there is no entity {uri!r} in {' or '.join(map(repr, graphs))}"
            )
    found = {}
    for kg in graphs:
        number = names.node[kg]
        ids = sorted({number[uri] for uri in uris if uri in number})
        found[kg] = torch.tensor(ids, dtype=torch.long)
    return found


def allowed_pairs(
    entities: Sequence[Tensor], targets: Tensor | None, kinds: SameType | None
) -> Allowed | None:
    """Which pairs of rows may be given; ``None`` for all.

    Args:
        entities (sequence of torch.Tensor): Node ids of the rows of both sides.
        targets (torch.Tensor): Node ids of the targets, or ``None`` for all.
        kinds (SameType): What is known of types, or ``None``.
    """
    if targets is None and kinds is None:
        return None
    of_types = None if kinds is None else kinds.between(entities)
    named = None
    if targets is not None:
        named = torch.isin(entities[1], targets.to(entities[1].device))

    def allowed(source: Tensor, target: Tensor) -> Tensor:
        found = torch.ones_like(source + target, dtype=torch.bool)
        if named is not None:
            found &= named[target]
        if of_types is not None:
            found &= of_types(source, target)
        return found

    return allowed
