"""Which entities are of corresponding types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.align._ranked_evidence import Allowed
from pyg_ibmea.problem import alignment_pair, links_of, triples_of
from pyg_ibmea.train._entity_names import Names, short

_CHUNK = 1 << 18


class SameType:
    """Says which pairs of entities are of corresponding types.

    The type of an entity is what a relation such as ``rdf:type`` leads to. Two types
    correspond if known pairs have them, if they are a known pair themselves, or if they
    have the same URI. A pair is refused only where both entities have types that
    correspond to some type of the other graph, and none of them to each other: of other
    types nothing is known.

    Args:
        data (HeteroData): The problem of one pair of graphs.
        relation (str or dict): URI of the relation, or its last part; of each graph, if
            it is a dictionary.
        names (Names): What relations are called.

    Raises:
        ValueError: If a graph has no such relation.
    """

    def __init__(
        self, data: HeteroData, relation: str | Mapping[str, str], names: Names
    ) -> None:
        pair = alignment_pair(data)
        parts = [links_of(data, part) for part in ("train", "val")]
        known = torch.cat(parts, dim=1).cpu()
        types = [_types(data, kg, relation, names) for kg in pair]
        # Node ids stand for types, too: those of the source graph come first.
        left, right = (
            _matrix(rows, int(data[kg].num_nodes))
            for rows, kg in zip(types, pair, strict=True)
        )
        first = _matrix(known, left.size(1), right.size(1))
        seen = torch.sparse.mm(torch.sparse.mm(left.t(), first), right).coalesce()
        number = names.node[pair[1]]
        uris = [names.uri(pair[0], i) for i in types[0][1].unique().tolist()]
        own = names.node[pair[0]]
        same = [[own[uri], number[uri]] for uri in uris if uri in number]
        alike = torch.tensor(same, dtype=torch.long).view(-1, 2).t()
        both = torch.cat([seen.indices(), known, alike], dim=1)
        matching = _matrix(both, left.size(1), right.size(1))
        matching = _kept(matching, types)
        informed = [torch.zeros(m.size(0), dtype=torch.bool) for m in (left, right)]
        for side, (rows, has) in enumerate(zip(types, informed, strict=True)):
            counted = torch.isin(rows[1], matching.indices()[side])
            has[rows[0][counted]] = True
        self.informed = informed
        self.reach = torch.sparse.mm(left, matching).coalesce()
        self.right = right

    def between(self, entities: Sequence[Tensor]) -> Allowed:
        """What :meth:`RankedEvidence.ranked` takes.

        Args:
            entities (sequence of torch.Tensor): Node ids of the rows of both sides.
        """
        ours, theirs = (ids.cpu() for ids in entities)
        has = self.informed[0][ours], self.informed[1][theirs]
        reach = self.reach.index_select(0, ours).coalesce()
        right = self.right.index_select(0, theirs).coalesce()

        def allowed(source: Tensor, target: Tensor) -> Tensor:
            device = source.device
            source, target = source.cpu(), target.cpu()
            free = ~(has[0][source] & has[1][target])
            if source.dim() == 2:  # Some rows with all columns.
                rows = reach.index_select(0, source.view(-1)).to_dense()
                common = torch.sparse.mm(right, rows.t()).t()[:, target] > 0
            else:
                common = _in_common(reach, right, source, target)
            found: Tensor = (free | common).to(device)
            return found

        return allowed


def _in_common(left: Tensor, right: Tensor, rows: Tensor, others: Tensor) -> Tensor:
    """Whether rows of two sparse matrices have a column in common, bool ``[L]``."""
    found = []
    for some, with_them in zip(rows.split(_CHUNK), others.split(_CHUNK), strict=True):
        both = left.index_select(0, some) * right.index_select(0, with_them)
        count = torch.zeros(some.numel(), dtype=torch.bool)
        both = both.coalesce()
        # What only one of them has is kept as a zero.
        count[both.indices()[0][both.values() > 0]] = True
        found.append(count)
    return torch.cat(found) if found else torch.zeros(0, dtype=torch.bool)


def _types(
    data: HeteroData, kg: str, relation: str | Mapping[str, str], names: Names
) -> Tensor:
    """Entities and their types, node ids, long ``[2, T]``."""
    name = relation if isinstance(relation, str) else relation.get(kg)
    if name is None:
        raise ValueError(f"say which relation leads to the types of graph {kg!r}")
    store = triples_of(data, kg)
    every = [names.relation(kg, i) for i in range(names.num_relations(kg))]
    chosen = [i for i, uri in enumerate(every) if uri == name]
    chosen = chosen or [i for i, uri in enumerate(every) if short(uri) == name]
    if not chosen:
        raise ValueError(
            f"graph {kg!r} has no relation {name!r} that could lead to types; there "
            f"are {', '.join(map(repr, every[:5]))}"
        )
    kept = torch.isin(store.edge_type.cpu(), torch.tensor(chosen))
    found: Tensor = store.edge_index.cpu()[:, kept].unique(dim=1)
    return found


def _matrix(index: Tensor, rows: int, columns: int | None = None) -> Tensor:
    """A matrix of ones and zeros, sparse."""
    size = (rows, rows if columns is None else columns)
    index = index.unique(dim=1) if index.size(1) else index
    values = torch.ones(index.size(1))
    made = torch.sparse_coo_tensor(index, values, size, check_invariants=False)
    return made.coalesce()


def _kept(matching: Tensor, types: Sequence[Tensor]) -> Tensor:
    """Only the pairs of which both are types."""
    row, column = matching.indices()
    kept = torch.isin(row, types[0][1]) & torch.isin(column, types[1][1])
    return _matrix(matching.indices()[:, kept], *matching.shape)
