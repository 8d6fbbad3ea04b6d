"""A loss for entities that are known to have no counterpart."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_ibmea.nn._sparse import unit_rows


def no_counterpart_loss(
    z_alone: Tensor, z_source: Tensor, z_target: Tensor, temperature: float = 0.1
) -> Tensor:
    r"""How far source entities without a counterpart look like the counterpart of a
    target entity, compared with its true one:

    .. math::
        \sum_i \log \Big( 1 + \sum_j \exp \frac{\cos(a_i, t_j) - \cos(s_j, t_j)}{\tau}
        \Big)

    The pairs are taken as they are: only the entities without a counterpart move.

    Args:
        z_alone (torch.Tensor): Vectors :math:`a` of such entities ``[D, C]``.
        z_source (torch.Tensor): Vectors :math:`s` of the source entities of true pairs
            ``[B, C]``.
        z_target (torch.Tensor): Vectors :math:`t` of their counterparts ``[B, C]``.
        temperature (float, optional): :math:`\tau`. (default: :obj:`0.1`)

    Returns:
        torch.Tensor: A scalar, in at least float32; 0 without such entities or pairs.

    Example:
        >>> z = torch.eye(3)
        >>> float(no_counterpart_loss(z[:1], z[1:], z[1:])) < 1e-3
        True
        >>> no_counterpart_loss(z[:1], z[:1], z[:1])
        tensor(0.6931)
    """
    dtype = torch.promote_types(z_alone.dtype, torch.float32)
    with torch.autocast(z_alone.device.type, enabled=False):
        alone = unit_rows(z_alone.to(dtype))
        source, target = (unit_rows(z.detach().to(dtype)) for z in (z_source, z_target))
        true = (source * target).sum(dim=1)
        excess = (alone @ target.t() - true) / temperature
        return torch.nn.functional.softplus(excess.logsumexp(dim=1)).sum()
