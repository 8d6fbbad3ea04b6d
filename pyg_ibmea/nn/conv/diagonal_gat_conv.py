"""Graph attention with diagonal weights: one stack, deterministic."""

from __future__ import annotations

from torch import Tensor
from torch_geometric.typing import Adj

from pyg_ibmea.nn.conv._diagonal_attention import DiagonalAttention, NodeInput


class DiagonalGATConv(DiagonalAttention):
    r"""The graph attention layer with diagonal weights from which IBMEA's graph encoder
    is built (`arXiv:2407.19302 <https://arxiv.org/abs/2407.19302>`_).

    .. math::
        \mathbf{x}^{\prime}_i = \frac1H \sum_{h=1}^{H} \sum_{j \in \mathcal{N}(i)
        \cup \{i\}} \alpha^h_{ij} \, (\mathbf{w}_h \odot \mathbf{x}_j), \qquad
        \alpha^h_{ij} = \mathrm{softmax}_j \left( -\mathrm{LeakyReLU} \left(
        \mathbf{a}_h^{\top} (\mathbf{w}_h \odot \mathbf{x}_i) +
        \mathbf{b}_h^{\top} (\mathbf{w}_h \odot \mathbf{x}_j) \right) \right)

    Args:
        in_channels (int or tuple): Channels of the input, ``-1`` to take them from
            the first forward; a tuple for the two sides of a bipartite graph.
        out_channels (int): Channels of the output.
        heads (int, optional): Number of attention heads, averaged.
            (default: :obj:`1`)
        weight (str, optional): ``'diagonal'`` scales channels only and needs
            ``in_channels == out_channels``; ``'full'`` puts a linear map, shared by
            the heads, first. (default: diagonal where channels allow it)
        add_self_loops (bool, optional): Whether every node attends to itself.
            Self-loops already there are replaced. (default: :obj:`True`)
        negative_slope (float, optional): Slope of LeakyReLU. (default: :obj:`0.2`)
        dropout (float, optional): Dropout of the attention coefficients.
            (default: :obj:`0.0`)
        edge_dim (int, optional): Channels of edge features, which enter the attention
            score. (default: :obj:`None`)
        num_relations (int, optional): Number of edge types; each has a learned term
            :math:`b_r` in the attention score, which starts at 0.
            (default: :obj:`None`)

    Shapes:
        - **input:** node features :math:`(N, F)` or
          :math:`((N_s, F_s), (N_t, F_t))`, edge indices :math:`(2, E)`,
          edge weights :math:`(E)` *(optional)*, edge features :math:`(E, D)`
          *(optional)*
        - **output:** :math:`(N_t, C)`

    Example:
        >>> import torch
        >>> conv = DiagonalGATConv(4, 4, heads=2)
        >>> conv(torch.ones(3, 4), torch.tensor([[0, 1], [1, 2]])).tolist()[0]
        [1.0, 1.0, 1.0, 1.0]
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        heads: int = 1,
        weight: str | None = None,
        add_self_loops: bool = True,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        edge_dim: int | None = None,
        num_relations: int | None = None,
    ):
        super().__init__(
            in_channels,
            out_channels,
            num_stacks=1,
            heads=heads,
            weight=weight,
            add_self_loops=add_self_loops,
            negative_slope=negative_slope,
            dropout=dropout,
            edge_dim=edge_dim,
            num_relations=num_relations,
        )

    def forward(
        self,
        x: NodeInput,
        edge_index: Adj,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
        size: tuple[int, int] | None = None,
        edge_type: Tensor | None = None,
    ) -> Tensor:
        """Runs the layer.

        Args:
            x (torch.Tensor or tuple): Node features, ``[N, F]`` or a pair
                ``(x_source, x_target)`` whose second part may be ``None``.
            edge_index (torch.Tensor, EdgeIndex or SparseTensor): The graph; sparse
                matrices hold ``adj_t``.
            edge_weight (torch.Tensor, optional): ``[E]``, multiplies each message
                after the softmax.
            edge_attr (torch.Tensor, optional): ``[E, edge_dim]``.
            size (tuple, optional): ``(N_s, N_t)`` where ``x`` does not tell.
            edge_type (torch.Tensor, optional): long ``[E]``, below ``num_relations``.

        Raises:
            ValueError: If shapes, types or node indices do not fit.
        """
        return self.run_stacks(
            [x], edge_index, edge_weight, edge_attr, size, edge_type
        )[0]
