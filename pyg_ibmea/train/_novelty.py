"""What is known of entities, and how like the validation pairs a match is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Module
from torch_geometric.data import HeteroData

from pyg_ibmea.problem import modalities_of, triples_of

# Of so many validation pairs, a match is as sure as the mean of what it looks like and
# of any other.
_HALF = 1.0


def known_modalities(models: Sequence[Module], data: HeteroData, kg: str) -> Tensor:
    """What the models are told of each entity of a graph, bool ``[N, M]`` for the
    modalities that one of them uses, in an order that all graphs share; triples count
    as one.

    Args:
        models (sequence of Module): The models; one without ``modalities`` is taken to
            use all.
        data (HeteroData): The problem.
        kg (str): Name of the graph.
    """
    featured = modalities_of(data)
    used = {m for model in models for m in getattr(model, "modalities", featured)}
    edges = triples_of(data, kg).edge_index
    has_triples = torch.zeros(data[kg].num_nodes, dtype=torch.bool, device=edges.device)
    has_triples[edges.flatten()] = True
    columns = []
    if used - set(featured) or not all(hasattr(m, "modalities") for m in models):
        columns.append(has_triples)  # The graph, or features of the neighbours.
    for modality in sorted(used & set(featured)):
        mask = data[kg].get(f"mask_{modality}")
        columns.append(torch.ones_like(has_triples) if mask is None else mask)
    return torch.stack(columns, dim=1) if columns else has_triples[:, None] & False


def shared_kinds(known: Sequence[Tensor], source: Tensor, target: Tensor) -> Tensor:
    """A number for the modalities that both entities of each pair have, long ``[L]``.

    Args:
        known (sequence of torch.Tensor): What :func:`known_modalities` gave for both
            graphs.
        source (torch.Tensor): Source node ids, ``[L]``.
        target (torch.Tensor): Target node ids, ``[L]``.

    Example:
        >>> known = torch.tensor([[True, False], [True, True]])
        >>> pair = torch.tensor([0, 1]), torch.tensor([1, 1])
        >>> shared_kinds((known, known), *pair).tolist()
        [1, 3]
    """
    both = known[0][source] & known[1][target]
    bit = 2 ** torch.arange(both.size(1), device=both.device)
    kinds: Tensor = (both * bit).sum(dim=1)
    return kinds


def shrink_novel(
    confidence: Tensor, kinds: Tensor, judged_kinds: Tensor, prior: float
) -> Tensor:
    r"""Lowers the confidence of matches that have less in common than the validation
    pairs had:

    .. math::
        p' = \frac{n \, p + \min(p, p_0)}{n + 1}

    for :math:`n` validation pairs that had no modality in common which the match lacks.
    Where there is none, nothing was learned of so little evidence, and the match is no
    surer than one of which nothing is known.

    Args:
        confidence (torch.Tensor): :math:`p`, ``[N]``.
        kinds (torch.Tensor): The kind of each match, ``[N]``; see
            :func:`shared_kinds`.
        judged_kinds (torch.Tensor): That of each validation pair.
        prior (float): :math:`p_0`, the share of matches that are right.

    Example:
        >>> p, kinds = torch.tensor([0.9, 0.9, 0.1]), torch.tensor([3, 1, 1])
        >>> shrink_novel(p, kinds, torch.tensor([3, 3, 2]), prior=0.5)
        tensor([0.8000, 0.5000, 0.1000])
    """
    different, place = kinds.unique(return_inverse=True)
    known, count = judged_kinds.unique(return_counts=True)
    lacks = known & ~different[:, None]
    number = torch.where(lacks == 0, count, 0).sum(dim=1)[place].to(confidence)
    lower = confidence.clamp(max=prior)
    return (number * confidence + _HALF * lower) / (number + _HALF)
