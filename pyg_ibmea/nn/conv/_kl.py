"""What a layer's forwards cost in information, from one step to the next."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor, nn


class KLRecords:
    """The KL divergences of a layer's calls since its last step.

    A step is over when a backward pass has gone through the outputs or the divergence
    of a call, or when nothing holds its outputs any more: the next call begins anew.
    Calls without gradients, as in evaluation, add up until :meth:`clear` or until the
    layer is used with gradients again. Under ``torch.compile``, whose programs know
    nothing of hooks, only the last call counts.
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def clear(self) -> None:
        """Forgets all calls."""
        self._calls = []

    def add(self, kl: Tensor, output: Tensor) -> None:
        """Records a call.

        Args:
            kl (torch.Tensor): ``[*, N]``, a divergence for each node, in nats.
            output (torch.Tensor): What the caller gets; ``kl`` must not depend on it.
        """
        call = _Call(kl.sum(), kl.numel())
        if torch.compiler.is_compiling():
            self._calls = [call]
            return
        self._calls = [known for known in self._calls if known.goes_on_with(call)]
        if call.total.requires_grad and not _in_transform():
            call.watch_output(output)
            call.watch_total()
        elif self._calls and not call.total.requires_grad:
            # One sum, however many batches are evaluated.
            last = self._calls.pop()
            call = _Call(last.total + call.total, last.num_nodes + call.num_nodes)
        self._calls.append(call)

    def total(self) -> tuple[Tensor, int] | None:
        """The sum in nats and the number of nodes; ``None`` before any call."""
        calls = [call for call in self._calls if not _is_dead(call.total)]
        if not calls:
            return None
        if not torch.compiler.is_compiling() and not _in_transform():
            for call in calls:
                call.watch_total()
        nats = calls[0].total
        for call in calls[1:]:
            nats = nats + call.total
        return nats, sum(call.num_nodes for call in calls)


class _Call:
    """One forward: its divergence, and whether its step is over."""

    def __init__(self, total: Tensor, num_nodes: int):
        self.total = total
        self.num_nodes = num_nodes
        self.over = False
        self._watched = False
        self._output: weakref.ref[_Token] | None = None

    def watch_output(self, output: Tensor) -> None:
        """Learns from the output's graph when it has been used, or dropped."""
        if output.requires_grad:
            token = _Token(self)
            # The token lives as long as the output's graph.
            output.register_hook(token.used)
            self._output = weakref.ref(token)

    def watch_total(self) -> None:
        """Learns from the divergence's graph when it has been used."""
        if self._watched or not self.total.requires_grad:
            return
        self._watched = True
        this = weakref.ref(self)

        def used(_: Tensor) -> None:
            call = this()
            if call is not None:
                call.over = True
                # Its graph is gone; the value can still be read.
                call.total = call.total.detach()

        self.total.register_hook(used)

    def goes_on_with(self, other: _Call) -> bool:
        """Whether a later call belongs to the same step."""
        if self.over or _is_dead(self.total):
            return False
        if self._output is not None:
            return self._output() is not None
        return self.total.requires_grad == other.total.requires_grad


class _Token:
    def __init__(self, call: _Call):
        self._call = weakref.ref(call)

    def used(self, _: Tensor) -> None:
        call = self._call()
        if call is not None:
            call.over = True


def _in_transform() -> bool:
    return torch._C._functorch.peek_interpreter_stack() is not None


def _is_dead(tensor: Tensor) -> bool:
    """Whether a tensor was made inside a ``torch.func`` transform that has ended."""
    if torch.compiler.is_compiling():
        return False
    functorch: Any = torch._C._functorch
    dead: bool = functorch.is_dead_tensor_wrapper(tensor)
    return dead


def collect_kl(module: nn.Module, reduction: str = "mean") -> Tensor:
    r"""The KL divergences of all variational layers inside a module, for its loss.

    Args:
        module (torch.nn.Module): A layer, a container such as
            :class:`torch_geometric.nn.HeteroConv`, or a whole model.
        reduction (str, optional): ``'sum'``: nats over all layers, calls and nodes;
            ``'mean'``: the sum over the :math:`L` layers of their means over nodes,
            where each node counts alike however the nodes are spread over the layers,

            .. math::
                L \cdot \frac{\sum_{l=1}^{L} \sum_{i=1}^{n_l} \mathrm{KL}_{li}}
                {\sum_{l=1}^{L} n_l}

            (default: :obj:`'mean'`)

    Returns:
        torch.Tensor: A scalar, in nats. Layers without a call since the last step, and
        calls without nodes, count for nothing.

    Raises:
        ValueError: If no layer of ``module`` has such a divergence.
        RuntimeError: If none of them has been called.

    Example:
        >>> from pyg_ibmea.nn import VariationalIBConv
        >>> convs = torch.nn.ModuleList(VariationalIBConv(4, 4) for _ in range(2))
        >>> x, edge_index = torch.randn(3, 4), torch.tensor([[0, 1], [1, 2]])
        >>> for conv in convs:
        ...     x = conv(x, edge_index)
        >>> expected = convs[0].kl_loss() + convs[1].kl_loss()
        >>> torch.testing.assert_close(collect_kl(convs), expected)
    """
    check_reduction(reduction)
    layers = [layer for layer in module.modules() if _records_of(layer) is not None]
    if not layers:
        raise ValueError(
            f"{type(module).__name__} has no layer with a KL divergence, such as "
            "VariationalIBConv"
        )
    totals = []
    for layer in layers:
        records = _records_of(layer)
        total = None if records is None else records.total()
        if total is not None:
            totals.append(total)
    if not totals:
        raise RuntimeError(
            "the KL divergence belongs to the last forward, and there has been none yet"
        )
    nats, num_nodes = totals[0][0], [n for _, n in totals]
    for more, _ in totals[1:]:
        nats = nats + more.to(nats.device)
    if reduction == "sum":
        return nats
    return nats * (sum(n > 0 for n in num_nodes) / max(1, sum(num_nodes)))


def check_reduction(reduction: str) -> None:
    """Raises :class:`ValueError` unless ``reduction`` is ``'mean'`` or ``'sum'``."""
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be 'mean' or 'sum', got {reduction!r}")


def _records_of(layer: nn.Module) -> KLRecords | None:
    records: Any = layer.__dict__.get("kl_records")
    return records if isinstance(records, KLRecords) else None
