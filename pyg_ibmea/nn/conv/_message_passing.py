"""When a layer's fused operator may stand in for PyG's message passing."""

from __future__ import annotations

import torch
from torch_geometric.nn import MessagePassing
from torch_geometric.nn.aggr import SumAggregation

_STEPS = ("propagate", "message", "aggregate", "edge_update")
_METHODS = ("message", "aggregate", "update", "edge_update")


def wants_messages(layer: MessagePassing, base: type[MessagePassing]) -> bool:
    """Whether something asks for the single messages of a layer.

    That is an explainer, a hook, a subclass of ``base`` or an instance with a method of
    its own, another aggregation than the sum, ``decomposed_layers`` (which fails for
    attention, as with GATConv), ONNX, and the transforms of ``torch.func``, for which
    operators made of PyTorch's own have rules.
    """
    if layer.explain or layer.decomposed_layers > 1:
        return True
    if not isinstance(layer.aggr_module, SumAggregation):
        return True
    for step in _STEPS:
        for when in ("pre_hooks", "hooks"):
            if getattr(layer, f"_{step}_forward_{when}"):
                return True
    for name in _METHODS:
        inherited = getattr(type(layer), name) is getattr(base, name)
        if not inherited or name in layer.__dict__:
            return True
    if torch.compiler.is_compiling():
        return torch.onnx.is_in_onnx_export()
    return is_traced() or _is_transformed()


def is_traced() -> bool:
    """Whether a program is being made, in which values decide nothing."""
    return (
        torch.compiler.is_compiling()
        or is_jit_traced()
        or torch.onnx.is_in_onnx_export()
    )


def is_jit_traced() -> bool:
    """Whether ``torch.jit.trace`` is at work."""
    traced: bool = torch._C._get_tracing_state() is not None
    return traced


def _is_transformed() -> bool:
    forward_mode = torch.autograd.forward_ad._current_level >= 0
    return forward_mode or torch._C._functorch.peek_interpreter_stack() is not None
