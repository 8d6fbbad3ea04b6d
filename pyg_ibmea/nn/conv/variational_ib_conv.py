"""The variational information bottleneck as a graph convolution."""

from __future__ import annotations

from typing import Any, Literal, overload

import torch
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.typing import Adj

from pyg_ibmea.nn.conv._diagonal_attention import DiagonalAttention, NodeInput
from pyg_ibmea.nn.posterior import GaussianPosterior


class VariationalIBConv(DiagonalAttention):
    r"""Graph attention that returns a Gaussian latent per node, the information
    bottleneck layer of "IBMEA: Exploring Variational Information Bottleneck for
    Multi-modal Entity Alignment" (`arXiv:2407.19302
    <https://arxiv.org/abs/2407.19302>`_).

    Two attention stacks (see :class:`DiagonalGATConv`) read the graph in one pass:

    .. math::
        \boldsymbol\mu_i = \mathrm{Att}_\mu(\mathbf{x})_i, \qquad
        \log\boldsymbol\sigma_i = \mathrm{Att}_\sigma(\mathbf{x})_i + \mathbf{c},
        \qquad \mathbf{z}_i = \boldsymbol\mu_i + \boldsymbol\sigma_i \odot
        \boldsymbol\epsilon, \quad \boldsymbol\epsilon \sim \mathcal{N}(0, I)

    In training :math:`\mathbf{z}` is a sample, in evaluation it is the mean. The cost
    of the information it carries is :meth:`kl_loss`, to be added to the task's loss
    with a factor :math:`\beta`.

    Args:
        in_channels (int or tuple): Channels of the input, ``-1`` to take them from
            the first forward; a tuple for the two sides of a bipartite graph.
        out_channels (int): Channels :math:`C` of the latent.
        heads (int, optional): Attention heads per stack, averaged.
            (default: :obj:`1`)
        weight (str, optional): ``'diagonal'`` (the paper's; needs ``in_channels ==
            out_channels``) or ``'full'``. (default: diagonal where channels allow it)
        add_self_loops (bool, optional): Whether every node attends to itself.
            (default: :obj:`True`)
        negative_slope (float, optional): Slope of LeakyReLU. (default: :obj:`0.2`)
        dropout (float, optional): Dropout of the attention coefficients.
            (default: :obj:`0.0`)
        edge_dim (int, optional): Channels of edge features, which enter the attention
            score. (default: :obj:`None`)
        num_relations (int, optional): Number of edge types; each has a learned term
            :math:`b_r` in the attention score, which starts at 0.
            (default: :obj:`None`)
        init_logstd (float, optional): Start of :math:`\mathbf{c}`, and of
            :math:`\log\sigma` as a whole: its stack starts at 0. A deviation near 1
            at the start drowns the signal. (default: :obj:`-3.0`)

    Shapes:
        - **input:** node features :math:`(N, F)` or
          :math:`((N_s, F_s), (N_t, F_t))`, edge indices :math:`(2, E)`
        - **output:** :math:`(N_t, C)`; with ``num_samples=S``
          :math:`(S, N_t, C)`

    Example:
        >>> conv = VariationalIBConv(16, 8, heads=2).eval()
        >>> x, edge_index = torch.randn(4, 16), torch.tensor([[0, 1, 2], [1, 2, 3]])
        >>> z, posterior = conv(x, edge_index, return_posterior=True)
        >>> bool((z == posterior.mean).all()), posterior.kl().shape
        (True, torch.Size([4]))
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
        init_logstd: float = -3.0,
    ):
        super().__init__(
            in_channels,
            out_channels,
            num_stacks=2,
            heads=heads,
            weight=weight,
            add_self_loops=add_self_loops,
            negative_slope=negative_slope,
            dropout=dropout,
            edge_dim=edge_dim,
            num_relations=num_relations,
        )
        self.init_logstd = init_logstd
        self.bias_logstd = Parameter(torch.empty(out_channels))
        self._kl: Tensor | None = None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        r"""Resets all parameters, the scales of :math:`\log\sigma` to zero, and
        forgets the KL of the last forward.
        """
        super().reset_parameters()
        # Sigma starts as it is told to, however large the input.
        with torch.no_grad():
            self.scale[1].zero_()
        torch.nn.init.constant_(self.bias_logstd, self.init_logstd)
        self._kl = None

    @overload
    def forward(
        self,
        x: NodeInput,
        edge_index: Adj,
        edge_weight: Tensor | None = ...,
        edge_attr: Tensor | None = ...,
        size: tuple[int, int] | None = ...,
        x_logstd: NodeInput | None = ...,
        edge_type: Tensor | None = ...,
        num_samples: int | None = ...,
        return_posterior: Literal[False] = ...,
    ) -> Tensor: ...

    @overload
    def forward(
        self,
        x: NodeInput,
        edge_index: Adj,
        edge_weight: Tensor | None = ...,
        edge_attr: Tensor | None = ...,
        size: tuple[int, int] | None = ...,
        x_logstd: NodeInput | None = ...,
        edge_type: Tensor | None = ...,
        num_samples: int | None = ...,
        *,
        return_posterior: Literal[True],
    ) -> tuple[Tensor, GaussianPosterior]: ...

    def forward(
        self,
        x: NodeInput,
        edge_index: Adj,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
        size: tuple[int, int] | None = None,
        x_logstd: NodeInput | None = None,
        edge_type: Tensor | None = None,
        num_samples: int | None = None,
        return_posterior: bool = False,
    ) -> Tensor | tuple[Tensor, GaussianPosterior]:
        r"""Runs the layer.

        Args:
            x (torch.Tensor or tuple): Node features, ``[N, F]`` or a pair
                ``(x_source, x_target)`` whose second part may be ``None``.
            edge_index (torch.Tensor, EdgeIndex or SparseTensor): The graph; sparse
                matrices hold ``adj_t``.
            edge_weight (torch.Tensor, optional): ``[E]``, multiplies each message
                after the softmax.
            edge_attr (torch.Tensor, optional): ``[E, edge_dim]``.
            size (tuple, optional): ``(N_s, N_t)`` where ``x`` does not tell.
            x_logstd (torch.Tensor or tuple, optional): Input of the
                :math:`\log\sigma` stack where it has hidden layers of its own.
                (default: ``x``)
            edge_type (torch.Tensor, optional): long ``[E]``, below ``num_relations``.
            num_samples (int, optional): Number of samples in training; in evaluation
                the mean is repeated.
            return_posterior (bool, optional): Also return the
                :class:`GaussianPosterior`. (default: :obj:`False`)

        Raises:
            ValueError: If shapes, types or node indices do not fit.
        """
        posterior = self.encode(
            x, edge_index, edge_weight, edge_attr, size, x_logstd, edge_type
        )
        if not torch.compiler.is_exporting():  # A program keeps no such state.
            self._kl = posterior.kl().mean()
        z = posterior.latent(self.training, num_samples)
        return (z, posterior) if return_posterior else z

    def encode(
        self,
        x: NodeInput,
        edge_index: Adj,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
        size: tuple[int, int] | None = None,
        x_logstd: NodeInput | None = None,
        edge_type: Tensor | None = None,
    ) -> GaussianPosterior:
        """The posterior of each node, without drawing from it; arguments as in
        :meth:`forward`.
        """
        inputs = [x, x if x_logstd is None else x_logstd]
        mean, logstd = self.run_stacks(
            inputs, edge_index, edge_weight, edge_attr, size, edge_type
        )
        return GaussianPosterior(mean, logstd + self.bias_logstd)

    def kl_loss(self) -> Tensor:
        r"""The mean over nodes of the KL divergence of the last forward, in nats.

        For containers that pass on the latent only, such as
        :class:`torch_geometric.nn.HeteroConv`; with ``return_posterior=True`` the
        posterior gives the same.

        Raises:
            RuntimeError: Before any forward.
        """
        if self._kl is None:
            raise RuntimeError(
                "kl_loss() belongs to the last forward, and there has been none yet"
            )
        return self._kl

    def __getstate__(self) -> dict[str, Any]:
        # A tensor with an autograd graph cannot be copied or pickled.
        return {**self.__dict__, "_kl": None}
