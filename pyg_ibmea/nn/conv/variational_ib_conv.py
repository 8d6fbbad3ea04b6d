"""The variational information bottleneck as a graph convolution."""

from __future__ import annotations

from typing import Any, Literal, overload

import torch
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.typing import Adj

from pyg_ibmea.nn.conv._diagonal_attention import (
    Attended,
    DiagonalAttention,
    NodeInput,
    Weights,
)
from pyg_ibmea.nn.conv._kl import KLRecords, check_reduction
from pyg_ibmea.nn.conv._message_passing import is_jit_traced
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
    with a factor :math:`\beta`; :func:`pyg_ibmea.nn.collect_kl` finds it in a whole
    model. The arguments are those of :class:`torch_geometric.nn.GATConv`, ours after
    them by keyword.

    Args:
        in_channels (int or tuple): Channels of the input, ``-1`` to take them from
            the first forward; a tuple for the two sides of a bipartite graph.
        out_channels (int): Channels :math:`C` of the latent, of each head.
        heads (int, optional): Attention heads per stack. (default: :obj:`1`)
        concat (bool, optional): Whether the heads are concatenated. The method takes
            their mean, so unlike in GATConv that is the default.
            (default: :obj:`False`)
        negative_slope (float, optional): Slope of LeakyReLU. (default: :obj:`0.2`)
        dropout (float, optional): Dropout of the attention coefficients.
            (default: :obj:`0.0`)
        add_self_loops (bool, optional): Whether every node attends to itself.
            (default: :obj:`True`)
        edge_dim (int, optional): Channels of edge features, which enter the attention
            score. (default: :obj:`None`)
        fill_value (float or torch.Tensor or str, optional): Features of the self-loops
            that are added: given, or how to make them of those of the edges that
            arrive at the node. (default: :obj:`'mean'`)
        bias (bool, optional): Whether :math:`\boldsymbol\mu` has a bias; the paper has
            none. (default: :obj:`True`)
        residual (bool, optional): Whether a linear map of the receivers' features is
            added to :math:`\boldsymbol\mu`. (default: :obj:`False`)
        share_weights (bool, optional): Whether senders and receivers share the linear
            map. (default: shared unless ``in_channels`` is a tuple, as in GATConv)
        weight (str, optional): ``'full'`` puts a linear map, shared by the heads of a
            stack, first; ``'diagonal'``, the paper's, only scales channels and needs
            ``in_channels == out_channels``. (default: :obj:`'full'`)
        num_relations (int, optional): Number of edge types; each has a learned term
            :math:`b_r` in the attention score, which starts at 0.
            (default: :obj:`None`)
        init_logstd (float, optional): Start of :math:`\mathbf{c}`, and of
            :math:`\log\sigma` as a whole: its stack starts at 0. A deviation near 1
            at the start drowns the signal. (default: :obj:`-3.0`)
        **kwargs (optional): Those of
            :class:`torch_geometric.nn.conv.MessagePassing`, such as ``flow``.

    Shapes:
        - **input:** node features :math:`(*, N, F)` or
          :math:`((*, N_s, F_s), (*, N_t, F_t))`, edge indices :math:`(2, E)`,
          edge features :math:`(E, D)` *(optional)*
        - **output:** :math:`(*, N_t, C)`, or :math:`(*, N_t, H C)` with ``concat``;
          with ``num_samples=S`` :math:`(S, *, N_t, C)`; with
          ``return_attention_weights=True`` also :math:`((2, E), (E, *, H))`

    Example:
        >>> conv = VariationalIBConv(16, 8, heads=2).eval()
        >>> x, edge_index = torch.randn(4, 16), torch.tensor([[0, 1, 2], [1, 2, 3]])
        >>> z, posterior = conv(x, edge_index, return_posterior=True)
        >>> bool((z == posterior.mean).all()), posterior.kl().shape
        (True, torch.Size([4]))
        >>> z, (edges, alpha) = conv(x, edge_index, return_attention_weights=True)
        >>> alpha.shape  # With the four self-loops.
        torch.Size([7, 2])
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
        init_logstd: float = -3.0,
        **kwargs: Any,
    ):
        super().__init__(
            in_channels,
            out_channels,
            heads,
            num_stacks=2,
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
        self.init_logstd = init_logstd
        self.bias_logstd = Parameter(torch.empty(self._width))
        self.kl_records = KLRecords()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        r"""Resets all parameters, the scales of :math:`\log\sigma` to zero, and
        forgets the KL of all calls.
        """
        super().reset_parameters()
        # Sigma starts as it is told to, however large the input.
        with torch.no_grad():
            self.scale[1].zero_()
        torch.nn.init.constant_(self.bias_logstd, self.init_logstd)
        self.kl_records.clear()

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
        x_logstd: NodeInput | None = ...,
        num_samples: int | None = ...,
        return_posterior: Literal[False] = ...,
    ) -> Tensor: ...

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
        x_logstd: NodeInput | None = ...,
        num_samples: int | None = ...,
        return_posterior: Literal[True],
    ) -> tuple[Tensor, GaussianPosterior]: ...

    @overload
    def forward(
        self,
        x: NodeInput,
        edge_index: Adj,
        edge_attr: Tensor | None = ...,
        size: tuple[int, int] | None = ...,
        *,
        return_attention_weights: Literal[True, "all"],
        edge_weight: Tensor | None = ...,
        edge_type: Tensor | None = ...,
        x_logstd: NodeInput | None = ...,
        num_samples: int | None = ...,
        return_posterior: Literal[False] = ...,
    ) -> tuple[Tensor, Weights]: ...

    @overload
    def forward(
        self,
        x: NodeInput,
        edge_index: Adj,
        edge_attr: Tensor | None = ...,
        size: tuple[int, int] | None = ...,
        *,
        return_attention_weights: Literal[True, "all"],
        edge_weight: Tensor | None = ...,
        edge_type: Tensor | None = ...,
        x_logstd: NodeInput | None = ...,
        num_samples: int | None = ...,
        return_posterior: Literal[True],
    ) -> tuple[Tensor, GaussianPosterior, Weights]: ...

    def forward(
        self,
        x: NodeInput,
        edge_index: Adj,
        edge_attr: Tensor | None = None,
        size: tuple[int, int] | None = None,
        return_attention_weights: bool | str | None = None,
        *,
        edge_weight: Tensor | None = None,
        edge_type: Tensor | None = None,
        x_logstd: NodeInput | None = None,
        num_samples: int | None = None,
        return_posterior: bool = False,
    ) -> (
        Tensor
        | tuple[Tensor, GaussianPosterior]
        | tuple[Tensor, Weights]
        | tuple[Tensor, GaussianPosterior, Weights]
    ):
        r"""Runs the layer.

        Args:
            x (torch.Tensor or tuple): Node features, ``[N, F]`` or a pair
                ``(x_source, x_target)`` whose second part may be ``None``; more
                dimensions before them for several inputs on one (static) graph.
            edge_index (torch.Tensor, EdgeIndex or SparseTensor): The graph; sparse
                matrices hold ``adj_t``. Their values are edge features for a layer
                with ``edge_dim``, edge weights otherwise.
            edge_attr (torch.Tensor, optional): ``[E, edge_dim]``.
            size (tuple, optional): ``(N_s, N_t)`` where nothing else tells.
            return_attention_weights (bool or str, optional): Whether to return
                ``(edge_index, alpha)``, too, with the self-loops of the layer, as
                GATConv does: ``alpha`` is that of :math:`\boldsymbol\mu`, or for
                ``'all'`` of both stacks, ``[E, 2, heads]``.
            edge_weight (torch.Tensor, optional): ``[E]`` or ``[E, 1]``, multiplies
                each message after the softmax; ``alpha`` is without it.
            edge_type (torch.Tensor, optional): long ``[E]``, below ``num_relations``.
            x_logstd (torch.Tensor or tuple, optional): Input of the
                :math:`\log\sigma` stack where it has hidden layers of its own.
                (default: ``x``)
            num_samples (int, optional): Number of samples in training; in evaluation
                the mean is repeated.
            return_posterior (bool, optional): Also return the
                :class:`GaussianPosterior`, after the latent. (default: :obj:`False`)

        Raises:
            ValueError: If shapes or types do not fit.
            IndexError: If an edge names a node that does not exist.
        """
        inputs = [x, x if x_logstd is None else x_logstd]
        attended = self.attend(
            inputs,
            edge_index,
            edge_attr,
            size,
            edge_weight,
            edge_type,
            return_attention_weights,
        )
        posterior = self._recorded(self._posterior(attended))
        z = posterior.latent(self.training, num_samples)
        if attended.weights is None:
            return (z, posterior) if return_posterior else z
        if return_posterior:
            return z, posterior, attended.weights
        return z, attended.weights

    def encode(
        self,
        x: NodeInput,
        edge_index: Adj,
        edge_attr: Tensor | None = None,
        size: tuple[int, int] | None = None,
        *,
        edge_weight: Tensor | None = None,
        edge_type: Tensor | None = None,
        x_logstd: NodeInput | None = None,
    ) -> GaussianPosterior:
        """The posterior of each node, without drawing from it and without a record of
        its KL divergence; arguments as in :meth:`forward`.
        """
        inputs = [x, x if x_logstd is None else x_logstd]
        return self._posterior(
            self.attend(inputs, edge_index, edge_attr, size, edge_weight, edge_type)
        )

    def kl_loss(self, reduction: str = "mean") -> Tensor:
        r"""The KL divergence of the calls since :meth:`zero_kl` or the last step, in
        nats: several where a layer is used twice in a model.

        A step ends with the backward pass. For containers that pass on the latent
        only, such as :class:`torch_geometric.nn.HeteroConv`; for one call with
        ``return_posterior=True`` the posterior gives the same. Its gradient is that of
        the forward that was run: none under ``torch.no_grad()``, and so none within
        :func:`torch.utils.checkpoint.checkpoint` with ``use_reentrant=True``.

        Args:
            reduction (str, optional): ``'mean'`` over the nodes of all calls, 0 if
                there are none, or their ``'sum'``. (default: :obj:`'mean'`)

        Raises:
            RuntimeError: Before any forward.
        """
        check_reduction(reduction)
        total = self.kl_records.total()
        if total is None:
            raise RuntimeError(
                "kl_loss() belongs to the last forward, and there has been none yet"
            )
        nats, num_nodes = total
        return nats if reduction == "sum" else nats / max(1, num_nodes)

    def zero_kl(self) -> None:
        """Forgets the calls so far."""
        self.kl_records.clear()

    def _posterior(self, attended: Attended) -> GaussianPosterior:
        mean, logstd = attended.outputs
        return GaussianPosterior(mean, logstd + self.bias_logstd)

    def _recorded(self, posterior: GaussianPosterior) -> GaussianPosterior:
        """Records the divergence of a posterior; the caller gets the one returned."""
        # A program keeps no such state.
        if torch.compiler.is_exporting() or is_jit_traced():
            return posterior
        mean = posterior.mean.view_as(posterior.mean)
        self.kl_records.add(posterior.kl(), mean)
        return GaussianPosterior(mean, posterior.logstd)

    def __getstate__(self) -> dict[str, Any]:
        # Tensors with an autograd graph cannot be copied or pickled.
        return {**self.__dict__, "kl_records": KLRecords()}
