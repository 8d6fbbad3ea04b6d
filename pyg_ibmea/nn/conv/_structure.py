"""The sorted form of a graph that the aggregation operator reads."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch_geometric import EdgeIndex


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


def _pointer(index: Tensor, size: int) -> Tensor:
    # Not PyTorch's own conversion, whose size is fixed when it is compiled.
    return torch.searchsorted(index, torch.arange(size + 1, device=index.device))


def check_graph(edge_index: Tensor, num_source: int, num_target: int) -> None:
    """Checks that edges name existing nodes, and that an :class:`EdgeIndex` is sorted
    as it says.

    An :class:`EdgeIndex` is checked once and remembers it. Other graphs are checked at
    each call; on CUDA without waiting for the result, so that a bad edge ends in a
    device-side assertion, as in PyTorch's own indexing.

    Raises:
        IndexError: If an edge names a node that does not exist.
        ValueError: If an :class:`EdgeIndex` is not sorted as it says.
    """
    if edge_index.numel() == 0:
        return
    if isinstance(edge_index, EdgeIndex):
        plain = edge_index.as_tensor()
        passed = (plain._version, num_source, num_target)
        if getattr(edge_index, _PASSED, None) == passed:
            return
        _check_range(plain, num_source, num_target)
        _check_sorted(edge_index)
        memory: Any = edge_index
        setattr(memory, _PASSED, passed)
    elif edge_index.device.type == "cuda":
        (source, target) = edge_index
        inside = (edge_index >= 0).all() & (source < num_source).all()
        torch._assert_async(inside & (target < num_target).all())
    else:
        _check_range(edge_index, num_source, num_target)


_PASSED = "_pyg_ibmea_passed"


def _check_range(edge_index: Tensor, num_source: int, num_target: int) -> None:
    for row, side, size in ((0, "source", num_source), (1, "target", num_target)):
        index = edge_index[row]
        low, high = index.min(), index.max()
        if low < 0 or high >= size:
            bad = int(((index < 0) | (index >= size)).nonzero()[0])
            raise IndexError(
                f"edge {bad} has the {side} node {int(index[bad])}, but there are "
                f"{size} {side} nodes (valid: 0 to {size - 1})"
            )


def _check_sorted(edge_index: EdgeIndex) -> None:
    for row, order, nodes in ((0, "row", "source"), (1, "col", "target")):
        if edge_index.sort_order != order:
            continue
        index = edge_index.as_tensor()[row]
        if (index[1:] < index[:-1]).any():
            raise ValueError(
                f"the EdgeIndex says sort_order={order!r}, but its edges are not "
                f"sorted by their {nodes} nodes; sort them, or create it without "
                "sort_order"
            )
