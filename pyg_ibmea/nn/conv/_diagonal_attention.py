"""Graph attention with diagonal weights: what the layers of this package share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.nn import MessagePassing
from torch_geometric.nn.dense import Linear
from torch_geometric.nn.inits import glorot, ones, zeros
from torch_geometric.typing import Adj, SparseTensor
from torch_geometric.utils import is_sparse, softmax

from pyg_ibmea.nn.conv._attention import Scores, coefficients, diagonal_attention
from pyg_ibmea.nn.conv._edge_inputs import check_edge_inputs
from pyg_ibmea.nn.conv._graph_inputs import (
    EdgeInputs,
    attention_as,
    check_device,
    number_of_nodes,
    plain,
)
from pyg_ibmea.nn.conv._message_passing import is_traced, wants_messages
from pyg_ibmea.nn.conv._structure import Structure, check_graph

NodeInput = Tensor | tuple[Tensor, Tensor | None]

# Attention coefficients, with the edges that they belong to.
Weights: TypeAlias = tuple[Adj, Tensor] | SparseTensor

# The features of the nodes that send and of those that receive.
Roles = tuple[Tensor, Tensor | None]


class Attended(NamedTuple):
    """What the stacks of a layer make of a graph.

    Attributes:
        outputs (list): One per stack, ``[*, N, C]``, or ``[*, N, heads * C]``.
        weights (tuple or SparseTensor or None): If asked for, edges and coefficients
            ``[E, *, heads]`` of the first stack, or ``[E, *, stacks, heads]`` of all.
    """

    outputs: list[Tensor]
    weights: Weights | None


class DiagonalAttention(MessagePassing):
    """What the attention layers of this package share: a number of *stacks*, each with
    its own heads, that read one graph.

    Where nothing asks for single messages, a fused operator computes all stacks at
    once. A subclass's own ``message()``, hooks, explainers, other aggregations and
    ``torch.func`` transforms ask for them: then messages are
    ``[E, stacks * heads, C]``, and all goes through :meth:`propagate`.

    Subclasses decide how many stacks there are and what their outputs mean.
    """

    flow: str

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        heads: int,
        *,
        num_stacks: int,
        concat: bool,
        negative_slope: float,
        dropout: float,
        add_self_loops: bool,
        edge_dim: int | None,
        fill_value: float | Tensor | str,
        bias: bool,
        residual: bool,
        share_weights: bool | None,
        weight: str,
        num_relations: int | None,
        **kwargs: Any,
    ):
        if isinstance(kwargs.setdefault("aggr", "add"), (list, tuple)):
            raise ValueError(
                f"aggr must be one aggregation, got {kwargs['aggr']!r}: several would "
                "change the width of the output; use a layer for each"
            )
        super().__init__(node_dim=0, **kwargs)
        if heads < 1 or out_channels < 1:
            raise ValueError(
                f"heads and out_channels must be positive, got {heads}, {out_channels}"
            )
        given_apart = not isinstance(in_channels, int)
        channels = in_channels if given_apart else (in_channels, in_channels)
        channels = cast(tuple[int, int], channels)
        _check_weight(weight, channels, out_channels, share_weights)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.heads = heads
        self.concat = concat
        self.negative_slope = negative_slope
        self.dropout = dropout
        self.add_self_loops = add_self_loops
        self.edge_dim = edge_dim
        self.fill_value = fill_value
        self.residual = residual
        # As in GATConv, one weight serves both ends unless they are given apart, and
        # the weights named "src" are those of the senders along either flow.
        self.share_weights = not given_apart if share_weights is None else share_weights
        self.weight = weight
        self.num_relations = num_relations

        src_channels, dst_channels = channels[:: self._order]
        self.lins_src = torch.nn.ModuleList()
        self.lins_dst = torch.nn.ModuleList()
        for _ in range(num_stacks if weight == "full" else 0):
            self.lins_src.append(_linear(src_channels, out_channels))
            # A module registered twice is lost by torch.func.functional_call.
            if not self.share_weights:
                self.lins_dst.append(_linear(dst_channels, out_channels))
        shape = (num_stacks, heads, out_channels)
        self.scale = Parameter(torch.empty(shape))
        self.att_src = Parameter(torch.empty(shape))
        self.att_dst = Parameter(torch.empty(shape))
        self.lin_edge = (
            None if edge_dim is None else _linear(edge_dim, num_stacks * heads)
        )
        self.relation_score = (
            # One more for the self-loops that the layer adds.
            None
            if num_relations is None
            else Parameter(torch.empty(num_relations + 1, num_stacks * heads))
        )
        self.res = _linear(dst_channels, self._width) if residual else None
        self.bias = Parameter(torch.empty(self._width)) if bias else None
        # MessagePassing has no reset of its own parameters before this point.
        DiagonalAttention.reset_parameters(self)

    def reset_parameters(self) -> None:
        """Resets all parameters: ones for the scales, zeros for bias and the scores of
        the relations, Glorot for the rest.
        """
        super().reset_parameters()
        for lin in [*self.lins_src, *self.lins_dst]:
            lin.reset_parameters()
        ones(self.scale)
        glorot(self.att_src)
        glorot(self.att_dst)
        if self.lin_edge is not None:
            self.lin_edge.reset_parameters()
        if self.relation_score is not None:
            zeros(self.relation_score)
        if self.res is not None:
            self.res.reset_parameters()
        zeros(self.bias)

    def attend(
        self,
        inputs: list[NodeInput],
        edge_index: Adj,
        edge_attr: Tensor | None = None,
        size: tuple[int, int] | None = None,
        edge_weight: Tensor | None = None,
        edge_type: Tensor | None = None,
        return_weights: bool | str | None = None,
    ) -> Attended:
        """Runs all stacks over a graph; residual and bias go to the first.

        Args:
            inputs (list): The input of each stack; stacks with the same tensor share
                one pass over it.
            edge_index (torch.Tensor, EdgeIndex or SparseTensor): The graph.
            edge_attr (torch.Tensor, optional): ``[E, edge_dim]``.
            size (tuple, optional): Nodes at both ends.
            edge_weight (torch.Tensor, optional): ``[E]``.
            edge_type (torch.Tensor, optional): Long ``[E]``.
            return_weights (bool or str, optional): Whether to return the coefficients
                of the first stack, or of ``'all'``.
        """
        if is_sparse(edge_index) and self._order < 0:
            raise ValueError(
                "a sparse edge_index is read along flow='source_to_target' only; pass "
                "its transposed matrix to a layer with that flow"
            )
        by_role = [self._by_role(x) for x in inputs]
        pairs = [self._project(stack, *pair) for stack, pair in enumerate(by_role)]
        edges = EdgeInputs.read(
            edge_index, edge_weight, edge_attr, edge_type, self.edge_dim is not None
        )
        sizes = self._sizes(pairs, size, edges)
        check_device(edges.edge_index, pairs[0][0])
        if not is_traced():
            check_graph(edges.edge_index, *sizes)
            check_edge_inputs(
                edges.edge_index.size(1), *edges[1:4], self.edge_dim, self.num_relations
            )
        if self._order < 0:
            # From here on, the first end sends.
            edges, sizes = edges.turned(), sizes[::-1]
        if self.add_self_loops:
            loop_type = self.num_relations
            edges = edges.with_self_loops(min(sizes), self.fill_value, loop_type)
        outputs, alpha = self._run(pairs, edges, sizes, bool(return_weights))
        outputs[0] = self._with_residual(outputs[0], by_role[0][1])
        if alpha is None:
            return Attended(outputs, None)
        alpha = alpha.unflatten(-1, (-1, self.heads))
        if return_weights != "all":
            alpha = alpha[..., 0, :]
        if self._order < 0:
            edges = edges.turned()
        return Attended(
            outputs, attention_as(edge_index, edges.edge_index, alpha, sizes)
        )

    @property
    def _order(self) -> int:
        """The step through a pair of ends that leads from senders to receivers, 1 along
        ``flow='source_to_target'``.
        """
        return 1 if self.flow == "source_to_target" else -1

    @property
    def _width(self) -> int:
        """Channels of the output of a stack."""
        return self.out_channels * (self.heads if self.concat else 1)

    def _by_role(self, x: NodeInput) -> Roles:
        senders, receivers = (x, x) if isinstance(x, Tensor) else x[:: self._order]
        if senders is None:
            raise ValueError(
                "along flow='target_to_source' the target nodes send, so they need "
                "features: pass x as (x_source, x_target)"
            )
        return senders, receivers

    def _project(self, stack: int, x_src: Tensor, x_dst: Tensor | None) -> Roles:
        if self.weight == "diagonal":
            self._check_channels(x_src, self.out_channels)
            if x_dst is not None:
                self._check_channels(x_dst, self.out_channels)
            return x_src, x_dst
        lin_src = cast(Linear, self.lins_src[stack])
        lin_dst = lin_src if self.share_weights else self.lins_dst[stack]
        lin_dst = cast(Linear, lin_dst)
        self._check_channels(x_src, lin_src.in_channels)
        h_src = lin_src(x_src)
        if x_dst is None:
            return h_src, None
        if x_dst is x_src and lin_dst is lin_src:
            return h_src, h_src
        self._check_channels(x_dst, lin_dst.in_channels)
        return h_src, lin_dst(x_dst)

    def _check_channels(self, x: Tensor, channels: int) -> None:
        if x.dim() < 2 or (channels > 0 and x.size(-1) != channels):
            wanted = channels if channels > 0 else "channels"
            raise ValueError(
                f"{self!r} needs node features [num_nodes, {wanted}], got "
                f"{list(x.shape)}"
            )

    def _sizes(
        self, pairs: list[Roles], size: tuple[int, int] | None, edges: EdgeInputs
    ) -> tuple[int, int]:
        lead = pairs[0][0].shape[:-2]
        for x_src, x_dst in pairs:
            told = [x_src.size(-2), None if x_dst is None else x_dst.size(-2)]
            told = told[:: self._order]
            sizes = number_of_nodes(told, size, edges.sizes)
            for x in (x_src, x_dst):
                if x is not None and x.shape[:-2] != lead:
                    raise ValueError(
                        "all node features must have the same leading dimensions, "
                        f"got {list(lead)} and {list(x.shape[:-2])}"
                    )
        first, second = sizes
        # Where nothing tells of the receivers, they are as many as the senders.
        return (
            cast(int, second if first is None else first),
            cast(int, first if second is None else second),
        )

    def _run(
        self,
        pairs: list[Roles],
        edges: EdgeInputs,
        sizes: tuple[int, int],
        with_alpha: bool,
    ) -> tuple[list[Tensor], Tensor | None]:
        """The outputs of all stacks and, if asked for, the coefficients
        ``[E, *, stacks * heads]``.
        """
        run: Callable[[list[Roles]], tuple[list[Tensor], Tensor | None]]
        if wants_messages(self, DiagonalAttention):
            run = partial(self._by_messages, edges, sizes, with_alpha)
        else:
            structure = Structure.from_edge_index(edges.edge_index, *sizes)
            run = partial(self._fused, edges, structure, with_alpha)
        lead = pairs[0][0].shape[:-2]
        if not lead:
            return run(pairs)
        results = [run(_graph_of(pairs, place)) for place in range(lead.numel())]
        outputs, alphas = zip(*results, strict=True)
        stacked = [
            torch.stack(stack).unflatten(0, lead)
            for stack in zip(*outputs, strict=True)
        ]
        if not with_alpha:
            return stacked, None
        return stacked, torch.stack(alphas, dim=1).unflatten(1, lead)

    def _fused(
        self,
        edges: EdgeInputs,
        structure: Structure,
        with_alpha: bool,
        pairs: list[Roles],
    ) -> tuple[list[Tensor], Tensor | None]:
        """All stacks by the operator."""
        at_edges = self._edge_scores(edges.attr, edges.type, pairs[0][0].dtype)
        kept = self._dropout_mask(edges.edge_index.size(1))
        scores = Scores(*self._node_scores(pairs), *at_edges)
        alpha = None
        if with_alpha:
            senders, receivers = plain(edges.edge_index)
            alpha = coefficients(
                scores,
                senders,
                receivers,
                structure.ptr.size(0) - 1,
                self.negative_slope,
            )
            alpha = alpha if kept is None else alpha * kept
        scores = scores._replace(gate=self._gate(edges.weight, kept))
        if structure.perm is not None:
            in_order = [
                None if at is None else at.index_select(0, structure.perm)
                for at in scores[2:]
            ]
            scores = Scores(*scores[:2], *in_order)
        x = [x_src for x_src, _ in pairs]
        if all(one is x[0] for one in x):
            # One pass for all stacks.
            x = x[:1]
        columns = self.scale.size(0) * self.heads // len(x)
        scale = self.scale.flatten(0, 1)
        outputs: list[Tensor] = []
        for place, one in enumerate(x):
            part = slice(place * columns, (place + 1) * columns)
            out = diagonal_attention(
                one,
                scale if len(x) == 1 else scale[part],
                scores if len(x) == 1 else scores.of(part),
                structure,
                1 if self.concat else self.heads,
                self.negative_slope,
            )
            if self.concat:
                # One output for each head.
                out = out.unflatten(0, (-1, self.heads)).transpose(1, 2).flatten(2)
            # The views of unbind() cost the least backward. They cannot be written to,
            # but no caller gets one of several as it is.
            outputs += [out.squeeze(0)] if out.size(0) == 1 else list(out.unbind())
        return outputs, alpha

    def _by_messages(
        self,
        edges: EdgeInputs,
        sizes: tuple[int, int],
        with_alpha: bool,
        pairs: list[Roles],
    ) -> tuple[list[Tensor], Tensor | None]:
        """All stacks side by side through PyG's message passing."""
        index = plain(edges.edge_index)
        flow = self.flow
        try:
            # PyG takes pairs for (senders, receivers) along one flow only.
            self.flow = "source_to_target"
            alpha: Tensor = self.edge_updater(
                index,
                alpha=self._node_scores(pairs),
                edge_attr=edges.attr,
                edge_type=edges.type,
                size=sizes,
            )
            gated = alpha if edges.weight is None else alpha * edges.weight[:, None]
            x = tuple(self._scaled([pair[role] for pair in pairs]) for role in (0, 1))
            out = self.propagate(index, x=x, alpha=gated, size=sizes)
        finally:
            self.flow = flow
        out = out.unflatten(1, (-1, self.heads))
        out = out.flatten(2) if self.concat else out.mean(dim=2)
        outputs = [out[:, stack] for stack in range(out.size(1))]
        return outputs, alpha if with_alpha else None

    def _scaled(self, x: list[Tensor | None]) -> Tensor | None:
        """The features that all heads of all stacks pass on, ``[N, K, C]``."""
        scaled = [
            one.unsqueeze(1) * scale
            for one, scale in zip(x, self.scale, strict=True)
            if one is not None
        ]
        return torch.cat(scaled, dim=1) if scaled else None

    def _node_scores(self, pairs: list[Roles]) -> tuple[Tensor, Tensor | None]:
        """What nodes at both ends add to the scores of all stacks and heads, ``[N, K]``
        each.
        """
        src, dst = self.scale * self.att_src, self.scale * self.att_dst
        x = pairs[0][0]
        if all(x_src is x and x_dst is x for x_src, x_dst in pairs):
            # One product for both ends of all stacks.
            weight = torch.cat([src.flatten(0, 1), dst.flatten(0, 1)])
            at_source, at_target = (x @ weight.t()).chunk(2, dim=1)
            return at_source, at_target
        at_source = torch.cat(
            [x_src @ w.t() for (x_src, _), w in zip(pairs, src, strict=True)], dim=1
        )
        at_targets = [
            x_dst @ w.t()
            for (_, x_dst), w in zip(pairs, dst, strict=True)
            if x_dst is not None
        ]
        return at_source, torch.cat(at_targets, dim=1) if at_targets else None

    def _edge_scores(
        self, edge_attr: Tensor | None, edge_type: Tensor | None, dtype: torch.dtype
    ) -> tuple[Tensor | None, Tensor | None]:
        """What edges add before the nonlinearity and after it, ``[E, K]`` each."""
        inner = outer = None
        if edge_attr is not None and self.lin_edge is not None:
            inner = self.lin_edge(edge_attr.flatten(1).to(dtype))
        if edge_type is not None and self.relation_score is not None:
            # The gradient of indexing adds up in no fixed order on several threads.
            outer = self.relation_score.index_select(0, edge_type)
        return inner, outer

    def _dropout_mask(self, num_edges: int) -> Tensor | None:
        """What dropout multiplies the coefficients with, ``[E, K]``."""
        if self.dropout == 0 or not self.training:
            return None
        shape = (num_edges, self.scale.size(0) * self.heads)
        return F.dropout(self.scale.new_ones(shape), self.dropout)

    def _gate(self, edge_weight: Tensor | None, kept: Tensor | None) -> Tensor | None:
        """What multiplies the coefficients after the softmax, ``[E, K]``."""
        if edge_weight is None:
            return kept
        columns = self.scale.size(0) * self.heads
        gate = edge_weight.to(self.scale.dtype)[:, None].expand(-1, columns)
        return gate if kept is None else gate * kept

    def _with_residual(self, out: Tensor, receivers: Tensor | None) -> Tensor:
        """Adds the receivers' own features and the bias, where the layer has them."""
        if self.res is not None and receivers is not None:
            out = out + self.res(receivers)
        return out if self.bias is None else out + self.bias

    def edge_update(
        self,
        alpha_j: Tensor,
        alpha_i: Tensor | None,
        edge_attr: Tensor | None,
        edge_type: Tensor | None,
        index: Tensor,
        ptr: Tensor | None,
        dim_size: int | None,
    ) -> Tensor:
        """The coefficient of each edge for all heads of all stacks, ``[E, K]``."""
        score = alpha_j if alpha_i is None else alpha_j + alpha_i
        inner, outer = self._edge_scores(edge_attr, edge_type, score.dtype)
        score = score if inner is None else score + inner
        score = -F.leaky_relu(score, self.negative_slope)
        score = score if outer is None else score + outer
        alpha = softmax(score, index, ptr, dim_size)
        return F.dropout(alpha, self.dropout, self.training)

    def message(self, x_j: Tensor, alpha: Tensor) -> Tensor:
        """One message per edge and coefficient, ``[E, K, C]``."""
        return alpha.unsqueeze(-1) * x_j

    def __repr__(self) -> str:
        diagonal = ", weight='diagonal'" if self.weight == "diagonal" else ""
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"heads={self.heads}{diagonal})"
        )


def _graph_of(pairs: list[Roles], place: int) -> list[Roles]:
    """One of the graphs of static inputs; what was one tensor stays one."""
    parts: dict[int, Tensor] = {}

    def part(x: Tensor | None) -> Tensor | None:
        if x is None:
            return None
        if id(x) not in parts:
            parts[id(x)] = x.flatten(0, -3)[place]
        return parts[id(x)]

    return [(cast(Tensor, part(x_src)), part(x_dst)) for x_src, x_dst in pairs]


def _check_weight(
    weight: str,
    channels: tuple[int, int],
    out_channels: int,
    share_weights: bool | None,
) -> None:
    if weight not in ("diagonal", "full"):
        raise ValueError(f"weight must be 'diagonal' or 'full', got {weight!r}")
    if weight == "diagonal":
        if not channels[0] == channels[1] == out_channels:
            raise ValueError(
                "diagonal weights only scale channels, so in_channels must equal "
                f"out_channels, got {channels[0]} and {channels[1]} for "
                f"{out_channels}; use weight='full'"
            )
        if share_weights is False:
            raise ValueError(
                "diagonal weights serve both ends; share_weights=False needs "
                "weight='full'"
            )
    elif share_weights and channels[0] != channels[1]:
        raise ValueError(
            "share_weights=True needs as many channels at both ends, got "
            f"{channels[0]} and {channels[1]}"
        )


def _linear(in_channels: int, out_channels: int) -> Linear:
    return Linear(in_channels, out_channels, bias=False, weight_initializer="glorot")
