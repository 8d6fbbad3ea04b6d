"""Graph attention with diagonal weights: what the layers of this package share."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.nn import MessagePassing
from torch_geometric.nn.dense import Linear
from torch_geometric.nn.inits import glorot, ones, zeros
from torch_geometric.typing import Adj

from pyg_ibmea.nn.conv._attention import Scores, coefficients, diagonal_attention
from pyg_ibmea.nn.conv._edge_inputs import check_edge_inputs
from pyg_ibmea.nn.conv._structure import (
    Structure,
    check_device,
    check_index_range,
    replace_self_loops,
    to_coo,
)

NodeInput = Tensor | tuple[Tensor, Tensor | None]


class DiagonalAttention(MessagePassing):
    """What the attention layers of this package share: a number of *stacks*, each with
    its own heads, that read one graph.

    Subclasses decide how many stacks there are and what their outputs mean.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        num_stacks: int,
        heads: int = 1,
        weight: str | None = None,
        add_self_loops: bool = True,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        edge_dim: int | None = None,
        num_relations: int | None = None,
    ):
        super().__init__(aggr="add", node_dim=-2)
        channels = (
            (in_channels, in_channels) if isinstance(in_channels, int) else in_channels
        )
        same = channels[0] == channels[1] == out_channels
        if weight is None:
            weight = "diagonal" if same else "full"
        if weight not in ("diagonal", "full"):
            raise ValueError(f"weight must be 'diagonal' or 'full', got {weight!r}")
        if weight == "diagonal" and not same:
            raise ValueError(
                "diagonal weights only scale channels, so in_channels must equal "
                f"out_channels, got {in_channels} and {out_channels}; use weight='full'"
            )
        if heads < 1 or out_channels < 1:
            raise ValueError(
                f"heads and out_channels must be positive, got {heads}, {out_channels}"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.heads = heads
        self.weight = weight
        self.add_self_loops = add_self_loops
        self.negative_slope = negative_slope
        self.dropout = dropout
        self.edge_dim = edge_dim
        self.num_relations = num_relations

        # As in GATConv, one weight serves both ends unless they are given apart.
        self.lins_src = torch.nn.ModuleList()
        self.lins_dst = torch.nn.ModuleList()
        if weight == "full":
            for _ in range(num_stacks):
                lin = _linear(channels[0], out_channels)
                shared = isinstance(in_channels, int)
                self.lins_src.append(lin)
                self.lins_dst.append(
                    lin if shared else _linear(channels[1], out_channels)
                )
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
        # MessagePassing has no reset of its own parameters before this point.
        DiagonalAttention.reset_parameters(self)

    def reset_parameters(self) -> None:
        """Resets all parameters: ones for the scales, zeros for the scores of the
        relations, Glorot for the rest.
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

    def run_stacks(
        self,
        inputs: list[NodeInput],
        edge_index: Adj,
        edge_weight: Tensor | None,
        edge_attr: Tensor | None,
        size: tuple[int, int] | None = None,
        edge_type: Tensor | None = None,
    ) -> list[Tensor]:
        """One output ``[N_t, C]`` per stack; stacks whose input is the same tensor
        share one pass over it.
        """
        pairs = [self._project(stack, x) for stack, x in enumerate(inputs)]
        x_src, x_dst = pairs[0]
        num_source = x_src.size(0)
        if x_dst is not None:
            num_target = x_dst.size(0)
        else:
            num_target = num_source if size is None else size[1]
        edge_index, edge_weight = to_coo(edge_index, edge_weight)
        check_device(edge_index, x_src)
        if not torch.compiler.is_compiling():
            check_index_range(edge_index, num_source, num_target)
        check_edge_inputs(
            edge_index.size(1),
            edge_weight,
            edge_attr,
            edge_type,
            self.edge_dim,
            self.num_relations,
        )
        edge_index, edge_weight, edge_attr, edge_type = self._with_self_loops(
            edge_index, edge_weight, edge_attr, edge_type, min(num_source, num_target)
        )
        gate = self._gate(edge_weight, edge_index)
        if self.explain:
            # An explainer masks messages edge by edge, in the order it knows.
            source, target = edge_index
            scores = self._scores(pairs, edge_attr, edge_type, gate)
            alpha = coefficients(
                scores, source, target, num_target, self.negative_slope
            )
            alpha = (alpha if gate is None else alpha * gate).t()
            size = (num_source, num_target)
            aggregated = [
                self.propagate(edge_index, x=x_src, alpha=weight, size=size)
                for (x_src, _), weight in zip(
                    pairs, alpha.split(self.heads), strict=True
                )
            ]
            return [
                (agg * scale.unsqueeze(1)).mean(dim=0)
                for agg, scale in zip(aggregated, self.scale, strict=True)
            ]
        structure = Structure.from_edge_index(edge_index, num_source, num_target)
        if structure.perm is not None:
            edge_attr = _permute(edge_attr, structure.perm)
            edge_type = _permute(edge_type, structure.perm)
            gate = _permute(gate, structure.perm)
        scores = self._scores(pairs, edge_attr, edge_type, gate)
        if all(x_src is pairs[0][0] for x_src, _ in pairs):
            return list(self._attend(pairs[0][0], slice(None), scores, structure))
        return [
            self._attend(x_src, slice(stack, stack + 1), scores, structure)[0]
            for stack, (x_src, _) in enumerate(pairs)
        ]

    def _project(self, stack: int, x: NodeInput) -> tuple[Tensor, Tensor | None]:
        x_src, x_dst = (x, x) if isinstance(x, Tensor) else x
        if self.weight == "diagonal":
            self._check_channels(x_src, self.out_channels)
            if x_dst is not None:
                self._check_channels(x_dst, self.out_channels)
            return x_src, x_dst
        lin_src = cast(Linear, self.lins_src[stack])
        lin_dst = cast(Linear, self.lins_dst[stack])
        self._check_channels(x_src, lin_src.in_channels)
        h_src = lin_src(x_src)
        if x_dst is None:
            return h_src, None
        if x_dst is x_src and lin_dst is lin_src:
            return h_src, h_src
        self._check_channels(x_dst, lin_dst.in_channels)
        return h_src, lin_dst(x_dst)

    def _check_channels(self, x: Tensor, channels: int) -> None:
        if x.dim() != 2 or (channels > 0 and x.size(1) != channels):
            wanted = channels if channels > 0 else "channels"
            raise ValueError(
                f"{self!r} needs node features [num_nodes, {wanted}], got "
                f"{list(x.shape)}"
            )

    def _with_self_loops(
        self,
        edge_index: Tensor,
        edge_weight: Tensor | None,
        edge_attr: Tensor | None,
        edge_type: Tensor | None,
        num_nodes: int,
    ) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
        if not self.add_self_loops:
            return edge_index, edge_weight, edge_attr, edge_type
        if edge_type is not None:
            kept = edge_type[edge_index[0] != edge_index[1]]
            assert self.num_relations is not None
            loops = kept.new_full((num_nodes,), self.num_relations)
            edge_type = torch.cat([kept, loops])
        return *replace_self_loops(
            edge_index, edge_weight, edge_attr, num_nodes
        ), edge_type

    def _gate(self, edge_weight: Tensor | None, edge_index: Tensor) -> Tensor | None:
        """What multiplies the coefficients after the softmax, ``[E, K]``."""
        shape = (edge_index.size(1), self.scale.size(0) * self.heads)
        gate = None
        if edge_weight is not None:
            gate = edge_weight.to(self.scale.dtype)[:, None].expand(shape)
        if self.dropout > 0 and self.training:
            kept = F.dropout(self.scale.new_ones(shape), self.dropout)
            gate = kept if gate is None else gate * kept
        return gate

    def _scores(
        self,
        pairs: list[tuple[Tensor, Tensor | None]],
        edge_attr: Tensor | None,
        edge_type: Tensor | None,
        gate: Tensor | None,
    ) -> Scores:
        """What decides the coefficients of all stacks and heads, side by side."""
        src, dst = self.scale * self.att_src, self.scale * self.att_dst
        x = pairs[0][0]
        at_target: Tensor | None
        if all(x_src is x and x_dst is x for x_src, x_dst in pairs):
            # One product for both ends of all stacks.
            weight = torch.cat([src.flatten(0, 1), dst.flatten(0, 1)])
            at_source, at_target = (x @ weight.t()).chunk(2, dim=1)
        else:
            at_source = torch.cat(
                [x_src @ w.t() for (x_src, _), w in zip(pairs, src, strict=True)], dim=1
            )
            target = [
                x_dst @ w.t()
                for (_, x_dst), w in zip(pairs, dst, strict=True)
                if x_dst is not None
            ]
            at_target = torch.cat(target, dim=1) if target else None
        inner = outer = None
        if edge_attr is not None and self.lin_edge is not None:
            edge_attr = edge_attr.view(edge_attr.size(0), -1)
            inner = self.lin_edge(edge_attr.to(at_source.dtype))
        if edge_type is not None and self.relation_score is not None:
            outer = self.relation_score[edge_type]
        return Scores(at_source, at_target, inner, outer, gate)

    def _attend(
        self, x: Tensor, stacks: slice, scores: Scores, structure: Structure
    ) -> Tensor:
        """The outputs of some stacks, ``[stacks, N_t, C]``."""
        scale = self.scale[stacks].flatten(0, 1)
        if stacks != slice(None):
            columns = slice(stacks.start * self.heads, stacks.stop * self.heads)
            scores = scores.of(columns)
        return diagonal_attention(
            x, scale, scores, structure, self.heads, self.negative_slope
        )

    def message(self, x_j: Tensor, alpha: Tensor) -> Tensor:
        """One message per attention coefficient and edge, ``[heads, E, C]``."""
        return alpha.unsqueeze(-1) * x_j

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"heads={self.heads}, weight={self.weight!r})"
        )


def _permute(value: Tensor | None, perm: Tensor) -> Tensor | None:
    return None if value is None else value[perm]


def _linear(in_channels: int, out_channels: int) -> Linear:
    return Linear(in_channels, out_channels, bias=False, weight_initializer="glorot")
