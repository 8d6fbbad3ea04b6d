"""The loss on the fused latents."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pyg_ibmea.nn._sparse import unit_rows
from pyg_ibmea.nn.loss._contrastive import info_nce, multi_similarity
from pyg_ibmea.nn.loss._gather import gather_rows

# exp() of a larger number leaves float32.
_MAX_EXPONENT = 80.0


class HybridContrastiveLoss(nn.Module):
    r"""Pulls true pairs together and pushes all other entities of the batch apart, in
    the space where all modalities are fused (`arXiv:2407.19302
    <https://arxiv.org/abs/2407.19302>`_).

    Rows are scaled to unit length, so similarities are cosines. With
    ``objective='multi_similarity'`` (the paper's; Wang et al., "Multi-Similarity Loss
    with General Pair Weighting", CVPR 2019, without the miner) each of the :math:`2B`
    rows has one positive and :math:`2B - 2` negatives, those of its own side included:

    .. math::
        \frac{1}{2B} \sum_i \left[ \frac1\alpha \log \left( 1 + e^{-\alpha
        (s_{i,pos} - \lambda)} \right) + \frac1\beta \log \left( 1 + \sum_{neg}
        e^{\beta (s_{i,neg} - \lambda)} \right) \right]

    With ``objective='info_nce'`` it is the cross-entropy of the true counterpart among
    the :math:`B` candidates of the other side, averaged over both directions, at
    temperature :math:`\tau`; :math:`\log B` minus it bounds the mutual information of
    the two sides in nats.

    Memory grows with :math:`B \cdot C`, never with :math:`B^2`. The gradient is formed
    in the forward pass; second derivatives are not available. Inputs in half precision
    are raised to float32, and autocast is off inside: :math:`e^{\beta (s - \lambda)}`
    leaves float16 at cosines of .78.

    Args:
        objective (str, optional): ``'multi_similarity'`` or ``'info_nce'``.
            (default: :obj:`'multi_similarity'`)
        scale_pos (float, optional): :math:`\alpha`. (default: :obj:`5.0`)
        scale_neg (float, optional): :math:`\beta`. (default: :obj:`40.0`)
        base (float, optional): :math:`\lambda`, a cosine. (default: :obj:`0.5`)
        temperature (float, optional): :math:`\tau`. (default: :obj:`0.1`)
        gather (bool, optional): Whether the pairs of all processes in distributed
            training are one batch; each process then forms the same loss. Under
            ``DistributedDataParallel`` the gradients are those of one process with
            that batch. (default: :obj:`False`)

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> loss = HybridContrastiveLoss('info_nce')
        >>> loss(torch.eye(4), torch.eye(4)).item() < loss(
        ...     torch.eye(4), torch.eye(4).flip(0)).item()
        True
    """

    def __init__(
        self,
        objective: str = "multi_similarity",
        scale_pos: float = 5.0,
        scale_neg: float = 40.0,
        base: float = 0.5,
        temperature: float = 0.1,
        gather: bool = False,
    ):
        super().__init__()
        if objective not in ("multi_similarity", "info_nce"):
            raise ValueError(
                f"objective must be 'multi_similarity' or 'info_nce', got {objective!r}"
            )
        for name, value in (
            ("scale_pos", scale_pos),
            ("scale_neg", scale_neg),
            ("temperature", temperature),
        ):
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")
        if scale_neg * (1 - base) > _MAX_EXPONENT:
            raise ValueError(
                f"scale_neg * (1 - base) = {scale_neg * (1 - base)} overflows float32; "
                f"keep it below {_MAX_EXPONENT}"
            )
        self.objective = objective
        self.scale_pos = scale_pos
        self.scale_neg = scale_neg
        self.base = base
        self.temperature = temperature
        self.gather = gather

    def forward(self, z_source: Tensor, z_target: Tensor) -> Tensor:
        """The loss of a batch of true pairs.

        Args:
            z_source (torch.Tensor): ``[B, C]``.
            z_target (torch.Tensor): ``[B, C]``; row i is the same entity as row i of
                ``z_source``.

        Returns:
            torch.Tensor: A scalar, at least float32; zero for ``B = 0``.
        """
        if z_source.dim() != 2 or z_source.shape != z_target.shape:
            raise ValueError(
                "row i of both sides is one pair, so both must have the same shape "
                f"[B, C]; got {list(z_source.shape)} and {list(z_target.shape)}"
            )
        if self.gather:
            z_source, z_target = gather_rows(z_source), gather_rows(z_target)
        dtype = torch.promote_types(z_source.dtype, z_target.dtype)
        dtype = torch.promote_types(dtype, torch.float32)
        with torch.autocast(z_source.device.type, enabled=False):
            return self._loss(z_source.to(dtype), z_target.to(dtype))

    def _loss(self, z_source: Tensor, z_target: Tensor) -> Tensor:
        if z_source.size(0) == 0:
            return (z_source.sum() + z_target.sum()) * 0.0
        z = unit_rows(torch.cat([z_source, z_target]))
        if self.objective == "info_nce":
            z_source, z_target = z.chunk(2)
            return info_nce(z_source, z_target, self.temperature)
        return multi_similarity(z, self.scale_pos, self.scale_neg, self.base)

    def __repr__(self) -> str:
        if self.objective == "info_nce":
            options = f"temperature={self.temperature}"
        else:
            options = (
                f"scale_pos={self.scale_pos}, scale_neg={self.scale_neg}, "
                f"base={self.base}"
            )
        return f"{type(self).__name__}({self.objective!r}, {options})"
