"""The Gaussian that every bottleneck of this package outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pyg_ibmea.nn._stacks import stack


# Compared and hashed by identity: tensors have no single truth value.
@dataclass(frozen=True, eq=False)
class GaussianPosterior:
    r"""A diagonal Gaussian :math:`q(z|x) = \mathcal{N}(\mu, \mathrm{diag}\,\sigma^2)`
    for each row of a batch.

    Args:
        mean (torch.Tensor): :math:`\mu`, of shape :math:`(*, N, C)`.
        logstd (torch.Tensor): :math:`\log\sigma`, of shape :math:`(*, N, C)`.

    Example:
        >>> posterior = GaussianPosterior(torch.zeros(2, 3), torch.zeros(2, 3))
        >>> posterior.kl()
        tensor([0., 0.])
        >>> posterior.rsample(num_samples=5).shape
        torch.Size([5, 2, 3])
    """

    mean: Tensor
    logstd: Tensor

    @property
    def std(self) -> Tensor:
        r"""The standard deviation :math:`\sigma`, of shape :math:`(N, C)`."""
        return self.logstd.exp()

    def rsample(self, num_samples: int | None = None) -> Tensor:
        r"""A reparametrised sample :math:`\mu + \sigma\epsilon`,
        :math:`\epsilon \sim \mathcal{N}(0, I)`, through which gradients flow.

        Args:
            num_samples (int, optional): Number of independent samples.
                (default: :obj:`None`, one sample without a leading dimension)

        Returns:
            torch.Tensor: :math:`(N, C)`, or :math:`(S, N, C)` for
            ``num_samples=S``.
        """
        if num_samples is None:
            return self.mean + self.std * torch.randn_like(self.mean)
        _check_number(num_samples)
        shape = (num_samples, *self.mean.shape)
        noise = torch.randn(shape, dtype=self.mean.dtype, device=self.mean.device)
        return self.mean + self.std * noise

    def latent(self, training: bool, num_samples: int | None = None) -> Tensor:
        """A sample in training and a copy of the mean in evaluation.

        Args:
            training (bool): The ``training`` flag of the module that asks.
            num_samples (int, optional): See :meth:`rsample`; the mean is repeated.

        Returns:
            torch.Tensor: As :meth:`rsample`.
        """
        if training:
            return self.rsample(num_samples)
        # A copy, so that writing to it leaves the posterior as it is.
        if num_samples is None:
            return self.mean.clone()
        _check_number(num_samples)
        return self.mean.repeat(num_samples, *[1] * self.mean.dim())

    def kl(self) -> Tensor:
        r"""The Kullback-Leibler divergence from the prior
        :math:`\mathcal{N}(0, I)` in nats, summed over channels:

        .. math::
            \mathrm{KL}(q \,\|\, r) = \frac12 \sum_d \left( \mu_d^2 + \sigma_d^2
            - 1 - 2\log\sigma_d \right)

        Returns:
            torch.Tensor: One value per row, of shape :math:`(N)`.
        """
        logvar = 2 * self.logstd
        return 0.5 * (self.mean.square() + logvar.exp() - 1 - logvar).sum(dim=-1)

    def __getitem__(self, rows: Tensor | slice) -> GaussianPosterior:
        """The posterior of a subset of the rows."""
        if isinstance(rows, Tensor) and rows.dtype == torch.long and rows.dim() == 1:
            # Its gradient is summed up in a fixed order.
            mean, logstd = (x.index_select(0, rows) for x in (self.mean, self.logstd))
            return GaussianPosterior(mean, logstd)
        return GaussianPosterior(self.mean[rows], self.logstd[rows])

    @classmethod
    def stacked(cls, parts: Sequence[GaussianPosterior]) -> GaussianPosterior:
        """Posteriors of one shape :math:`(N, C)` as one, :math:`(M, N, C)`; a single
        one as it is.
        """
        return cls(stack([p.mean for p in parts]), stack([p.logstd for p in parts]))

    def unstacked(self) -> list[GaussianPosterior]:
        """The posteriors :math:`(N, C)` of a stack :math:`(M, N, C)`."""
        parts = zip(self.mean.unbind(), self.logstd.unbind(), strict=True)
        return [GaussianPosterior(mean, logstd) for mean, logstd in parts]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.mean.shape)})"


def _check_number(num_samples: int) -> None:
    if num_samples < 1:
        raise ValueError(f"num_samples must be at least 1, got {num_samples}")
