"""A whole network of variational layers, as PyG's own models are."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch_geometric.nn.conv import MessagePassing
from torch_geometric.nn.models.basic_gnn import BasicGNN

from pyg_ibmea.nn.conv._kl import collect_kl
from pyg_ibmea.nn.conv.diagonal_gat_conv import DiagonalGATConv
from pyg_ibmea.nn.conv.variational_ib_conv import VariationalIBConv


class VariationalGNN(BasicGNN):
    r"""A graph neural network whose layers are information bottlenecks, with the
    arguments and methods of PyG's models, such as
    :class:`torch_geometric.nn.models.GAT`: jumping knowledge, norms, layer-wise
    inference with a ``NeighborLoader``.

    The layers are those of "IBMEA" (`arXiv:2407.19302
    <https://arxiv.org/abs/2407.19302>`_): in training each passes on a sample, in
    evaluation its mean.

    Args:
        in_channels (int or tuple): Channels of the input, ``-1`` to take them from the
            first forward; a tuple for the two sides of a bipartite graph.
        hidden_channels (int): Channels of each hidden layer.
        num_layers (int): Number of layers.
        out_channels (int, optional): Channels of the output.
            (default: ``hidden_channels``)
        dropout (float, optional): Dropout between the layers and of their attention
            coefficients. (default: :obj:`0.0`)
        variational (str, optional): Which layers are bottlenecks
            (:class:`VariationalIBConv`): ``'all'``, or the ``'last'`` one, after layers
            of :class:`DiagonalGATConv`. (default: :obj:`'all'`)
        **kwargs (optional): ``act``, ``act_first``, ``act_kwargs``, ``norm``,
            ``norm_kwargs`` and ``jk`` as in PyG's models; all others, such as
            ``heads``, ``edge_dim`` or ``init_logstd``, go to the layers. With
            ``concat=True``, the channels are divided among the heads, in the last
            layer they are averaged.

    Shapes:
        - **input:** node features :math:`(N, F)`, edge indices :math:`(2, E)`, edge
          weights :math:`(E)` and features :math:`(E, D)` *(optional)*
        - **output:** :math:`(N, C)`

    Raises:
        ValueError: If ``variational`` is unknown, or if channels cannot be divided
            among the heads.

    Example:
        >>> import torch
        >>> model = VariationalGNN(8, 16, num_layers=2, out_channels=3, heads=2)
        >>> out = model(torch.randn(4, 8), torch.tensor([[0, 1, 2], [1, 2, 3]]))
        >>> out.shape, bool(model.kl_loss() > 0)
        (torch.Size([4, 3]), True)
    """

    supports_edge_weight = True
    supports_edge_attr = True
    supports_norm_batch: bool

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        hidden_channels: int,
        num_layers: int,
        out_channels: int | None = None,
        dropout: float = 0.0,
        *,
        variational: str = "all",
        **kwargs: Any,
    ):
        if variational not in ("all", "last"):
            raise ValueError(
                f"variational must be 'all' or 'last', got {variational!r}"
            )
        super().__init__(
            in_channels,
            hidden_channels,
            num_layers,
            out_channels,
            dropout,
            variational=variational,
            **kwargs,
        )

    def init_conv(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        **kwargs: Any,
    ) -> MessagePassing:
        """One layer, called by PyG for each in its order."""
        variational = kwargs.pop("variational")
        heads = kwargs.get("heads", 1)
        # As in GAT: the layer that gives the output averages its heads.
        if getattr(self, "_is_conv_to_out", False):
            kwargs["concat"] = False
        if kwargs.get("concat", False):
            if out_channels % heads != 0:
                raise ValueError(
                    f"with concat=True, {out_channels} channels must be divisible by "
                    f"{heads} heads"
                )
            out_channels //= heads
        last = len(self.convs) + 1 == self.num_layers
        if variational == "all" or last:
            kind: type[DiagonalGATConv | VariationalIBConv] = VariationalIBConv
        else:
            kind = DiagonalGATConv
            kwargs.pop("init_logstd", None)
        return kind(in_channels, out_channels, dropout=self.dropout.p, **kwargs)

    def kl_loss(self, reduction: str = "mean") -> Tensor:
        """The KL divergence of all layers in nats, see :func:`collect_kl`.

        Args:
            reduction (str, optional): ``'mean'`` per node, or ``'sum'``.
                (default: :obj:`'mean'`)
        """
        return collect_kl(self, reduction)

    def zero_kl(self) -> None:
        """Forgets the calls so far."""
        for conv in self.convs:
            if isinstance(conv, VariationalIBConv):
                conv.zero_kl()
