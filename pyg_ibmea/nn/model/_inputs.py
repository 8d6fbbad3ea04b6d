"""What the encoders of the model read, and whether each has something to read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from pyg_ibmea.nn._sparse import joined_feature_rows, stacked
from pyg_ibmea.nn._stacks import stack, unstack
from pyg_ibmea.nn.model._neighbors import PREFIX, ComputedNearby, NeighborFeatures
from pyg_ibmea.problem import GRAPH, check_names, feature_channels


def chosen_channels(
    data: HeteroData, modalities: Collection[str] | None
) -> tuple[bool, dict[str, int]]:
    """Whether the graph is among the modalities, and the channels of the others.

    Args:
        data (HeteroData): The problem.
        modalities (collection of str, optional): Their names, in order.
            (default: all that the data has)

    Raises:
        ValueError: If the data has no such modality, or one whose name is taken.
    """
    available = feature_channels(data)
    check_names(modalities=available)
    wanted = [GRAPH, *available] if modalities is None else list(modalities)
    for modality in wanted:
        if modality != GRAPH and modality not in available:
            raise ValueError(
                f"the data has no modality {modality!r}; it has {[GRAPH, *available]}"
            )
    return GRAPH in wanted, {m: available[m] for m in wanted if m != GRAPH}


def with_neighbors(
    in_channels: Mapping[str, int], sources: Collection[str]
) -> dict[str, int]:
    """The channels of all modalities, those of the neighbours of some among them.

    Args:
        in_channels (dict): Channels by modality.
        sources (collection of str): The modalities whose neighbours' features are
            modalities, too.

    Raises:
        ValueError: If a modality already has the name of such a one.
    """
    for modality in sources:
        if PREFIX + modality in in_channels:
            raise ValueError(
                f"modality {PREFIX + modality!r} has the name of the features of "
                "neighbours: rename it or set neighbor_features=False"
            )
    return {**in_channels, **{PREFIX + m: in_channels[m] for m in sources}}


def check_encoders(
    encoders: Mapping[str, Any], graph_encoder: Any, modalities: Collection[str]
) -> None:
    """Checks a user's encoders.

    Args:
        encoders (dict): By modality.
        graph_encoder (torch.nn.Module, optional): That of the structure.
        modalities (collection of str): Those of the model.

    Raises:
        TypeError: If one of them is not a module.
        ValueError: If one is for a modality that the model does not have.
    """
    unknown = [m for m in encoders if m not in modalities or m == GRAPH]
    if unknown:
        known = [m for m in modalities if m != GRAPH]
        raise ValueError(
            f"encoders are given for {unknown}, but the modalities with features are "
            f"{known}; an encoder of the structure is given as graph_encoder"
        )
    if graph_encoder is not None and GRAPH not in modalities:
        raise ValueError(
            f"graph_encoder is given, but {GRAPH!r} is not among the modalities "
            f"{list(modalities)}"
        )
    for name, encoder in {**encoders, "graph_encoder": graph_encoder}.items():
        if encoder is not None and not isinstance(encoder, nn.Module):
            raise TypeError(
                f"the encoder of {name!r} must be a torch.nn.Module, got "
                f"{type(encoder).__name__}"
            )


def features_of(
    data: HeteroData,
    modality: str,
    entities: Mapping[str, Tensor],
    neighbors: NeighborFeatures,
    dtype: torch.dtype,
) -> Tensor:
    """The features of some entities, graph after graph.

    Args:
        data (HeteroData): The problem.
        modality (str): The modality.
        entities (dict): Node ids by graph.
        neighbors (dict): The features of neighbours.
        dtype (torch.dtype): That of the model; features may be stored in any other.

    Returns:
        torch.Tensor: ``[n, F]``, sparse or dense as in the data.
    """
    if modality in neighbors:
        near = [neighbors[modality][kg] for kg in entities]
        every = [one.features for one in near if isinstance(one, ComputedNearby)]
        if len(every) < len(near):  # Of a large problem, they are computed now.
            sides = zip(near, entities.values(), strict=True)
            return stacked([one.rows(ids) for one, ids in sides]).to(dtype)
    else:
        every = [data[kg][f"x_{modality}"] for kg in entities]
    return joined_feature_rows(every, list(entities.values())).to(dtype)


def masks_of(
    data: HeteroData,
    modalities: Sequence[str],
    entities: Mapping[str, Tensor],
    neighbors: NeighborFeatures,
) -> dict[str, Tensor]:
    """Which of some entities have each modality, graph after graph.

    Args:
        data (HeteroData): The problem.
        modalities (list of str): The modalities.
        entities (dict): Node ids by graph.
        neighbors (dict): The features of neighbours.

    Returns:
        dict: Bool ``[n]`` by modality.
    """
    found = []
    for kg, index in entities.items():
        every = [
            neighbors[m][kg].mask if m in neighbors else data[kg][f"mask_{m}"]
            for m in modalities
        ]
        found.append(stack(every).index_select(-1, index))
    parts = unstack(torch.cat(found, dim=-1), len(modalities))
    return dict(zip(modalities, parts, strict=True))
