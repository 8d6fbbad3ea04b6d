"""One multi-modal knowledge graph in memory, before it becomes HeteroData."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class KnowledgeGraph:
    r"""A knowledge graph: entities, relation triples, attributes and features.

    Entities are numbered 0 to N - 1 in the order of :obj:`entities`; every tensor uses
    these node ids.

    Args:
        name (str): Name of the graph, e.g. :obj:`"zh"`.
        entities (list of str): URI by node id, N unique strings.
        relations (list of str): URI by relation id, R strings.
        triples (torch.Tensor): Long :obj:`[T, 3]`: head node, relation, tail node.
        entity_ids (torch.Tensor, optional): Long :obj:`[N]`: the id of each entity in
            the published files, by which feature files name it. (default: node ids)
        attributes (torch.Tensor, optional): Long :obj:`[2, A]`: node and attribute id
            of every attribute an entity has; :obj:`None` if the graph has no attribute
            file. (default: :obj:`None`)
        attribute_names (list of str, optional): URI by attribute id. (default: none)
        values (list of str, optional): The value of every attribute an entity has, A
            texts, ``''`` where it is unknown; :obj:`None` if no value is known.
            (default: :obj:`None`)
        features (dict, optional): By modality, a matrix :obj:`[N, F]` (dense or sparse
            COO) and a bool mask :obj:`[N]` that is False where the entity has no
            feature. (default: none)

    Raises:
        ValueError: If shapes, ids or masks do not fit the entity and relation lists.

    Example:
        >>> graph = KnowledgeGraph(
        ...     "en", ["Paris", "France"], ["capital"], torch.tensor([[1, 0, 0]])
        ... )
        >>> graph.num_nodes, graph.num_triples
        (2, 1)
    """

    name: str
    entities: list[str]
    relations: list[str]
    triples: Tensor
    entity_ids: Tensor | None = None
    attributes: Tensor | None = None
    attribute_names: list[str] = field(default_factory=list)
    features: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    values: list[str] | None = None

    def __post_init__(self) -> None:
        if len(set(self.entities)) != self.num_nodes:
            raise ValueError(f"graph '{self.name}' lists an entity URI twice")
        if self.triples.dim() != 2 or self.triples.size(1) != 3:
            raise ValueError(
                f"graph '{self.name}': triples must be long [T, 3], got "
                f"{list(self.triples.shape)}"
            )
        self._check_ids("head entity", self.triples[:, 0], self.num_nodes)
        self._check_ids("relation", self.triples[:, 1], len(self.relations))
        self._check_ids("tail entity", self.triples[:, 2], self.num_nodes)
        if self.entity_ids is None:
            self.entity_ids = torch.arange(self.num_nodes)
        elif self.entity_ids.shape != (self.num_nodes,):
            raise ValueError(
                f"graph '{self.name}': entity_ids must be [{self.num_nodes}], got "
                f"{list(self.entity_ids.shape)}"
            )
        if self.attributes is not None:
            if self.attributes.dim() != 2 or self.attributes.size(0) != 2:
                raise ValueError(
                    f"graph '{self.name}': attributes must be long [2, A], got "
                    f"{list(self.attributes.shape)}"
                )
            self._check_ids("attribute's entity", self.attributes[0], self.num_nodes)
            self._check_ids("attribute", self.attributes[1], len(self.attribute_names))
        num_attributes = 0 if self.attributes is None else self.attributes.size(1)
        if self.values is not None and len(self.values) != num_attributes:
            raise ValueError(
                f"graph '{self.name}': {num_attributes} attributes need as many "
                f"values, got {len(self.values)}"
            )
        for modality, (x, mask) in self.features.items():
            self._check_features(modality, x, mask)

    @property
    def num_nodes(self) -> int:
        """Number of entities N."""
        return len(self.entities)

    @property
    def num_triples(self) -> int:
        """Number of triples T."""
        return self.triples.size(0)

    def _check_ids(self, what: str, ids: Tensor, size: int) -> None:
        if ids.dtype != torch.long:
            raise ValueError(
                f"graph '{self.name}': {what} ids must be long, got {ids.dtype}"
            )
        if ids.numel() > 0 and (int(ids.min()) < 0 or int(ids.max()) >= size):
            bad = ids[(ids < 0) | (ids >= size)][0]
            raise ValueError(
                f"graph '{self.name}': {what} id {int(bad)} lies outside 0..{size - 1}"
            )

    def _check_features(self, modality: str, x: Tensor, mask: Tensor) -> None:
        if x.dim() != 2 or x.size(0) != self.num_nodes:
            raise ValueError(
                f"graph '{self.name}': features of modality '{modality}' must be "
                f"[{self.num_nodes}, F], got {list(x.shape)}"
            )
        if mask.dtype != torch.bool or mask.shape != (self.num_nodes,):
            raise ValueError(
                f"graph '{self.name}': the mask of modality '{modality}' must be "
                f"bool [{self.num_nodes}], got {mask.dtype} {list(mask.shape)}"
            )
