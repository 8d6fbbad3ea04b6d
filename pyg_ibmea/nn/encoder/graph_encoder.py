"""Several graph layers in front of one bottleneck."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.data import HeteroData
from torch_geometric.typing import Adj

from pyg_ibmea.nn._sparse import rows_of
from pyg_ibmea.nn.conv.diagonal_gat_conv import DiagonalGATConv
from pyg_ibmea.nn.conv.variational_ib_conv import VariationalIBConv
from pyg_ibmea.nn.encoder._by_chunks import Chunks, filled, received
from pyg_ibmea.nn.encoder.graphs import union_graph
from pyg_ibmea.nn.posterior import GaussianPosterior


class GraphVIBEncoder(torch.nn.Module):
    r"""The graph encoder of IBMEA (`arXiv:2407.19302
    <https://arxiv.org/abs/2407.19302>`_): diagonal graph attention layers with ELU and
    dropout between them, the last of them a :class:`VariationalIBConv`, and a
    LayerNorm on the mean.

    Args:
        channels (int): Channels of input, hidden layers and latent.
        num_layers (int, optional): Number of graph layers. (default: :obj:`2`)
        heads (int, optional): Attention heads per layer. (default: :obj:`2`)
        dropout (float, optional): Dropout of the input of each layer after the first.
            (default: :obj:`0.45`)
        separate_stacks (bool, optional): Whether mean and :math:`\log\sigma` have
            hidden layers of their own, as in the paper, or share them, which costs
            less. (default: :obj:`False`)
        bottleneck (bool, optional): If :obj:`False`, the last layer is a
            deterministic :class:`DiagonalGATConv`. (default: :obj:`True`)
        add_self_loops (bool, optional): See :class:`VariationalIBConv`.
            (default: :obj:`True`)
        init_logstd (float, optional): See :class:`VariationalIBConv`.
            (default: :obj:`-3.0`)

    Shapes:
        - **input:** node features :math:`(N, C)`, edge indices :math:`(2, E)`
        - **output:** the latent :math:`(N, C)`, a sample in training and the mean in
          evaluation, and its :class:`GaussianPosterior` (``None`` without bottleneck)

    Example:
        >>> encoder = GraphVIBEncoder(8, num_layers=2)
        >>> encoder(torch.randn(3, 8), torch.tensor([[0, 1], [1, 2]]))[1]
        GaussianPosterior([3, 8])
    """

    def __init__(
        self,
        channels: int,
        num_layers: int = 2,
        heads: int = 2,
        dropout: float = 0.45,
        separate_stacks: bool = False,
        bottleneck: bool = True,
        add_self_loops: bool = True,
        init_logstd: float = -3.0,
    ):
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"num_layers must be at least 1, got {num_layers}")
        self.channels = channels
        self.num_layers = num_layers
        self.heads = heads
        self.dropout = dropout
        self.separate_stacks = separate_stacks
        self.bottleneck = bottleneck

        def deterministic() -> DiagonalGATConv:
            return DiagonalGATConv(
                channels,
                channels,
                heads,
                add_self_loops=add_self_loops,
                bias=False,
                weight="diagonal",
            )

        def hidden(num_convs: int) -> torch.nn.ModuleList:
            return torch.nn.ModuleList(deterministic() for _ in range(num_convs))

        self.hidden_mean = hidden(num_layers - 1)
        self.hidden_logstd = (
            hidden(num_layers - 1) if separate_stacks and bottleneck else None
        )
        self.conv: DiagonalGATConv | VariationalIBConv
        if bottleneck:
            self.conv = VariationalIBConv(
                channels,
                channels,
                heads,
                add_self_loops=add_self_loops,
                bias=False,
                weight="diagonal",
                init_logstd=init_logstd,
            )
        else:
            self.conv = deterministic()
        self.norm = torch.nn.LayerNorm(channels)

    def reset_parameters(self) -> None:
        """Resets all parameters."""
        for module in [*self.hidden_mean, *(self.hidden_logstd or []), self.conv]:
            module.reset_parameters()
        self.norm.reset_parameters()

    def build_graph(self, data: HeteroData) -> EdgeIndex:
        """All knowledge graphs as one undirected graph.

        Nodes are numbered graph after graph, parallel edges are merged, and every node
        has a self-loop. ``same_as`` links are left out.

        Args:
            data (HeteroData): The problem.

        Returns:
            EdgeIndex: ``[2, E]``, sorted by receiving node, with both sorted forms
            cached.
        """
        return union_graph(data)

    def forward(
        self, x: Tensor, edge_index: Adj, nodes: Tensor | None = None
    ) -> tuple[Tensor, GaussianPosterior | None]:
        """Encodes nodes of the graph.

        Args:
            x (torch.Tensor): ``[N, channels]``.
            edge_index (torch.Tensor, EdgeIndex or SparseTensor): The graph.
            nodes (torch.Tensor, optional): Long ``[n]``, the nodes to return.
                (default: all)
        """
        x_mean = self._hidden(self.hidden_mean, x, edge_index)
        if isinstance(self.conv, DiagonalGATConv):
            return self.norm(rows_of(self.conv(x_mean, edge_index), nodes)), None
        x_logstd = None
        if self.hidden_logstd is not None:
            x_logstd = self._hidden(self.hidden_logstd, x, edge_index)
        every = self.conv.encode(x_mean, edge_index, x_logstd=x_logstd)
        mean = self.norm(rows_of(every.mean, nodes))
        posterior = GaussianPosterior(mean, rows_of(every.logstd, nodes))
        return posterior.latent(self.training), posterior

    @torch.no_grad()
    def by_chunks(self, x: Tensor, edge_index: EdgeIndex, chunk: int) -> Chunks:
        """The latents without noise, some entities at a time: no more than the input
        and one hidden layer are held in whole.

        Args:
            x (torch.Tensor): ``[N, channels]``.
            edge_index (EdgeIndex): What :meth:`build_graph` returned.
            chunk (int): How many entities of a hidden layer are computed at a time.

        Returns:
            callable: Gives the latents ``[n, channels]`` of a range of entities.
        """

        def layer(conv: torch.nn.Module, below: Tensor) -> Chunks:
            return lambda rows: received(conv, below, edge_index, rows)

        hidden = x
        for conv in self.hidden_mean:
            chunks = layer(conv, hidden)
            hidden = F.elu_(filled(chunks, x.size(0), x, chunk))
        last = layer(self.conv, hidden)
        return lambda rows: self.norm(last(rows))

    def _hidden(self, convs: torch.nn.ModuleList, x: Tensor, edge_index: Adj) -> Tensor:
        for conv in convs:
            x = F.elu(conv(x, edge_index))
            x = F.dropout(x, p=self.dropout, training=self.training)
        return x

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.channels}, num_layers={self.num_layers}, "
            f"heads={self.heads})"
        )
