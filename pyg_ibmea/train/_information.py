"""What the latents know: bounds on mutual information, in nats."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Module
from torch_geometric.data import HeteroData

from pyg_ibmea.nn._modes import evaluation_mode
from pyg_ibmea.problem import alignment_pair, links_of

_TEMPERATURES = (0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3, 0.5, 1.0)


def info_nce_bound(scores: Tensor) -> float:
    r"""The InfoNCE lower bound on the mutual information of two variables
    ("Representation Learning with Contrastive Predictive Coding", `arXiv:1807.03748
    <https://arxiv.org/abs/1807.03748>`_):

    .. math::
        I(A; B) \ge \log n + \frac1n \sum_i \log
        \frac{e^{s_{ii}}}{\sum_j e^{s_{ij}}}

    averaged over both directions. It holds for any scores, is tight for those that
    equal the log density ratio up to a constant per row, and never exceeds
    :math:`\log n`, the most that a sample of n pairs can show.

    Args:
        scores (torch.Tensor): Score of each :math:`a_i` with each :math:`b_j`,
            ``[n, n]``; the pairs are on the diagonal.

    Returns:
        float: Nats; negative if the scores are worse than guessing.

    Raises:
        ValueError: If the scores are not square, or empty.

    Example:
        >>> round(info_nce_bound(100 * torch.eye(4)), 4)  # log 4
        1.3863
    """
    if scores.dim() != 2 or scores.size(0) != scores.size(1) or scores.size(0) == 0:
        raise ValueError(f"scores must be [n, n] for n pairs, got {list(scores.shape)}")
    return math.log(scores.size(0)) - float(_info_nce(scores))


def _info_nce(scores: Tensor) -> Tensor:
    true = torch.arange(scores.size(0), device=scores.device)
    return (F.cross_entropy(scores, true) + F.cross_entropy(scores.t(), true)) / 2


@torch.no_grad()
def information_plane(
    model: Module,
    data: HeteroData,
    part: str = "val",
    graph: object | None = None,
    temperatures: Sequence[float] = _TEMPERATURES,
) -> dict[str, dict[str, float]]:
    r"""Where each modality stands between compression and prediction.

    For the pairs of one part: the mean KL from the prior, an upper bound on
    :math:`I(X; Z)`, and the InfoNCE lower bound on :math:`I(Z_{source}; Z_{target})`
    with cosine over a temperature as score. Both are of noisy latents, as in training,
    except where a modality has no bottleneck. The random state is left as it was.

    Args:
        model (Module): The model; its mode is restored afterwards.
        data (HeteroData): The problem.
        part (str, optional): ``'train'``, ``'val'`` or ``'test'``; pairs that the model
            was trained on show what it remembers. (default: :obj:`'val'`)
        graph (object, optional): What the model's ``graph_of(data)`` returned.
            (default: :obj:`None`)
        temperatures (sequence of float, optional): The bound is the best over these;
            with few pairs it is a little above what one of them alone would show.

    Returns:
        dict: By modality, ``prediction`` in nats, ``log_pairs``, the most that it could
        be, and ``compression`` in nats, if it has a bottleneck. A modality that fewer
        than two pairs have on both sides is left out.
    """
    pair = alignment_pair(data)
    links = links_of(data, part)
    device = links.device
    devices = [device] if device.type == "cuda" else []
    with evaluation_mode(model), torch.random.fork_rng(devices):
        torch.manual_seed(0)
        output = model(data, dict(zip(pair, links, strict=True)), graph)
        noisy = {m: p.rsample() for m, p in output.posteriors.items()}
    plane: dict[str, dict[str, float]] = {}
    for modality, latents in output.latents.items():
        masks = output.masks[modality]
        both = masks[pair[0]] & masks[pair[1]]
        pairs = int(both.sum())
        if pairs < 2:
            continue
        sides: Sequence[Tensor] = [latents[kg] for kg in pair]
        if modality in noisy:
            sides = noisy[modality].split(links.size(1))
        z = [F.normalize(side[both]) for side in sides]
        cosine = z[0] @ z[1].t()
        losses = torch.stack([_info_nce(cosine / t) for t in temperatures])
        plane[modality] = {
            "prediction": math.log(pairs) - min(losses.tolist()),
            "log_pairs": math.log(pairs),
        }
        if modality in output.kl:
            plane[modality]["compression"] = float(output.kl[modality])
    return plane
