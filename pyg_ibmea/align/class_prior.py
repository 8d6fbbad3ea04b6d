"""How many entities have a counterpart at all, estimated from those nobody labelled."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyg_ibmea.align.calibration import Calibration

_HALVINGS = 60


def counterpart_share(
    present: Tensor,
    absent: Tensor,
    unlabelled: Tensor,
    at_most: float = 1.0,
    strength: float = 1.0,
) -> float:
    r"""Estimates the share of entities that have a counterpart.

    Logistic regression (:class:`~pyg_ibmea.align.calibration.Calibration`) tells the
    matches of entities whose counterpart is there from those of the same entities with
    their counterpart taken away. Its odds are the ratio :math:`r(x)` of both densities,
    and the share :math:`\pi` is the one under which the evidence of the unlabelled
    entities is most likely, as a mixture of both kinds:

    .. math::
        \pi = \arg\max_\pi \sum_x \log\big(\pi \, r(x) + 1 - \pi\big)
        + a \log \pi

    as expectation maximisation would find it (`Saerens, Latinne and Decaestecker 2002
    <https://doi.org/10.1162/089976602753284446>`_). Where the evidence cannot tell both
    kinds apart, the last term keeps the estimate near the largest share that is
    possible.

    Args:
        present (torch.Tensor): Evidence for the matches of entities that have a
            counterpart, ``[L, F]``; the more, the larger.
        absent (torch.Tensor): Evidence for the matches of entities without one,
            ``[L', F]``.
        unlabelled (torch.Tensor): That of entities of which nothing is known,
            ``[U, F]``.
        at_most (float, optional): The largest share that is possible, such as the
            number of entities of the other graph over that of these, as no two have the
            same counterpart. (default: :obj:`1.0`)
        strength (float, optional): :math:`a`, in entities. (default: :obj:`1.0`)

    Returns:
        float: The share, in (0, at_most].

    Raises:
        ValueError: If one of both kinds has no entity, widths differ, or ``at_most`` is
            not in (0, 1].

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> two = [torch.randn(2000, 1, generator=generator) + 3 * i for i in range(2)]
        >>> mixed = torch.cat([two[0][:600], two[1][:1400]])
        >>> round(counterpart_share(two[1], two[0], mixed), 2)
        0.7
    """
    if not 0 < at_most <= 1:
        raise ValueError(f"at_most must be in (0, 1], got {at_most}")
    if not len(present) or not len(absent):
        raise ValueError(
            f"both kinds are needed, got {len(present)} entities with a counterpart "
            f"and {len(absent)} without"
        )
    marks = torch.arange(len(present) + len(absent)) < len(present)
    weight = torch.where(marks, 0.5 / len(present), 0.5 / len(absent)).double()
    # As if both were equally frequent, and as many as there are.
    weight *= len(marks)
    told = Calibration().fit(torch.cat([present, absent]), marks, weight)
    if not len(unlabelled):
        return at_most
    chance = told(unlabelled).numpy()
    return most_likely_share(chance / (1 - chance), at_most, strength)


def most_likely_share(
    ratio: NDArray[np.float64], at_most: float = 1.0, strength: float = 1.0
) -> float:
    """The share of :func:`counterpart_share` for given ratios of densities.

    Args:
        ratio (numpy.ndarray): Positive ratios ``[U]``.
        at_most (float, optional): The largest share. (default: :obj:`1.0`)
        strength (float, optional): In entities. (default: :obj:`1.0`)

    Example:
        >>> most_likely_share(np.ones(10), at_most=0.5)
        0.5
    """
    low, high = 0.0, at_most
    for _ in range(_HALVINGS):  # The likelihood is concave in the share.
        share = 0.5 * (low + high)
        slope = ((ratio - 1) / (share * ratio + 1 - share)).sum() + strength / share
        low, high = (share, high) if slope > 0 else (low, share)
    return high
