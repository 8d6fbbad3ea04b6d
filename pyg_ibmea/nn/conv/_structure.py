"""The sorted form of a graph that the aggregation operator reads."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.typing import Adj, SparseTensor
from torch_geometric.utils import (
    add_self_loops,
    is_torch_sparse_tensor,
    remove_self_loops,
)


class Structure(NamedTuple):
    """Edges in two orders: by receiving node, and by sending node.

    Attributes:
        source (torch.Tensor): Sending node of each edge, edges sorted by receiver.
        target (torch.Tensor): Receiving node of each edge, ascending.
        ptr (torch.Tensor): Edges ``ptr[i]`` to ``ptr[i + 1]`` arrive at node ``i``.
        t_target (torch.Tensor): Receiving node of each edge, edges sorted by sender.
        t_ptr (torch.Tensor): Like ``ptr``, by sending node.
        t_perm (torch.Tensor): Position, in receiver order, of each edge in sender
            order.
        perm (torch.Tensor or None): Position, in the order given by the caller, of
            each edge in receiver order; ``None`` if that is the same order.
    """

    source: Tensor
    target: Tensor
    ptr: Tensor
    t_target: Tensor
    t_ptr: Tensor
    t_perm: Tensor
    perm: Tensor | None

    @classmethod
    def from_edge_index(
        cls, edge_index: Tensor, num_source: int, num_target: int
    ) -> Structure:
        """Sorts a COO ``edge_index``; an :class:`EdgeIndex` that has its sorted forms
        cached hands them over as they are.
        """
        if isinstance(edge_index, EdgeIndex):
            size = edge_index.sparse_size()
            known = edge_index.is_sorted_by_col and size == (num_source, num_target)
            # Dynamo cannot trace the cache of an EdgeIndex (PyG 2.8).
            if known and not torch.compiler.is_compiling():
                (ptr, source), _ = edge_index.get_csc()
                (t_ptr, t_target), t_perm = edge_index.get_csr()
                target = edge_index.as_tensor()[1]
                _check_sorted(target)
                return cls(source, target, ptr, t_target, t_ptr, t_perm, None)
            edge_index = edge_index.as_tensor()
        target, perm = torch.sort(edge_index[1], stable=True)
        source = edge_index[0][perm]
        by_source, t_perm = torch.sort(source, stable=True)
        return cls(
            source,
            target,
            _pointer(target, num_target),
            target[t_perm],
            _pointer(by_source, num_source),
            t_perm,
            perm,
        )


def _check_sorted(target: Tensor) -> None:
    if (target[1:] < target[:-1]).any():
        raise ValueError(
            "the EdgeIndex says sort_order='col', but its edges are not sorted by "
            "their target nodes; sort them, or create it without sort_order"
        )


def _pointer(index: Tensor, size: int) -> Tensor:
    # Not PyTorch's own conversion, whose size is fixed when it is compiled.
    return torch.searchsorted(index, torch.arange(size + 1, device=index.device))


def to_coo(
    edge_index: Adj, edge_weight: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Reads any form in which PyG passes a graph.

    Sparse matrices follow PyG's convention: they hold the transposed adjacency
    (``adj_t``, rows receive) and their values are edge weights.

    Returns:
        tuple: ``edge_index`` of shape ``[2, E]`` (an :class:`EdgeIndex` stays one),
        and the edge weights ``[E]`` or ``None``.
    """
    if isinstance(edge_index, SparseTensor):
        target, source, value = edge_index.coo()
    elif is_torch_sparse_tensor(edge_index):
        coo = edge_index.to_sparse_coo().coalesce()
        (target, source), value = coo.indices(), coo.values()
    else:
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
        return edge_index, edge_weight
    if edge_weight is not None:
        raise ValueError(
            "edge_weight is given twice: as an argument and as the values of a sparse "
            "edge_index; pass one of them"
        )
    return torch.stack([source, target]), value


def check_device(edge_index: Tensor, x: Tensor) -> None:
    """Raises :class:`ValueError` if graph and features are on different devices."""
    if edge_index.device != x.device:
        raise ValueError(
            f"edge_index is on {edge_index.device} and the node features are on "
            f"{x.device}; move both to the same device"
        )


def check_index_range(edge_index: Tensor, num_source: int, num_target: int) -> None:
    """Raises :class:`ValueError` if an edge names a node that does not exist."""
    if edge_index.numel() == 0:
        return
    for row, side, size in ((0, "source", num_source), (1, "target", num_target)):
        index = edge_index[row]
        low, high = index.min(), index.max()
        if low < 0 or high >= size:
            bad = int(((index < 0) | (index >= size)).nonzero()[0])
            raise ValueError(
                f"edge {bad} has the {side} node {int(index[bad])}, but x has "
                f"{size} {side} nodes (valid: 0 to {size - 1})"
            )


def replace_self_loops(
    edge_index: Tensor,
    edge_weight: Tensor | None,
    edge_attr: Tensor | None,
    num_nodes: int,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Gives each of the first ``num_nodes`` nodes exactly one self-loop.

    Its weight is 1 and its features are the mean of the features of the edges that
    arrive at the node, as in GATConv.
    """
    if isinstance(edge_index, EdgeIndex):
        edge_index = edge_index.as_tensor()
    if edge_weight is not None:
        _, edge_weight = remove_self_loops(edge_index, edge_weight)
        edge_weight = torch.cat([edge_weight, edge_weight.new_ones(num_nodes)])
    edge_index, edge_attr = remove_self_loops(edge_index, edge_attr)
    edge_index, edge_attr = add_self_loops(
        edge_index, edge_attr, fill_value="mean", num_nodes=num_nodes
    )
    return edge_index, edge_weight, edge_attr
