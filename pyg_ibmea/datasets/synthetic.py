"""A seeded pair of noisy, overlapping multi-modal knowledge graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch_geometric.data import HeteroData, InMemoryDataset

from pyg_ibmea.data import split_links
from pyg_ibmea.datasets import _synthetic_world as world
from pyg_ibmea.datasets._synthetic_features import Side, modality_features
from pyg_ibmea.datasets._synthetic_knobs import MODALITIES, Knobs
from pyg_ibmea.datasets._synthetic_world import stream
from pyg_ibmea.datasets.knowledge_graphs import add_dangling
from pyg_ibmea.problem import links_between, triples_of

# Degrees of the static model follow a power law of exponent 1 + 1 / 0.5 = 3.
_POPULARITY_EXPONENT = 0.5


class SyntheticMMKG(InMemoryDataset):
    r"""Two noisy views of one random world, with known noise and overlap.

    Every real-world entity has a latent vector, a set of attributes and a place in
    a scale-free graph of typed triples. Each side holds some of the entities under
    node ids in random order, the triples among them, and features: counts of the
    relations at an entity (:obj:`relation`, sparse), presence of its attributes
    (:obj:`attribute`, sparse), and two linear views of the latent vector
    (:obj:`image`, :obj:`name`). Both sides share vocabularies and views; the noise
    is drawn for each side separately. Nothing is read from or written to disk.

    Every argument has its own random numbers: raising :obj:`feature_noise` does not
    change the graphs, and :obj:`split_seed` changes the masks only.

    Args:
        num_entities (int, optional): Entities on each side. (default: :obj:`1000`)
        overlap (float, optional): Share of a side's entities with a counterpart, in
            (0, 1]. (default: :obj:`0.8`)
        num_relations (int, optional): Relations, shared by both sides.
            (default: :obj:`50`)
        avg_degree (float, optional): Mean number of triples at an entity, as head or
            tail, in (0, num_entities / 2]; met within a few per cent in sparse graphs.
            (default: :obj:`8.0`)
        edge_noise (float, optional): Share of a side's triples whose tail is redrawn,
            in [0, 1]. (default: :obj:`0.2`)
        num_attributes (int, optional): Attributes, shared by both sides.
            (default: :obj:`200`)
        attribute_noise (float, optional): Share of a side's attributes that are swapped
            for others, in [0, 1]. (default: :obj:`0.3`)
        latent_channels (int, optional): Length of the latent vector.
            (default: :obj:`32`)
        image_channels (int, optional): Columns of :obj:`x_image`. (default: :obj:`128`)
        name_channels (int, optional): Columns of :obj:`x_name`. (default: :obj:`64`)
        feature_noise (float, optional): Standard deviation of the noise on :obj:`image`
            and :obj:`name`, in units of the signal's. (default: :obj:`1.5`)
        missing (float or dict, optional): Share of a side's entities without a
            modality, in [0, 1); one number for all modalities, or one by modality (0
            for those not named). Entities without triples have no relation bag either.
            (default: :obj:`0.1`)
        modalities (sequence of str, optional): Which of :obj:`relation`,
            :obj:`attribute`, :obj:`image` and :obj:`name` to make. (default: all)
        noise_modalities (sequence of str, optional): Modalities that on the second side
            are drawn independently of the entity. (default: none)
        dangling (bool, optional): Whether the links say which entities of the first
            side have no counterpart (``1 - overlap`` of them), split as the links are;
            see :func:`pyg_ibmea.train.dangling_of`. (default: :obj:`False`)
        names (tuple, optional): Names of the two graphs.
            (default: :obj:`("source", "target")`)
        ratio (float, optional): Share of the links that are seed pairs, in (0, 1).
            (default: :obj:`0.3`)
        split_seed (int, optional): Seed of the split into seed and test pairs.
            (default: :obj:`0`)
        val_ratio (float, optional): Share of the seed pairs kept for validation, in
            [0, 1]. (default: :obj:`0.1`)
        seed (int, optional): Seed of everything else. (default: :obj:`0`)
        transform (callable, optional): Applied to the
            :class:`~torch_geometric.data.HeteroData` at every access.
            (default: :obj:`None`)

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> dataset = SyntheticMMKG(num_entities=100, overlap=0.5)
        >>> data = dataset[0]
        >>> data.node_types
        ['source', 'target']
        >>> data["source"].x_image.shape, data["source", "same_as", "target"].num_edges
        (torch.Size([100, 128]), 50)
    """

    def __init__(
        self,
        *,
        num_entities: int = 1000,
        overlap: float = 0.8,
        num_relations: int = 50,
        avg_degree: float = 8.0,
        edge_noise: float = 0.2,
        num_attributes: int = 200,
        attribute_noise: float = 0.3,
        latent_channels: int = 32,
        image_channels: int = 128,
        name_channels: int = 64,
        feature_noise: float = 1.5,
        missing: float | Mapping[str, float] = 0.1,
        modalities: Sequence[str] = MODALITIES,
        noise_modalities: Sequence[str] = (),
        dangling: bool = False,
        names: tuple[str, str] = ("source", "target"),
        ratio: float = 0.3,
        split_seed: int = 0,
        val_ratio: float = 0.1,
        seed: int = 0,
        transform: Callable[[HeteroData], Any] | None = None,
    ) -> None:
        self.knobs = Knobs(
            num_entities=num_entities,
            overlap=overlap,
            num_relations=num_relations,
            avg_degree=avg_degree,
            edge_noise=edge_noise,
            num_attributes=num_attributes,
            attribute_noise=attribute_noise,
            latent_channels=latent_channels,
            image_channels=image_channels,
            name_channels=name_channels,
            feature_noise=feature_noise,
            missing=missing,
            modalities=tuple(modalities),
            noise_modalities=tuple(noise_modalities),
            names=tuple(names),
            seed=seed,
        )
        super().__init__(None, transform)
        data = _draw_problem(self.knobs)
        links = links_between(data, names)
        links.train_mask, links.val_mask, links.test_mask = split_links(
            links.edge_index, ratio, split_seed, val_ratio
        )
        if dangling:
            alone = torch.ones(num_entities, dtype=torch.bool)
            alone[links.edge_index[0]] = False
            alone = alone.nonzero().flatten()
            add_dangling(
                data, (names[0], names[1]), alone, ratio, split_seed, val_ratio
            )
        self.data, self.slices = self.collate([data])


def _draw_problem(knobs: Knobs) -> HeteroData:
    """Assembles both sides and their links, without the split."""
    first, second = _draw_sides(knobs)
    data = HeteroData()
    data.uri = {}
    for side in (first, second):
        store = data[side.name]
        store.num_nodes = knobs.num_entities
        for modality in knobs.modalities:
            is_noise = side is second and modality in knobs.noise_modalities
            x, mask = modality_features(knobs, side, modality, is_noise)
            store[f"x_{modality}"], store[f"mask_{modality}"] = x, mask
        head, relation, tail = torch.from_numpy(side.triples.T.copy())
        edges = triples_of(data, side.name)
        edges.edge_index, edges.edge_type = torch.stack([head, tail]), relation
        # Node ids are in random order, so that a URI says nothing about its entity.
        data.uri[side.name] = [
            f"http://{side.name}.example/entity/{node}"
            for node in range(knobs.num_entities)
        ]
    target = second.node_of_entity[first.entity_of_node]
    source = np.flatnonzero(target >= 0)
    links = torch.from_numpy(np.stack([source, target[source]]))
    links_between(data, (first.name, second.name)).edge_index = links
    return data


def _draw_sides(knobs: Knobs) -> tuple[Side, Side]:
    """Draws the graph of the world and gives each side its part."""
    # World ids: the shared entities, then those of one side, then of the other.
    num_shared = round(knobs.overlap * knobs.num_entities)
    num_world = 2 * knobs.num_entities - num_shared
    first = np.arange(knobs.num_entities)
    second = np.concatenate(
        [np.arange(num_shared), np.arange(knobs.num_entities, num_world)]
    )
    popularity = stream(knobs.seed, "popularity").permutation(
        world.skewed(num_world, _POPULARITY_EXPONENT)
    )
    # A side keeps a triple if both ends are on that side.
    kept = (popularity[first].sum() ** 2 + popularity[second].sum() ** 2) / 2
    triples = world.draw_triples(
        stream(knobs.seed, "triples"),
        popularity,
        knobs.num_relations,
        round(knobs.num_entities * knobs.avg_degree / 2 / kept),
    )
    return (
        _side(knobs, "first", first, triples, popularity),
        _side(knobs, "second", second, triples, popularity),
    )


def _side(
    knobs: Knobs,
    place: str,
    entities: world.Ids,
    triples: world.Ids,
    popularity: NDArray[np.float64],
) -> Side:
    """Restricts the world to a side, with its own node ids, order and noise."""
    entity_of_node = stream(knobs.seed, "node order", place).permutation(entities)
    node_of_entity = np.full(len(popularity), -1)
    node_of_entity[entity_of_node] = np.arange(len(entities))
    local = triples.copy()
    local[:, [0, 2]] = node_of_entity[triples[:, [0, 2]]]
    local = local[(local[:, [0, 2]] >= 0).all(axis=1)]
    local = stream(knobs.seed, "triple order", place).permutation(local)
    rng = stream(knobs.seed, "edge noise", place)
    local = world.rewire(rng, local, popularity[entity_of_node], knobs.edge_noise)
    name = knobs.names[0] if place == "first" else knobs.names[1]
    return Side(name, place, entity_of_node, node_of_entity, local)
