"""What entities, relations and columns of features are called for people."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.data.builder import UNNAMED
from pyg_ibmea.problem import triples_of

_COLUMNS = 3


class Names:
    """What is in a problem, by name.

    Args:
        data (HeteroData): The problem.
    """

    def __init__(self, data: HeteroData) -> None:
        self.data = data
        self._store: dict[str, Any] = data.to_dict().get("_global_store", {})
        self._rows: dict[tuple[str, str], tuple[Tensor, Tensor]] = {}
        self._shared: dict[str, Tensor] = {}
        self._relations: dict[str, int] = {}

    @cached_property
    def node(self) -> dict[str, dict[str, int]]:
        """Node id by URI, by graph."""
        return {
            kg: {self.uri(kg, i): i for i in range(self.data[kg].num_nodes)}
            for kg in self.data.node_types
        }

    def uri(self, kg: str, node: int) -> str:
        """The URI of an entity, or its number where there are none."""
        uris = self._store.get("uri", {}).get(kg)
        return str(node) if uris is None else str(uris[node])

    def label(self, kg: str, node: int) -> str:
        """What a person calls an entity: its first label, or the end of its URI."""
        labels = self._store.get("labels", {}).get(kg)
        first = str(labels[node]).partition("\n")[0] if labels is not None else ""
        return first or short(self.uri(kg, node))

    def relation(self, kg: str, number: int) -> str:
        """The URI of a relation, or its number; ``''`` if it has no name."""
        uris = self._store.get("relation_uri", {}).get(kg)
        name = f"relation {number}" if uris is None else str(uris[number])
        return "" if name == UNNAMED else name

    def num_relations(self, kg: str) -> int:
        """The number by which a relation of a graph is read from tail to head."""
        if kg not in self._relations:
            kinds = triples_of(self.data, kg).edge_type
            self._relations[kg] = int(kinds.max()) + 1 if kinds.numel() else 0
        return self._relations[kg]

    def fact(self, kg: str, relation: int, neighbor: int, full: bool = False) -> str:
        """A relation and the neighbour it leads to.

        Args:
            kg (str): Name of the graph.
            relation (int): Number of the relation; from :meth:`num_relations` on, read
                from tail to head.
            neighbor (int): Node id.
            full (bool, optional): Whether with URIs. (default: :obj:`False`)
        """
        count = self.num_relations(kg)
        back = relation >= count
        kind = self.relation(kg, relation - count if back else relation)
        name = self.uri(kg, neighbor) if full else self.label(kg, neighbor)
        kind = kind if full else short(kind)
        arrow = "←" if back else "→"
        return f"{kind} {arrow} {name}" if kind else f"{arrow} {name}"

    def shared_columns(self, modality: str, nodes: Sequence[tuple[str, int]]) -> str:
        """The rarest columns of a bag that two entities have both, as text; ``''`` if
        it is no bag, or they share none.

        Args:
            modality (str): The modality.
            nodes (sequence of tuple): Graph and node id of both.
        """
        columns = self._store.get("column_uri", {}).get(modality)
        if not columns or any(f"x_{modality}" not in self.data[kg] for kg, _ in nodes):
            return ""
        first, second = (self._columns_of(kg, modality, node) for kg, node in nodes)
        both = first[torch.isin(first, second)]
        if modality not in self._shared:
            every = [self._bag(kg, modality)[1] for kg, _ in nodes]
            count = torch.bincount(torch.cat(every).cpu(), minlength=len(columns))
            self._shared[modality] = count
        both = both.cpu()
        both = both[self._shared[modality][both].argsort(stable=True)]
        named = [short(str(columns[i])) for i in both[:_COLUMNS].tolist()]
        more = both.numel() - len(named)
        return ", ".join(named) + (f" and {more} more" if more else "")

    def _bag(self, kg: str, modality: str) -> tuple[Tensor, Tensor]:
        """Where the rows of a bag begin, and the columns that are not zero."""
        if (kg, modality) not in self._rows:
            x = self.data[kg][f"x_{modality}"]
            x = x.coalesce() if x.is_sparse else x.to_sparse()
            row, column = x.indices()[:, x.values() != 0]
            starts = torch.arange(x.size(0) + 1, device=row.device)
            found = torch.searchsorted(row.contiguous(), starts), column
            self._rows[kg, modality] = found
        return self._rows[kg, modality]

    def _columns_of(self, kg: str, modality: str, node: int) -> Tensor:
        pointer, column = self._bag(kg, modality)
        return column[int(pointer[node]) : int(pointer[node + 1])]


def short(uri: str) -> str:
    """The last part of a URI.

    Example:
        >>> short("http://dbpedia.org/resource/Paris"), short("en#type"), short("a/")
        ('Paris', 'type', 'a')
    """
    return uri.rstrip("/").replace("#", "/").rsplit("/", 1)[-1] or uri
