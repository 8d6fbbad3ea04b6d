"""Any form in which PyG passes a graph, read into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.typing import Adj, SparseTensor
from torch_geometric.utils import (
    add_self_loops,
    is_sparse,
    is_torch_sparse_tensor,
    remove_self_loops,
    to_torch_coo_tensor,
    to_torch_csc_tensor,
    to_torch_csr_tensor,
)
from torch_geometric.utils.sparse import set_sparse_value

Sizes = tuple[int | None, int | None]

_TO_SPARSE = {
    torch.sparse_coo: to_torch_coo_tensor,
    torch.sparse_csr: to_torch_csr_tensor,
    torch.sparse_csc: to_torch_csc_tensor,
}


class EdgeInputs(NamedTuple):
    """Edges and what is known of each.

    Attributes:
        edge_index (torch.Tensor): Long ``[2, E]``; an :class:`EdgeIndex` stays one.
        weight (torch.Tensor or None): ``[E]``.
        attr (torch.Tensor or None): ``[E, D]``.
        type (torch.Tensor or None): Long ``[E]``.
        sizes (tuple): Nodes at the first and second end, where the graph tells.
    """

    edge_index: Tensor
    weight: Tensor | None = None
    attr: Tensor | None = None
    type: Tensor | None = None
    sizes: Sizes = (None, None)

    @classmethod
    def read(
        cls,
        edge_index: Adj,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
        edge_type: Tensor | None = None,
        values_are_features: bool = False,
    ) -> EdgeInputs:
        """Reads ``edge_index`` and the arguments beside it.

        Sparse matrices follow PyG's convention: they hold the transposed adjacency
        (``adj_t``, rows receive). Their values are edge weights, or edge features where
        each is a vector or ``values_are_features`` says so.

        Raises:
            ValueError: If ``edge_index`` is malformed, or if edge weights or features
                are given twice.
        """
        if edge_weight is not None:
            edge_weight = _one_weight_each(edge_weight)
        if edge_attr is not None and edge_attr.dim() == 1:
            edge_attr = edge_attr.unsqueeze(1)
        if not is_sparse(edge_index):
            _check_form(edge_index)
            sizes: Sizes = (None, None)
            if isinstance(edge_index, EdgeIndex):
                sizes = edge_index.sparse_size()
            return cls(edge_index, edge_weight, edge_attr, edge_type, sizes)
        if isinstance(edge_index, SparseTensor):
            target, source, value = edge_index.coo()
            sizes = (edge_index.size(1), edge_index.size(0))
        else:
            coo = edge_index.to_sparse_coo().coalesce()
            (target, source), value = coo.indices(), coo.values()
            sizes = (edge_index.size(1), edge_index.size(0))
        if value is not None:
            if value.dim() > 1 or (values_are_features and edge_attr is None):
                edge_attr = _only_one("edge_attr", edge_attr, value)
                edge_attr = edge_attr.view(value.size(0), -1)
            else:
                edge_weight = _only_one("edge_weight", edge_weight, value)
        index = torch.stack([source, target])
        return cls(index, edge_weight, edge_attr, edge_type, sizes)

    def turned(self) -> EdgeInputs:
        """The edges from their second end to their first."""
        return self._replace(
            edge_index=plain(self.edge_index).flip(0), sizes=self.sizes[::-1]
        )

    def with_self_loops(
        self, num_nodes: int, fill_value: float | Tensor | str, loop_type: int | None
    ) -> EdgeInputs:
        """Gives each of the first ``num_nodes`` nodes exactly one self-loop, after all
        other edges.

        Its weight is 1, its type is ``loop_type``, and its features are ``fill_value``
        as in GATConv: given, or made of those of the edges that arrive at the node.
        """
        index = plain(self.edge_index)
        weight, kinds = self.weight, self.type
        if weight is not None:
            _, weight = remove_self_loops(index, weight)
            weight = torch.cat([weight, weight.new_ones(num_nodes)])
        if kinds is not None and loop_type is not None:
            kinds = kinds[index[0] != index[1]]
            kinds = torch.cat([kinds, kinds.new_full((num_nodes,), loop_type)])
        index, attr = remove_self_loops(index, self.attr)
        index, attr = add_self_loops(
            index, attr, fill_value=fill_value, num_nodes=num_nodes
        )
        return EdgeInputs(index, weight, attr, kinds, self.sizes)


def number_of_nodes(
    at_ends: Sequence[int | None], size: Sequence[int | None] | None, graph: Sizes
) -> list[int | None]:
    """The numbers of nodes at both ends, from all that tell.

    Args:
        at_ends (sequence): Rows of the features, where there are any.
        size (sequence or None): The argument of ``forward``.
        graph (tuple): As the graph has it.

    Raises:
        ValueError: If they contradict each other.
    """
    sides = ("source", "target")
    merged: list[int | None] = []
    for end, side in enumerate(sides):
        told = {
            "x": at_ends[end],
            "size": None if size is None else size[end],
            "edge_index": graph[end],
        }
        known = {name: count for name, count in told.items() if count is not None}
        number = next(iter(known.values()), None)
        # Compared one by one: hashing would fix the sizes of a compiled program.
        if any(other != number for other in known.values()):
            said = ", ".join(f"{name} has {count}" for name, count in known.items())
            raise ValueError(
                f"the number of {side} nodes is contradictory: {said}; "
                "make them agree, or leave out what the others tell"
            )
        merged.append(number)
    return merged


def attention_as(
    given: Adj, edges: Tensor, alpha: Tensor, sizes: tuple[int, int]
) -> tuple[Adj, Tensor] | SparseTensor:
    """Attention coefficients in the form that GATConv gives them for a graph of the
    form ``given``: ``(edge_index, alpha)``, for a sparse ``adj_t`` one with the
    coefficients as its values.

    Args:
        given (torch.Tensor, EdgeIndex or SparseTensor): The argument of ``forward``.
        edges (torch.Tensor): Long ``[2, E]``, with self-loops.
        alpha (torch.Tensor): ``[E, ...]``, one or more coefficients an edge.
        sizes (tuple): Source and target nodes.
    """
    shape = (sizes[1], sizes[0])
    if isinstance(given, SparseTensor):
        source, target = edges
        return SparseTensor(row=target, col=source, value=alpha, sparse_sizes=shape)
    if not is_torch_sparse_tensor(given):
        return edges, alpha
    # Sorted first, so that values and the coefficients beside them have one order.
    order = (edges[1] * sizes[0] + edges[0]).argsort(stable=True)
    if given.layout == torch.sparse_csc:
        order = (edges[0] * sizes[1] + edges[1]).argsort(stable=True)
    alpha = alpha[order]
    pattern = _TO_SPARSE[given.layout](edges[:, order].flip(0), size=shape)
    return set_sparse_value(pattern, alpha), alpha


def check_device(edge_index: Tensor, x: Tensor) -> None:
    """Raises :class:`ValueError` if graph and features are on different devices."""
    if edge_index.device != x.device:
        raise ValueError(
            f"edge_index is on {edge_index.device} and the node features are on "
            f"{x.device}; move both to the same device"
        )


def _check_form(edge_index: Tensor) -> None:
    if edge_index.dim() != 2 or edge_index.size(0) != 2:
        raise ValueError(
            "edge_index must have the shape [2, num_edges], got "
            f"{list(edge_index.shape)}"
        )
    if edge_index.dtype != torch.long:
        raise ValueError(
            f"edge_index must hold torch.long (int64), got {edge_index.dtype}; "
            "convert it with edge_index.long()"
        )


def _one_weight_each(edge_weight: Tensor) -> Tensor:
    if edge_weight.dim() == 2 and edge_weight.size(1) == 1:
        return edge_weight.squeeze(1)
    if edge_weight.dim() != 1:
        raise ValueError(
            "edge_weight must have the shape [num_edges] or [num_edges, 1], got "
            f"{list(edge_weight.shape)}; vectors are edge features (edge_attr)"
        )
    return edge_weight


def _only_one(name: str, argument: Tensor | None, value: Tensor) -> Tensor:
    if argument is not None:
        raise ValueError(
            f"{name} is given twice: as an argument and as the values of a sparse "
            "edge_index; pass one of them"
        )
    return value


def plain(index: Tensor) -> Tensor:
    """The tensor inside an :class:`EdgeIndex`."""
    return index.as_tensor() if isinstance(index, EdgeIndex) else index
