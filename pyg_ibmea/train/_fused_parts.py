"""The cosine of two fused vectors, modality by modality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.data import HeteroData

from pyg_ibmea.nn import IBMEA
from pyg_ibmea.nn.model._latents import Latents
from pyg_ibmea.nn.model.fusion import ModalFusion
from pyg_ibmea.problem import GRAPH

WHOLE = "embedding"
"""What the vector of a model is called that is not joined from modalities."""

_ROWS = 4096


class CosineParts(NamedTuple):
    """The cosines of some pairs as sums over modalities.

    Attributes:
        modalities (list of str): Their names.
        value (torch.Tensor): What each adds to the cosine, double ``[L, M]``.
        weight (torch.Tensor): The product of its shares of both vectors, double
            ``[L, M]``: the value is the weight times the cosine of the latents.
        there (torch.Tensor): Whether the source and the target entity have it, bool
            ``[L, M, 2]``.
    """

    modalities: list[str]
    value: Tensor
    weight: Tensor
    there: Tensor


@torch.no_grad()
def fused_channels(
    model: Module, data: HeteroData, graph: object | None, width: int
) -> dict[str, int]:
    """The channels of each modality in a model's fused vector, in their order.

    Args:
        model (Module): The model.
        data (HeteroData): The problem.
        graph (object, optional): What the model's ``graph_of(data)`` returned.
        width (int): Channels of the vector.

    Returns:
        dict: By modality; all as ``'embedding'`` for a model of your own, which may
        join them in another way.
    """
    if not isinstance(model, IBMEA) or type(model.fusion) is not ModalFusion:
        return {WHOLE: width}
    if type(model).forward is not IBMEA.forward:
        return {WHOLE: width}
    # One entity shows how wide the latents of features are; the graph has the rest.
    kg = data.node_types[0]
    entity = {kg: torch.zeros(1, dtype=torch.long, device=model.fusion.score.device)}
    neighbors = model.neighbors_in(graph, data)  # type: ignore[arg-type]
    was_training = model.training
    model.eval()
    found = Latents()
    for modality in model.modalities:
        if modality != GRAPH:
            model.add_features(found, data, [modality], entity, neighbors)
    model.train(was_training)
    channels = {m: latent.size(1) for m, latent in found.latents.items()}
    rest = width - sum(channels.values())
    return {m: channels.get(m, rest) for m in model.fusion.modalities}


def cosine_parts(
    z_source: Tensor,
    z_target: Tensor,
    channels: Sequence[dict[str, int]],
    pairs: Tensor,
) -> CosineParts:
    """Splits the cosines of some pairs by modality.

    Args:
        z_source (torch.Tensor): Source embeddings ``[N, C]``, of one model or several
            joined ones, of any scale.
        z_target (torch.Tensor): Target embeddings ``[M, C]``.
        channels (sequence of dict): Of each of the joined models, what
            :func:`fused_channels` returned.
        pairs (torch.Tensor): Rows, long ``[2, L]``.

    Example:
        >>> z = torch.tensor([[0.6, 0.0, 0.8], [0.6, 0.0, -0.8]])
        >>> channels = [{"graph": 2, "name": 1}]
        >>> parts = cosine_parts(z, z, channels, torch.tensor([[0, 0], [0, 1]]))
        >>> parts.value.round(decimals=2).tolist()
        [[0.36, 0.64], [0.36, -0.64]]
    """
    names = list(dict.fromkeys(m for view in channels for m in view))
    place = torch.tensor([names.index(m) for view in channels for m in view])
    place = place.to(pairs.device)
    widths = [width for view in channels for width in view.values()]
    sums = z_source.new_zeros(3, pairs.size(1), len(names), dtype=torch.double)
    weight = sums.new_zeros(pairs.size(1), len(names))
    for start in range(0, pairs.size(1), _ROWS):
        rows = slice(start, start + _ROWS)
        sides = zip((z_source, z_target), pairs[:, rows], strict=True)
        a, b = (_unit(z.index_select(0, ids).double()) for z, ids in sides)
        squares = [_sums(x, widths) for x in (a * b, a * a, b * b)]
        for total, of_slices in zip(sums, squares, strict=True):
            total[rows].index_add_(1, place, of_slices)
        weight[rows].index_add_(1, place, (squares[1] * squares[2]).sqrt())
    there = torch.stack([sums[1] > 0, sums[2] > 0], dim=-1)
    return CosineParts(names, sums[0], weight, there)


def _unit(rows: Tensor) -> Tensor:
    length = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    unit: Tensor = rows / length.clamp(min=1e-300)
    return unit


def _sums(rows: Tensor, widths: Sequence[int]) -> Tensor:
    parts = rows.split(list(widths), dim=1)
    return torch.stack([part.sum(dim=1) for part in parts], dim=1)
