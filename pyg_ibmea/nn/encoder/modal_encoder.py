"""Bottleneck encoders for the features of each modality."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyg_ibmea.nn._named_modules import NamedModules
from pyg_ibmea.nn._sparse import or_infinite, row_norms
from pyg_ibmea.nn._stacks import cat_of_each, linear_of_each, stack, stacks, unstack
from pyg_ibmea.nn.posterior import GaussianPosterior
from pyg_ibmea.options.model import select_bottlenecks


class ModalVIBEncoder(nn.Module):
    r"""One variational bottleneck per modality (`arXiv:2407.19302
    <https://arxiv.org/abs/2407.19302>`_):

    .. math::
        \mathbf{h} = \mathrm{ReLU}(\mathbf{W} \hat{\mathbf{x}}), \qquad
        \boldsymbol\mu = \mathbf{W}_\mu \mathbf{h}, \qquad
        \log\boldsymbol\sigma = \mathbf{W}_\sigma \mathbf{h} + \mathbf{c}

    where :math:`\hat{\mathbf{x}}` is the input row at unit length, so that an entity
    with many attributes does not outweigh one with few.

    With ``residual=True`` the mean is :math:`\mathbf{P} \hat{\mathbf{x}} +
    \mathbf{W}_\mu \mathbf{h}`. :math:`\mathbf{P}` starts as a random matrix with
    orthonormal rows or columns, :math:`\mathbf{W}_\mu` as zero: cosines between latents
    begin as (estimates of) those between inputs, and training corrects them. So
    features that are comparable as they come, such as images or names, need not be
    relearned from a few seed pairs.

    Args:
        in_channels (dict): Input channels by modality name.
        out_channels (int): Channels :math:`C` of hidden layer and latent.
        bottleneck (bool or collection of str, optional): The modalities that get a
            bottleneck; the others are encoded deterministically by :math:`\mu`.
            (default: :obj:`True`, all of them)
        dropout (float, optional): Dropout of :math:`\mathbf{h}`. (default: :obj:`0.0`)
        init_logstd (float, optional): Start of :math:`\mathbf{c}`.
            (default: :obj:`-3.0`)
        residual (bool, optional): Whether the mean has the linear path.
            (default: :obj:`False`, as in the paper)

    Shapes:
        - **input:** by modality, features :math:`(N, F_m)`, dense or
          ``torch.sparse_coo`` / ``torch.sparse_csr``, of any real type, which are
          converted to that of the weights, and optional masks :math:`(N)`
        - **output:** by modality, latents :math:`(N, C)` and posteriors
          :math:`(N, C)`. Rows whose mask is :obj:`False` are zero in the latents and
          pass no gradient.

    Example:
        >>> encoder = ModalVIBEncoder({'image': 8, 'name': 4}, 3).eval()
        >>> x = {'image': torch.randn(2, 8), 'name': torch.randn(2, 4).to_sparse()}
        >>> latents, posteriors = encoder(x, {'image': torch.tensor([True, False])})
        >>> latents['image'][1]
        tensor([0., 0., 0.], grad_fn=<SelectBackward0>)
    """

    def __init__(
        self,
        in_channels: Mapping[str, int],
        out_channels: int,
        bottleneck: bool | Collection[str] = True,
        dropout: float = 0.0,
        init_logstd: float = -3.0,
        residual: bool = False,
    ):
        super().__init__()
        chosen = select_bottlenecks(bottleneck, in_channels)
        self.in_channels = dict(in_channels)
        self.out_channels = out_channels
        self.with_residual = residual
        self.dropout = dropout
        self.init_logstd = init_logstd
        self.hidden = NamedModules()
        self.mean = NamedModules()
        self.logstd = NamedModules()
        self.residual = NamedModules()
        for modality, channels in self.in_channels.items():
            self.hidden[modality] = nn.Linear(channels, out_channels)
            self.mean[modality] = nn.Linear(out_channels, out_channels)
            if residual:
                self.residual[modality] = nn.Linear(channels, out_channels, bias=False)
            if modality in chosen:
                self.logstd[modality] = nn.Linear(out_channels, out_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Resets all parameters."""
        for linears in (self.hidden, self.mean, self.logstd):
            for linear in linears.values():
                nn.init.xavier_uniform_(linear.weight)
                nn.init.zeros_(linear.bias)
        for linear in self.logstd.values():
            nn.init.constant_(linear.bias, self.init_logstd)
        for modality, linear in self.residual.items():
            # Projecting a wide input keeps out / in of its squared length on average.
            wide = max(1.0, linear.in_features / linear.out_features)
            nn.init.orthogonal_(linear.weight, gain=wide**0.5)
            nn.init.zeros_(self.mean[modality].weight)

    def forward(
        self, x: Mapping[str, Tensor], mask: Mapping[str, Tensor] | None = None
    ) -> tuple[dict[str, Tensor], dict[str, GaussianPosterior]]:
        """Encodes the modalities that are in ``x``.

        Args:
            x (dict): Features by modality.
            mask (dict, optional): Which rows are present, by modality; a modality
                without a mask is present everywhere.

        Returns:
            tuple: Latents by modality, and posteriors of the modalities that have a
            bottleneck.

        Raises:
            ValueError: If a modality is unknown or its shapes do not fit.
        """
        products: dict[str, Tensor] = {}
        lengths: dict[str, Tensor] = {}
        for modality, features in x.items():
            present = None if mask is None else mask.get(modality)
            self._check(modality, features, present)
        for (modality, features), weight in zip(
            x.items(), self._first_weights(x), strict=True
        ):
            features = features.to(weight.dtype)
            if features.layout != torch.strided:
                features = features.to_sparse_coo()
            # The product is smaller than the input: lengths are divided out of it.
            products[modality] = features @ weight.t()
            lengths[modality] = row_norms(features)
        found: dict[str, Tensor] = {}
        posteriors: dict[str, GaussianPosterior] = {}
        for group in stacks(products):
            # Those with a bottleneck come first.
            group = sorted(group, key=lambda modality: modality not in self.logstd)
            product = stack([products[modality] for modality in group])
            length = or_infinite(stack([lengths[modality] for modality in group]))
            latent, parts = self._heads(group, product / length[..., None])
            found.update(zip(group, unstack(latent, len(group)), strict=True))
            posteriors.update(zip(group, parts, strict=False))
        latents: dict[str, Tensor] = {}
        for modality in x:
            latent = found[modality]
            present = None if mask is None else mask.get(modality)
            if present is not None:
                latent = torch.where(present[:, None], latent, latent.new_zeros(()))
            latents[modality] = latent
        return latents, posteriors

    def _first_weights(self, modalities: Iterable[str]) -> list[Tensor]:
        """The weights of the first layer of each modality, and below them those of the
        linear path beside it.
        """
        linears = [self.hidden, *([self.residual] if self.with_residual else [])]
        weights = [[linear[m].weight for linear in linears] for m in modalities]
        return cat_of_each(weights)

    def _heads(
        self, group: Sequence[str], product: Tensor
    ) -> tuple[Tensor, list[GaussianPosterior]]:
        """Latents of a group of modalities from what the first weights make of rows of
        unit length, ``[*, N, C]``, and the posteriors of the first of them, those that
        have a bottleneck.
        """
        hidden, direct = product, None
        if self.with_residual:
            hidden, direct = product.split(self.out_channels, dim=-1)
        bias = stack([self.hidden[modality].bias for modality in group])
        hidden = F.relu(hidden + bias[..., None, :])
        hidden = F.dropout(hidden, p=self.dropout, training=self.training)
        mean = linear_of_each([self.mean[modality] for modality in group], hidden)
        if direct is not None:
            mean = mean + direct
        heads = [self.logstd[m] for m in group if m in self.logstd]
        if not heads:
            return mean, []
        certain = None
        if len(heads) < len(group):
            mean, certain = mean.tensor_split([len(heads)])
            hidden = hidden[: len(heads)]
        posterior = GaussianPosterior(mean, linear_of_each(heads, hidden))
        latent = posterior.latent(self.training)
        latent = latent if certain is None else torch.cat([latent, certain])
        return latent, [posterior] if len(group) == 1 else posterior.unstacked()

    def _check(self, modality: str, x: Tensor, mask: Tensor | None) -> None:
        if modality not in self.in_channels:
            raise ValueError(
                f"unknown modality {modality!r}; this encoder has "
                f"{sorted(self.in_channels)}"
            )
        channels = self.in_channels[modality]
        if x.dim() != 2 or x.size(1) != channels:
            raise ValueError(
                f"modality {modality!r} needs features [num_entities, {channels}], "
                f"got {list(x.shape)}"
            )
        if mask is not None and (mask.dtype != torch.bool or mask.shape != x.shape[:1]):
            raise ValueError(
                f"the mask of modality {modality!r} must be bool [{x.size(0)}], got "
                f"{mask.dtype} {list(mask.shape)}"
            )

    def __repr__(self) -> str:
        residual = ", residual=True" if self.with_residual else ""
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}{residual})"
        )
