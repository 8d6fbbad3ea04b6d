"""Graph attention with diagonal weights: one stack, deterministic."""

from __future__ import annotations

from typing import Any, Literal, overload

from torch import Tensor
from torch_geometric.typing import Adj

from pyg_ibmea.nn.conv._diagonal_attention import DiagonalAttention, NodeInput, Weights


class DiagonalGATConv(DiagonalAttention):
    r"""The graph attention layer from which IBMEA's graph encoder is built
    (`arXiv:2407.19302 <https://arxiv.org/abs/2407.19302>`_), with the arguments of
    :class:`torch_geometric.nn.GATConv`.

    .. math::
        \mathbf{x}^{\prime}_i = \frac1H \sum_{h=1}^{H} \sum_{j \in \mathcal{N}(i)
        \cup \{i\}} \alpha^h_{ij} \, (\mathbf{w}_h \odot \mathbf{h}_j), \qquad
        \alpha^h_{ij} = \mathrm{softmax}_j \left( -\mathrm{LeakyReLU} \left(
        \mathbf{a}_h^{\top} (\mathbf{w}_h \odot \mathbf{h}_i) +
        \mathbf{b}_h^{\top} (\mathbf{w}_h \odot \mathbf{h}_j) \right) \right)

    with :math:`\mathbf{h} = \mathbf{x} \mathbf{W}`, or :math:`\mathbf{h} = \mathbf{x}`
    for ``weight='diagonal'``.

    Args:
        in_channels (int or tuple): Channels of the input, ``-1`` to take them from
            the first forward; a tuple for the two sides of a bipartite graph.
        out_channels (int): Channels :math:`C` of the output, of each head.
        heads (int, optional): Number of attention heads. (default: :obj:`1`)
        concat (bool, optional): Whether the heads are concatenated. The method takes
            their mean, so unlike in GATConv that is the default.
            (default: :obj:`False`)
        negative_slope (float, optional): Slope of LeakyReLU. (default: :obj:`0.2`)
        dropout (float, optional): Dropout of the attention coefficients.
            (default: :obj:`0.0`)
        add_self_loops (bool, optional): Whether every node attends to itself.
            Self-loops already there are replaced. (default: :obj:`True`)
        edge_dim (int, optional): Channels of edge features, which enter the attention
            score. (default: :obj:`None`)
        fill_value (float or torch.Tensor or str, optional): Features of the self-loops
            that are added: given, or how to make them of those of the edges that
            arrive at the node. (default: :obj:`'mean'`)
        bias (bool, optional): Whether a bias is learned; the paper has none.
            (default: :obj:`True`)
        residual (bool, optional): Whether a linear map of the receivers' features is
            added. (default: :obj:`False`)
        share_weights (bool, optional): Whether senders and receivers share
            :math:`\mathbf{W}`. (default: shared unless ``in_channels`` is a tuple, as
            in GATConv)
        weight (str, optional): ``'full'`` puts a linear map :math:`\mathbf{W}`, shared
            by the heads, first; ``'diagonal'``, the paper's, only scales channels and
            needs ``in_channels == out_channels``. (default: :obj:`'full'`)
        num_relations (int, optional): Number of edge types; each has a learned term
            :math:`b_r` in the attention score, which starts at 0.
            (default: :obj:`None`)
        **kwargs (optional): Those of
            :class:`torch_geometric.nn.conv.MessagePassing`, such as ``flow``.

    Shapes:
        - **input:** node features :math:`(*, N, F)` or
          :math:`((*, N_s, F_s), (*, N_t, F_t))`, edge indices :math:`(2, E)`,
          edge features :math:`(E, D)` *(optional)*
        - **output:** :math:`(*, N_t, C)`, or :math:`(*, N_t, H C)` with ``concat``;
          with ``return_attention_weights=True`` also :math:`((2, E), (E, *, H))`

    Example:
        >>> import torch
        >>> conv = DiagonalGATConv(4, 4, heads=2, weight="diagonal")
        >>> conv(torch.ones(3, 4), torch.tensor([[0, 1], [1, 2]])).tolist()[0]
        [1.0, 1.0, 1.0, 1.0]
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        heads: int = 1,
        concat: bool = False,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        add_self_loops: bool = True,
        edge_dim: int | None = None,
        fill_value: float | Tensor | str = "mean",
        bias: bool = True,
        residual: bool = False,
        *,
        share_weights: bool | None = None,
        weight: str = "full",
        num_relations: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            in_channels,
            out_channels,
            heads,
            num_stacks=1,
            concat=concat,
            negative_slope=negative_slope,
            dropout=dropout,
            add_self_loops=add_self_loops,
            edge_dim=edge_dim,
            fill_value=fill_value,
            bias=bias,
            residual=residual,
            share_weights=share_weights,
            weight=weight,
            num_relations=num_relations,
            **kwargs,
        )

    @overload
    def forward(
        self,
        x: NodeInput,
        edge_index: Adj,
        edge_attr: Tensor | None = ...,
        size: tuple[int, int] | None = ...,
        return_attention_weights: Literal[False] | None = ...,
        *,
        edge_weight: Tensor | None = ...,
        edge_type: Tensor | None = ...,
    ) -> Tensor: ...

    @overload
    def forward(
        self,
        x: NodeInput,
        edge_index: Adj,
        edge_attr: Tensor | None = ...,
        size: tuple[int, int] | None = ...,
        *,
        return_attention_weights: Literal[True],
        edge_weight: Tensor | None = ...,
        edge_type: Tensor | None = ...,
    ) -> tuple[Tensor, Weights]: ...

    def forward(
        self,
        x: NodeInput,
        edge_index: Adj,
        edge_attr: Tensor | None = None,
        size: tuple[int, int] | None = None,
        return_attention_weights: bool | None = None,
        *,
        edge_weight: Tensor | None = None,
        edge_type: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, Weights]:
        """Runs the layer.

        Args:
            x (torch.Tensor or tuple): Node features, ``[N, F]`` or a pair
                ``(x_source, x_target)`` whose second part may be ``None``; more
                dimensions before them for several inputs on one (static) graph.
            edge_index (torch.Tensor, EdgeIndex or SparseTensor): The graph; sparse
                matrices hold ``adj_t``. Their values are edge features for a layer
                with ``edge_dim``, edge weights otherwise.
            edge_attr (torch.Tensor, optional): ``[E, edge_dim]``.
            size (tuple, optional): ``(N_s, N_t)`` where nothing else tells.
            return_attention_weights (bool, optional): Whether to return
                ``(edge_index, alpha)``, too, with the self-loops of the layer, as
                GATConv does.
            edge_weight (torch.Tensor, optional): ``[E]`` or ``[E, 1]``, multiplies
                each message after the softmax; ``alpha`` is without it.
            edge_type (torch.Tensor, optional): long ``[E]``, below ``num_relations``.

        Raises:
            ValueError: If shapes or types do not fit.
            IndexError: If an edge names a node that does not exist.
        """
        attended = self.attend(
            [x],
            edge_index,
            edge_attr,
            size,
            edge_weight,
            edge_type,
            return_attention_weights,
        )
        if attended.weights is None:
            return attended.outputs[0]
        return attended.outputs[0], attended.weights
