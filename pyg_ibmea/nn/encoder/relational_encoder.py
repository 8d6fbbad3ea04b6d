"""A graph encoder that keeps distances and relations apart."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from pyg_ibmea.nn._sparse import rows_of, unit_rows
from pyg_ibmea.nn.conv._diagonal_attention import NodeInput
from pyg_ibmea.nn.conv.diagonal_gat_conv import DiagonalGATConv
from pyg_ibmea.nn.conv.variational_ib_conv import VariationalIBConv
from pyg_ibmea.nn.encoder._by_chunks import Chunks, filled, received
from pyg_ibmea.nn.encoder.graphs import RelationalGraph, relational_graph
from pyg_ibmea.nn.posterior import GaussianPosterior


class RelationalVIBEncoder(nn.Module):
    r"""Describes an entity by itself, by its relations, and by what lies one, two, ...
    steps away, side by side, each part behind a bottleneck.

    .. math::
        \boldsymbol\mu_i = \big\Vert_p \sqrt{P \, w_p} \; \mathrm{LayerNorm}_p
        (\mathbf{h}^{(p)}_i), \qquad \mathbf{w} = \mathrm{softmax}(\mathbf{s})

    The :math:`P` parts :math:`\mathbf{h}^{(p)}_i` are the entity's own embedding, the
    mean embedding of the relations around it, and the means of the layers of
    :class:`VariationalIBConv`, whose attention knows the relation of each edge. Layers
    have no self-loops, so that no distance hides another.

    Concatenated layers and relation embeddings are what separates encoders of
    knowledge graphs for alignment from plain graph convolutions, see "Relational
    Reflection Entity Alignment" (`arXiv:2008.07962
    <https://arxiv.org/abs/2008.07962>`_) and "Boosting the Speed of Entity Alignment
    10x: Dual Attention Matching Network" (`arXiv:2103.15452
    <https://arxiv.org/abs/2103.15452>`_).

    Args:
        channels (int): Channels :math:`C` of the embeddings and of each part.
        num_edge_types (int): Number of edge types of the :class:`RelationalGraph`.
        num_layers (int, optional): Steps in the graph. (default: :obj:`2`)
        heads (int, optional): Attention heads per layer. (default: :obj:`1`)
        dropout (float, optional): Dropout of the input of each layer after the first.
            (default: :obj:`0.3`)
        bottleneck (bool, optional): If :obj:`False`, the encoder is deterministic.
            (default: :obj:`True`)
        init_logstd (float, optional): See :class:`VariationalIBConv`.
            (default: :obj:`-3.0`)

    Shapes:
        - **input:** embeddings :math:`(N, C)` and a :class:`RelationalGraph`
        - **output:** the latent :math:`(N, (L + 2) C)`, a sample in training and the
          mean in evaluation, and its :class:`GaussianPosterior` (``None`` without
          bottleneck)
    """

    def __init__(
        self,
        channels: int,
        num_edge_types: int,
        num_layers: int = 2,
        heads: int = 1,
        dropout: float = 0.3,
        bottleneck: bool = True,
        init_logstd: float = -3.0,
    ):
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"num_layers must be at least 1, got {num_layers}")
        self.channels = channels
        self.num_edge_types = num_edge_types
        self.num_layers = num_layers
        self.heads = heads
        self.dropout = dropout
        self.bottleneck = bottleneck
        self.init_logstd = init_logstd

        def conv(num_relations: int | None) -> DiagonalGATConv | VariationalIBConv:
            if not bottleneck:
                return DiagonalGATConv(
                    channels,
                    channels,
                    heads,
                    add_self_loops=False,
                    bias=False,
                    weight="diagonal",
                    num_relations=num_relations,
                )
            return VariationalIBConv(
                channels,
                channels,
                heads,
                add_self_loops=False,
                bias=False,
                weight="diagonal",
                num_relations=num_relations,
                init_logstd=init_logstd,
            )

        self.relation_embedding = nn.Parameter(torch.empty(num_edge_types, channels))
        self.relation_conv = conv(None)
        # Its attention depends on the relation alone: entities have no features there.
        self.relation_conv.att_dst.requires_grad_(False)
        self.convs = nn.ModuleList(conv(num_edge_types) for _ in range(num_layers))
        self.norms = nn.ModuleList(
            nn.LayerNorm(channels) for _ in range(num_layers + 2)
        )
        self.score = nn.Parameter(torch.empty(num_layers + 2))
        self.own_logstd = nn.Parameter(torch.empty(channels)) if bottleneck else None
        self._reset_own_parameters()

    @property
    def out_channels(self) -> int:
        """Channels of the latent."""
        return (self.num_layers + 2) * self.channels

    def reset_parameters(self) -> None:
        """Resets all parameters."""
        for module in [self.relation_conv, *self.convs, *self.norms]:
            module.reset_parameters()
        self._reset_own_parameters()

    def _reset_own_parameters(self) -> None:
        nn.init.normal_(self.relation_embedding, std=self.channels**-0.5)
        nn.init.zeros_(self.score)
        if self.own_logstd is not None:
            nn.init.constant_(self.own_logstd, self.init_logstd)

    def build_graph(self, data: HeteroData) -> RelationalGraph:
        """All knowledge graphs as one graph of typed edges, without the ``same_as``
        links.

        Args:
            data (HeteroData): The problem.
        """
        return relational_graph(data)

    def forward(
        self, x: Tensor, graph: RelationalGraph, nodes: Tensor | None = None
    ) -> tuple[Tensor, GaussianPosterior | None]:
        """Encodes nodes of the graph.

        Args:
            x (torch.Tensor): Embeddings ``[N, channels]``; a row of zeros for a node
                whose own embedding is withheld.
            graph (RelationalGraph): The graph.
            nodes (torch.Tensor, optional): Long ``[n]``, the nodes to return.
                (default: all)
        """
        size = (self.num_edge_types, x.size(0))
        relations = (self.relation_embedding, None)
        weight = (self.score.softmax(0) * len(self.norms)).sqrt().unbind()
        means: list[Tensor] = []
        logstds: list[Tensor] = []

        def add(part: GaussianPosterior) -> None:
            # Normalised right away, so that no part is held in memory twice.
            number = len(means)
            means.append(self.norms[number](rows_of(part.mean, nodes)) * weight[number])
            if self.bottleneck:
                logstds.append(rows_of(part.logstd, nodes))

        add(GaussianPosterior(x, self._own_logstd(x)))
        add(self._run(self.relation_conv, relations, graph.incidence, None, size))
        hidden = x
        for conv in self.convs:
            output = self._run(conv, hidden, graph.edge_index, graph.edge_type)
            add(output)
            hidden = unit_rows(output.mean)
            hidden = F.dropout(hidden, self.dropout, self.training)
        mean = torch.cat(means, dim=1)
        if not self.bottleneck:
            return mean, None
        posterior = GaussianPosterior(mean, torch.cat(logstds, dim=1))
        return posterior.latent(self.training), posterior

    @torch.no_grad()
    def by_chunks(self, x: Tensor, graph: RelationalGraph, chunk: int) -> Chunks:
        """The latents without noise, some entities at a time: no more than the input
        and one hidden layer are held in whole.

        Args:
            x (torch.Tensor): Embeddings ``[N, channels]``.
            graph (RelationalGraph): The graph.
            chunk (int): How many entities of a hidden layer are computed at a time.

        Returns:
            callable: Gives the latents ``[n, out_channels]`` of a range of entities.
        """
        weight = (self.score.softmax(0) * len(self.norms)).sqrt()

        def layer(number: int, below: Tensor) -> Chunks:
            prepared = unit_rows if number else None
            conv, edges = self.convs[number], graph.edge_index
            return lambda rows: received(
                conv, below, edges, rows, graph.edge_type, prepared
            )

        layers = [layer(0, x)]
        held: list[Tensor] = []
        for number in range(1, self.num_layers):
            held.append(filled(layers[-1], x.size(0), x, chunk))
            layers.append(layer(number, held[-1]))

        def latents(rows: slice) -> Tensor:
            around = received(
                self.relation_conv,
                self.relation_embedding,
                graph.incidence,
                rows,
                bipartite=True,
            )
            parts = [x[rows], around, *(one[rows] for one in held), layers[-1](rows)]
            return torch.cat(
                [
                    norm(part) * factor
                    for norm, part, factor in zip(
                        self.norms, parts, weight, strict=True
                    )
                ],
                dim=1,
            )

        return latents

    def _run(
        self,
        conv: nn.Module,
        x: NodeInput,
        edge_index: Tensor,
        edge_type: Tensor | None,
        size: tuple[int, int] | None = None,
    ) -> GaussianPosterior:
        if isinstance(conv, VariationalIBConv):
            return conv.encode(x, edge_index, size=size, edge_type=edge_type)
        mean = conv(x, edge_index, size=size, edge_type=edge_type)
        return GaussianPosterior(mean, self._own_logstd(mean))

    def _own_logstd(self, x: Tensor) -> Tensor:
        # Without a bottleneck it is never read.
        return x if self.own_logstd is None else self.own_logstd.expand_as(x)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.channels}, num_layers={self.num_layers}, "
            f"heads={self.heads})"
        )
