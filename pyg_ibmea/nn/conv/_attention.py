"""Diagonal graph attention as one operator, registered with PyTorch.

``pyg_ibmea::diagonal_attention`` goes from scores at the nodes to weighted sums of
features, for several attention matrices at once. Registered with ``torch.library``, it
can be traced, compiled and exported. It runs on PyTorch's sparse products anywhere, on
the kernels of :mod:`pyg_ibmea.nn.conv._attention_numba` on the CPU, and on those of
:mod:`pyg_ibmea.nn.conv._attention_triton` on CUDA devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.utils import scatter, softmax

from pyg_ibmea.nn._sparse import csr, rows_of, sampled_products
from pyg_ibmea.nn.conv._backend import runs_numba, runs_triton
from pyg_ibmea.nn.conv._structure import Structure


class Scores(NamedTuple):
    """What decides the attention coefficients of ``K`` matrices.

    Attributes:
        source (torch.Tensor): ``[N_s, K]``.
        target (torch.Tensor or None): ``[N_t, K]``.
        inner (torch.Tensor or None): ``[E, K]``, added before the nonlinearity.
        outer (torch.Tensor or None): ``[E, K]``, added after it.
        gate (torch.Tensor or None): ``[E, K]``, multiplies the coefficients.
    """

    source: Tensor
    target: Tensor | None = None
    inner: Tensor | None = None
    outer: Tensor | None = None
    gate: Tensor | None = None

    def of(self, matrices: slice) -> Scores:
        """Those of some of the matrices."""

        def part(scores: Tensor | None) -> Tensor | None:
            return None if scores is None else scores[:, matrices]

        return Scores(self.source[:, matrices], *map(part, self[1:]))


def diagonal_attention(
    x: Tensor,
    scale: Tensor,
    scores: Scores,
    structure: Structure,
    heads: int,
    negative_slope: float,
) -> Tensor:
    r"""Computes, for stacks :math:`s` of :math:`H` heads,

    .. math::
        y_{s,i} = \frac1H \sum_{k \in s} w_k \odot \sum_{e: j \to i} g_{ke} \,
        \alpha_{ke} \, x_j, \qquad \alpha_{ke} = \mathrm{softmax}_{e \to i} \left(
        -\mathrm{LeakyReLU}(s_{kj} + t_{ki} + u_{ke}) + v_{ke} \right)

    without storing anything of the size edges times channels.

    Args:
        x (torch.Tensor): Features of the senders, :math:`(N_s, C)`.
        scale (torch.Tensor): :math:`w`, :math:`(K, C)`, heads of a stack side by side.
        scores (Scores): :math:`s, t, u, v, g`; edges in the receiver order of
            ``structure``.
        structure (Structure): The graph.
        heads (int): :math:`H`, a divisor of :math:`K`.
        negative_slope (float): Slope of LeakyReLU.

    Returns:
        torch.Tensor: :math:`(K / H, N_t, C)`.
    """
    # Features may have half precision; coefficients and sums never do.
    dtype = torch.promote_types(x.dtype, torch.float32)
    wide = [None if t is None else t.to(dtype).contiguous() for t in scores]
    with torch.autocast(device_type=x.device.type, enabled=False):
        out, _ = torch.ops.pyg_ibmea.diagonal_attention(
            x.contiguous(),
            scale.to(dtype).contiguous(),
            *wide,
            structure.source,
            structure.target,
            structure.ptr,
            structure.t_target,
            structure.t_ptr,
            structure.t_perm,
            heads,
            negative_slope,
        )
    result: Tensor = out
    return result


_INPUTS = (
    "Tensor x, Tensor scale, Tensor score_src, Tensor? score_dst, Tensor? inner, "
    "Tensor? outer, Tensor? gate, "
)
_GRAPH = (
    "Tensor source, Tensor target, Tensor ptr, Tensor t_target, Tensor t_ptr, "
    "Tensor t_perm, int heads, float negative_slope"
)


@torch.library.custom_op(
    "pyg_ibmea::diagonal_attention",
    mutates_args=(),
    schema=f"({_INPUTS}{_GRAPH}) -> (Tensor, Tensor)",
)
def _forward(
    x: Tensor,
    scale: Tensor,
    score_src: Tensor,
    score_dst: Tensor | None,
    inner: Tensor | None,
    outer: Tensor | None,
    gate: Tensor | None,
    source: Tensor,
    target: Tensor,
    ptr: Tensor,
    t_target: Tensor,
    t_ptr: Tensor,
    t_perm: Tensor,
    heads: int,
    negative_slope: float,
) -> tuple[Tensor, Tensor]:
    """The sums, in the type of x, and the coefficients, in that of the scale."""
    if runs_triton(x):
        from pyg_ibmea.nn.conv import _attention_triton

        return _attention_triton.forward(
            *(x, scale, score_src, score_dst, inner, outer, gate),
            *(source, ptr, heads, negative_slope),
        )
    num_targets, dtype = ptr.numel() - 1, x.dtype
    # Sparse products on CPU have no half-precision kernels (PyTorch 2.13).
    x = x.to(scale.dtype)
    out = x.new_empty(scale.size(0) // heads, num_targets, x.size(1))
    if runs_numba(x):
        from pyg_ibmea.nn.conv import _attention_numba as kernels

        alpha = x.new_empty(source.numel(), scale.size(0))
        optional = (score_dst, inner, outer, gate)
        kernels.forward(
            *_arrays(x, scale, score_src, *optional, source, ptr),
            kernels.pieces(ptr.numpy()),
            negative_slope,
            heads,
            *_arrays(out, alpha),
        )
        return out.to(dtype), alpha
    scores = Scores(score_src, score_dst, inner, outer)
    alpha = coefficients(scores, source, target, num_targets, negative_slope)
    alpha = alpha.contiguous()
    gated = alpha if gate is None else alpha * gate
    out.zero_()
    for k, w in enumerate(scale):
        matrix = csr(ptr, source, gated[:, k], (num_targets, x.size(0)))
        out[k // heads].addcmul_(matrix @ x, w, value=1 / heads)
    return out.to(dtype), alpha


@_forward.register_fake
def _(
    x: Tensor, scale: Tensor, *args: Any, **kwargs: Any
) -> tuple[Tensor, Tensor]:  # pragma: no cover - runs under tracing only
    source, _, ptr = args[5:8]
    heads = args[11]
    out = x.new_empty(scale.size(0) // heads, ptr.size(0) - 1, x.size(1))
    return out, scale.new_empty(source.size(0), scale.size(0))


@torch.library.custom_op(
    "pyg_ibmea::diagonal_attention_backward",
    mutates_args=(),
    schema=(
        f"(Tensor grad, Tensor alpha, {_INPUTS}{_GRAPH}) -> "
        "(Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)"
    ),
)
def _backward(
    grad: Tensor,
    alpha: Tensor,
    x: Tensor,
    scale: Tensor,
    score_src: Tensor,
    score_dst: Tensor | None,
    inner: Tensor | None,
    outer: Tensor | None,
    gate: Tensor | None,
    source: Tensor,
    target: Tensor,
    ptr: Tensor,
    t_target: Tensor,
    t_ptr: Tensor,
    t_perm: Tensor,
    heads: int,
    negative_slope: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x, scale, score_src, score_dst, inner, outer and gate."""
    if runs_triton(x):
        from pyg_ibmea.nn.conv import _attention_triton

        return _attention_triton.backward(
            *(grad, alpha, x, scale, score_src, score_dst, inner, gate, source),
            *(ptr, t_target, t_ptr, t_perm, heads, negative_slope),
        )
    num_targets, num_columns, dtype = ptr.numel() - 1, scale.size(0), x.dtype
    x, grad = x.to(scale.dtype), grad.to(scale.dtype)
    grad_x = torch.empty_like(x)
    if runs_numba(x):
        from pyg_ibmea.nn.conv import _attention_numba as kernels

        grad_inner, grad_outer = torch.empty_like(alpha), torch.empty_like(alpha)
        grad_gate = x.new_empty(0) if gate is None else torch.empty_like(alpha)
        grad_dst = x.new_empty(num_targets, num_columns)
        grad_src = torch.empty_like(score_src)
        kernels.backward_scores(
            *_arrays(grad, x, scale, score_src, score_dst, inner, gate, alpha),
            *_arrays(source, ptr),
            kernels.pieces(ptr.numpy()),
            negative_slope,
            heads,
            *_arrays(grad_inner, grad_outer, grad_gate.view(-1, num_columns), grad_dst),
        )
        borders = kernels.pieces(t_ptr.numpy())
        grad_scale = scale.new_zeros(len(borders) - 1, *scale.shape)
        kernels.backward_features(
            *_arrays(grad, x, scale, gate, alpha, grad_inner),
            *_arrays(t_target, t_ptr, t_perm),
            borders,
            heads,
            *_arrays(grad_x, grad_scale, grad_src),
        )
        grads = (grad_x.to(dtype), grad_scale.sum(0), grad_src, grad_dst)
        return *grads, grad_inner, grad_outer, grad_gate

    gated = alpha if gate is None else alpha * gate
    grad_gated = torch.empty_like(alpha)
    grad_scale = torch.empty_like(scale)
    grad_x.zero_()
    for k, w in enumerate(scale):
        part = grad[k // heads] / heads
        transposed = csr(t_ptr, t_target, gated[t_perm, k], (x.size(0), num_targets))
        back = transposed @ part
        grad_scale[k] = (x * back).sum(0)
        grad_x.addcmul_(back, w)
        grad_gated[:, k] = sampled_products(ptr, source, part * w, x)
    grad_alpha = grad_gated if gate is None else grad_gated * gate
    grad_gate = x.new_empty(0) if gate is None else grad_gated * alpha
    mean = scatter(alpha * grad_alpha, target, dim_size=num_targets)
    grad_outer = alpha * (grad_alpha - mean[target])
    before = _before(Scores(score_src, score_dst, inner), source, target)
    grad_inner = -torch.where(before > 0, grad_outer, negative_slope * grad_outer)
    grad_src = scatter(grad_inner, source, dim_size=x.size(0))
    grad_dst = scatter(grad_inner, target, dim_size=num_targets)
    grads = (grad_x.to(dtype), grad_scale, grad_src, grad_dst)
    return *grads, grad_inner, grad_outer, grad_gate


@_backward.register_fake
def _(
    grad: Tensor, alpha: Tensor, x: Tensor, scale: Tensor, *args: Any, **kwargs: Any
) -> tuple[Tensor, ...]:  # pragma: no cover - runs under tracing only
    score_src, gate = args[0], args[4]
    return (
        torch.empty_like(x),
        torch.empty_like(scale),
        torch.empty_like(score_src),
        scale.new_empty(grad.size(1), scale.size(0)),
        torch.empty_like(alpha),
        torch.empty_like(alpha),
        scale.new_empty(0) if gate is None else torch.empty_like(alpha),
    )


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    *tensors, heads, negative_slope = inputs
    ctx.options = heads, negative_slope
    # No zeros are made for the coefficients, which pass no gradient.
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(output[1], *tensors)


def _gradients(ctx: Any, grad: Tensor | None, _: Any) -> tuple[Tensor | None, ...]:
    alpha, *tensors = ctx.saved_tensors
    needed = ctx.needs_input_grad
    if grad is None:
        return (None,) * len(needed)
    if torch.is_grad_enabled():  # The gradients are to be differentiated again.
        wanted = _differentiable_gradients(grad, tensors, needed, *ctx.options)
    else:
        grads = torch.ops.pyg_ibmea.diagonal_attention_backward(
            grad.contiguous(), alpha, *tensors, *ctx.options
        )
        wanted = [g if n else None for g, n in zip(grads, needed, strict=False)]
    return (*wanted, *[None] * (len(needed) - len(wanted)))


def _differentiable_gradients(
    grad: Tensor,
    tensors: Sequence[Any],
    needed: Sequence[bool],
    heads: int,
    negative_slope: float,
) -> list[Tensor | None]:
    """The gradients by PyTorch's own operations, which know their own gradients; their
    memory grows with edges times channels.
    """
    # Aliases, as the inputs may depend on each other, scores on features.
    inputs: list[Any] = [None if t is None else t.view_as(t) for t in tensors[:7]]
    x, scale = inputs[0], inputs[1]
    scores = Scores(*inputs[2:])
    source, target, ptr = tensors[7:10]
    num_targets = ptr.numel() - 1
    alpha = coefficients(scores, source, target, num_targets, negative_slope)
    alpha = alpha if scores.gate is None else alpha * scores.gate
    x_j = x.index_select(0, source)
    outputs: list[Tensor] = [
        x.new_zeros(num_targets, x.size(1)) for _ in range(scale.size(0) // heads)
    ]
    for k, w in enumerate(scale):
        message = alpha[:, k, None] * x_j * (w / heads)
        outputs[k // heads] = outputs[k // heads].index_add(0, target, message)
    asked = [t for t, n in zip(inputs, needed, strict=False) if n]
    found = torch.autograd.grad(
        torch.stack(outputs), asked, grad, create_graph=True, materialize_grads=True
    )
    by_place = iter(found)
    return [next(by_place) if n else None for n in needed[:7]]


_forward.register_autograd(_gradients, setup_context=_setup_context)


def coefficients(
    scores: Scores,
    source: Tensor,
    target: Tensor,
    num_targets: int,
    negative_slope: float,
) -> Tensor:
    """The attention coefficients without their gate, ``[E, K]``, edges in any order."""
    score = -F.leaky_relu(_before(scores, source, target), negative_slope)
    if scores.outer is not None:
        score = score + scores.outer
    alpha: Tensor = softmax(score, target, num_nodes=num_targets)
    return alpha


def _before(scores: Scores, source: Tensor, target: Tensor) -> Tensor:
    """The scores before the nonlinearity, ``[E, K]``."""
    score = rows_of(scores.source, source)
    if scores.target is not None:
        score = score + rows_of(scores.target, target)
    return score if scores.inner is None else score + scores.inner


def _arrays(*tensors: Tensor | None) -> list[Any]:
    """The tensors as numpy arrays; an empty one of two dimensions for ``None``."""
    dtype = next(t.dtype for t in tensors if t is not None)
    empty = torch.empty(0, 0, dtype=dtype)
    return [(empty if t is None else t.detach()).numpy() for t in tensors]
