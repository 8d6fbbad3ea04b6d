"""New entities for a problem on which a model has been trained."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.problem import labels_of, set_labels, triples_of

Feature = tuple[Tensor, Tensor]


def add_entities(
    data: HeteroData,
    kg: str,
    entities: Sequence[str],
    triples: Iterable[tuple[str, str, str]] = (),
    attributes: Iterable[tuple[str, str]] = (),
    features: Mapping[str, Tensor | Feature] | None = None,
) -> HeteroData:
    """Adds entities to a graph of an alignment problem.

    The new entities come after the known ones, whose node ids and bags do not change,
    and have no links. Their bags of relations and attributes use the columns of the
    known entities; any other modality is taken from ``features`` and masked where it is
    not given. Triples whose relation is not in the graph are left out with a warning: a
    model knows nothing of that relation.

    See :meth:`pyg_ibmea.nn.IBMEA.extended` for the model that takes the result.

    Args:
        data (HeteroData): The problem; it is not changed.
        kg (str): Name of the graph.
        entities (sequence of str): URIs of the new entities.
        triples (iterable of tuple, optional): Head, relation and tail by URI (a
            relation by its number as text where the problem has no ``relation_uri``);
            at least one end must be new. (default: none)
        attributes (iterable of tuple, optional): New entity and attribute, by URI.
            (default: none)
        features (dict, optional): By modality, the features of the new entities: a
            matrix ``[n, F]``, alone or with a bool mask ``[n]``. (default: :obj:`None`)

    Returns:
        The larger problem.

    Raises:
        ValueError: If the graph is unknown, a new entity is already in it or given
            twice, a triple or attribute names an unknown entity or no new one, or
            features do not fit.

    Example:
        >>> from pyg_ibmea.datasets import SyntheticMMKG
        >>> data = SyntheticMMKG(num_entities=100)[0]
        >>> triple = ("new", "0", data.uri["source"][0])
        >>> more = add_entities(data, "source", ["new"], [triple])
        >>> more["source"].num_nodes - data["source"].num_nodes
        1
    """
    if kg not in data.node_types:
        raise ValueError(
            f"there is no graph {kg!r}; there are {', '.join(data.node_types)}"
        )
    known: dict[str, int] = {uri: node for node, uri in enumerate(data.uri[kg])}
    number: dict[str, int] = dict(known)
    for uri in entities:
        if uri in number:
            raise ValueError(f"entity {uri!r} is already in graph {kg!r}")
        number[uri] = len(number)

    def node(uri: str, what: str) -> int:
        if uri not in number:
            raise ValueError(f"{what} names {uri!r}, which is not in graph {kg!r}")
        return number[uri]

    relations = {uri: r for r, uri in enumerate(_relations(data, kg))}
    edges, unknown, bag = [], [], []
    for triple in triples:
        head, relation, tail = triple
        ends = (node(head, f"the triple {triple}"), node(tail, f"the triple {triple}"))
        if max(ends) < len(known):
            raise ValueError(f"the triple {triple} names no new entity")
        bag += [(end, relation) for end in ends if end >= len(known)]
        if relation in relations:
            edges.append((ends[0], relations[relation], ends[1]))
        else:
            unknown.append(relation)
    if unknown:
        warnings.warn(
            f"{len(unknown)} triples are left out: graph {kg!r} has no relation "
            f"{unknown[0]!r}",
            stacklevel=2,
        )
    has = []
    for entity, attribute in attributes:
        at = node(entity, f"the attribute {attribute!r}")
        if at < len(known):
            raise ValueError(
                f"attribute {attribute!r} is given for {entity!r}, which is not new"
            )
        has.append((at, attribute))
    return _extended(data, kg, list(number), edges, bag, sorted(set(has)), features)


def _relations(data: HeteroData, kg: str) -> list[str]:
    """The relations of a graph; their numbers as text where they have no URIs."""
    if "relation_uri" in data:
        return list(data.relation_uri[kg])
    types = triples_of(data, kg).edge_type
    return [str(r) for r in range(int(types.max()) + 1 if types.numel() else 0)]


def _extended(
    data: HeteroData,
    kg: str,
    uris: list[str],
    edges: list[tuple[int, int, int]],
    relation_bag: list[tuple[int, str]],
    attribute_bag: list[tuple[int, str]],
    features: Mapping[str, Tensor | Feature] | None,
) -> HeteroData:
    more = copy.copy(data)
    before, size = int(data[kg].num_nodes), len(uris)
    store, rel = more[kg], triples_of(more, kg)
    store.num_nodes = size
    heads, types, tails = torch.tensor(edges, dtype=torch.long).view(-1, 3).t()
    device = rel.edge_index.device
    new_edges = torch.stack([heads, tails]).to(device)
    rel.edge_index = torch.cat([rel.edge_index, new_edges], dim=1)
    rel.edge_type = torch.cat([rel.edge_type, types.to(device)])
    more.uri = {**data.uri, kg: uris}
    if kg in getattr(data, "labels", {}):
        set_labels(more, kg, labels_of(data, kg) + [()] * (size - before))
    bags = {"relation": relation_bag, "attribute": attribute_bag}
    given = dict(features or {})
    for key in [key for key in store.keys() if key.startswith("x_")]:  # noqa: SIM118
        modality = key.removeprefix("x_")
        x, mask = store[key], store[f"mask_{modality}"]
        if modality in given:
            rows, there = _checked(given.pop(modality), modality, size - before, x)
        elif modality in bags and modality in getattr(data, "column_uri", {}):
            columns = data.column_uri[modality]
            rows = _bag(bags[modality], columns, before, size - before)
            there = rows.to_dense().any(dim=1)
        else:
            rows = torch.zeros(size - before, x.size(1))
            there = torch.zeros(size - before, dtype=torch.bool)
        if not x.is_floating_point():  # Fractions would lose what is behind the point.
            x = x.to(torch.promote_types(x.dtype, rows.dtype))
        rows = rows.to(x.device, x.dtype)
        if x.is_sparse:
            rows = rows if rows.is_sparse else rows.to_sparse()
            store[key] = torch.cat([x, rows]).coalesce()
        else:
            rows = rows.to_dense() if rows.is_sparse else rows
            store[key] = torch.cat([x, rows])
        store[f"mask_{modality}"] = torch.cat([mask, there.to(mask.device)])
    if given:
        raise ValueError(f"graph {kg!r} has no modality {next(iter(given))!r}")
    return more


def _checked(
    given: Tensor | Feature, modality: str, count: int, like: Tensor
) -> tuple[Tensor, Tensor]:
    """The matrix and its mask, after a check of their shapes."""
    x = given if isinstance(given, Tensor) else given[0]
    mask = torch.ones(len(x), dtype=torch.bool)
    if not isinstance(given, Tensor):
        mask = given[1]
    if x.shape != (count, like.size(1)) or mask.shape != (count,):
        raise ValueError(
            f"modality {modality!r} must be [{count}, {like.size(1)}] with a mask "
            f"[{count}], got {list(x.shape)} and {list(mask.shape)}"
        )
    x = x.to_dense() if x.is_sparse else x
    return torch.where(mask[:, None], x, x.new_zeros(())), mask.bool()


def _bag(
    entries: list[tuple[int, str]], columns: Sequence[str], before: int, count: int
) -> Tensor:
    """Counts by row (from ``before`` on) and column, sparse ``[count, F]``."""
    column = {uri: i for i, uri in enumerate(columns)}
    cells = [(node - before, column[uri]) for node, uri in entries if uri in column]
    index = torch.tensor(cells, dtype=torch.long).view(-1, 2).t()
    ones = torch.ones(index.size(1))
    return torch.sparse_coo_tensor(
        index, ones, (count, len(columns)), check_invariants=False
    ).coalesce()
