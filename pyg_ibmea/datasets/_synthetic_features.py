"""Modality features of one side of the synthetic problem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyg_ibmea.datasets import _synthetic_world as world
from pyg_ibmea.datasets._synthetic_knobs import Knobs
from pyg_ibmea.datasets._synthetic_world import Ids, stream

_ATTRIBUTES_PER_ENTITY = 5.0


@dataclass(frozen=True)
class Side:
    """One graph, in its own node ids.

    Attributes:
        name: Name of the graph.
        place: ``first`` or ``second``; selects its random numbers.
        entity_of_node: World ids by node id, ``[num_entities]``.
        node_of_entity: Node ids by world id, -1 for absent, ``[num_world]``.
        triples: Head, relation and tail in the columns, ``[num_triples, 3]``.
    """

    name: str
    place: str
    entity_of_node: Ids
    node_of_entity: Ids
    triples: Ids


def modality_features(
    knobs: Knobs, side: Side, modality: str, is_noise: bool
) -> tuple[Tensor, Tensor]:
    """Makes ``x_<modality>`` and ``mask_<modality>`` of a side.

    Args:
        knobs (Knobs): Settings.
        side (Side): The side.
        modality (str): ``relation``, ``attribute``, ``image`` or ``name``.
        is_noise (bool): Whether to draw the features independently of the entity.

    Returns:
        Features ``[num_entities, channels]``, sparse for a bag, and the bool mask
        ``[num_entities]``; missing rows are zero.
    """
    present = np.ones(knobs.num_entities, dtype=bool)
    num_missing = round(knobs.missing_share(modality) * knobs.num_entities)
    rng = stream(knobs.seed, "missing", modality, side.place)
    present[rng.permutation(knobs.num_entities)[:num_missing]] = False
    if modality in ("image", "name"):
        x = _view(knobs, side, modality, is_noise) * present[:, None]
        return torch.from_numpy(x), torch.from_numpy(present)
    if modality == "relation":
        entries, num_columns = _relation_entries(side), knobs.num_relations
    else:
        entries, num_columns = _attribute_entries(knobs, side), knobs.num_attributes
    if is_noise:
        rng = stream(knobs.seed, "scramble", modality)
        entries = world.scramble(rng, entries, knobs.num_entities)
    if modality == "attribute":
        entries = world.distinct(entries)  # Presence, not counts.
    return _bag(entries, present, num_columns)


def _relation_entries(side: Side) -> Ids:
    """Lists an entry for every end of every triple, ``[2 * num_triples, 2]``."""
    return np.concatenate([side.triples[:, [0, 1]], side.triples[:, [2, 1]]])


def _attribute_entries(knobs: Knobs, side: Side) -> Ids:
    entries = world.draw_attributes(
        stream(knobs.seed, "attributes"),
        len(side.node_of_entity),
        knobs.num_attributes,
        _ATTRIBUTES_PER_ENTITY,
    )
    entries[:, 0] = side.node_of_entity[entries[:, 0]]
    return world.replace_columns(
        stream(knobs.seed, "attribute noise", side.place),
        entries[entries[:, 0] >= 0],
        knobs.num_attributes,
        knobs.attribute_noise,
    )


def _bag(
    entries: Ids, present: NDArray[np.bool_], num_columns: int
) -> tuple[Tensor, Tensor]:
    """Counts the entries of present rows; an empty bag counts as missing."""
    entries = entries[present[entries[:, 0]]]
    x = torch.sparse_coo_tensor(
        torch.from_numpy(entries.T.copy()),
        torch.ones(len(entries)),
        (len(present), num_columns),
        check_invariants=True,  # Without it, torch warns.
    ).coalesce()
    mask = torch.zeros(len(present), dtype=torch.bool)
    mask[x.indices()[0]] = True
    return x, mask


def _view(
    knobs: Knobs, side: Side, modality: str, is_noise: bool
) -> NDArray[np.float32]:
    """Views the latent vectors linearly, plus noise, ``[num_entities, channels]``."""
    channels = knobs.image_channels if modality == "image" else knobs.name_channels
    purpose = ("latent", modality) if is_noise else ("latent",)
    latent = stream(knobs.seed, *purpose).standard_normal(
        (len(side.node_of_entity), knobs.latent_channels), dtype=np.float32
    )
    view = stream(knobs.seed, "view", modality).standard_normal(
        (knobs.latent_channels, channels), dtype=np.float32
    )
    view /= np.float32(knobs.latent_channels**0.5)  # A signal of unit variance.
    noise = stream(knobs.seed, "feature noise", modality, side.place).standard_normal(
        (knobs.num_entities, channels), dtype=np.float32
    )
    # Indexed after the product, so that both sides have the same bits.
    signal = (latent @ view)[side.entity_of_node]
    x = signal + np.float32(knobs.feature_noise) * noise
    return np.asarray(x, dtype=np.float32)
