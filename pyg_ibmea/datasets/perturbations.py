"""Known damage to an alignment problem, to test how robust an alignment is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from pyg_ibmea.data import split_links
from pyg_ibmea.problem import (
    labels_of,
    linked_pairs,
    links_between,
    set_labels,
    triples_of,
)


class RewireEdges(BaseTransform):
    """Replaces the tails of a share of the triples in every graph by random entities.

    Args:
        share (float): Share of the triples, in [0, 1].
        seed (int, optional): Seed of the choice; the global random state is left alone.
            (default: :obj:`0`)

    Example:
        >>> from pyg_ibmea.datasets import SyntheticMMKG
        >>> data = SyntheticMMKG(num_entities=100, transform=RewireEdges(0.2))[0]
    """

    def __init__(self, share: float, seed: int = 0):
        self.share = _checked(share)
        self.seed = seed

    def forward(self, data: HeteroData) -> HeteroData:
        """Works on a copy (PyG's transforms make it)."""
        random = torch.Generator().manual_seed(self.seed)
        for kg in data.node_types:
            edges = triples_of(data, kg)
            edge_index = edges.edge_index.clone()
            chosen = _some(edge_index.size(1), self.share, random)
            tails = torch.randint(
                data[kg].num_nodes, (chosen.numel(),), generator=random
            )
            edge_index[1, chosen] = tails.to(edge_index.device)
            edges.edge_index = edge_index
        return data


class SwapFeatures(BaseTransform):
    """Lets a share of the entities exchange their features at random, modality by
    modality: they mislead, but look like any others.

    Args:
        share (float): Share of the entities that have the modality, in [0, 1].
        modalities (sequence of str, optional): The modalities. (default: all)
        seed (int, optional): Seed of the choice. (default: :obj:`0`)
    """

    def __init__(
        self, share: float, modalities: Sequence[str] | None = None, seed: int = 0
    ):
        self.share = _checked(share)
        self.modalities = modalities
        self.seed = seed

    def forward(self, data: HeteroData) -> HeteroData:
        """Works on a copy (PyG's transforms make it)."""
        random = torch.Generator().manual_seed(self.seed)
        for modality in _modalities(data, self.modalities):
            for kg in data.node_types:
                x, mask = data[kg][f"x_{modality}"], data[kg][f"mask_{modality}"]
                present = mask.nonzero().flatten()
                chosen = present[_some(present.numel(), self.share, random)]
                row = torch.arange(x.size(0), device=x.device)
                row[chosen] = _cycle(chosen, random)
                data[kg][f"x_{modality}"] = _rows(x, row)
        return data


class HideModality(BaseTransform):
    """Removes a modality from a share of the entities, which are then masked.

    Args:
        share (float or dict): Share of the entities that have the modality, in [0, 1];
            or the share by graph name, to damage one side only.
        modalities (sequence of str, optional): The modalities; the entities are drawn
            for each one separately. (default: all)
        seed (int, optional): Seed of the choice. (default: :obj:`0`)
    """

    def __init__(
        self,
        share: float | Mapping[str, float],
        modalities: Sequence[str] | None = None,
        seed: int = 0,
    ):
        shares = share.values() if isinstance(share, Mapping) else [share]
        for value in shares:
            _checked(value)
        self.share = share
        self.modalities = modalities
        self.seed = seed

    def forward(self, data: HeteroData) -> HeteroData:
        """Works on a copy (PyG's transforms make it)."""
        random = torch.Generator().manual_seed(self.seed)
        share = self.share
        if isinstance(share, Mapping) and set(share) - set(data.node_types):
            raise ValueError(
                f"share names the graphs {sorted(share)}; there are {data.node_types}"
            )
        for modality in _modalities(data, self.modalities):
            for kg in data.node_types:
                part = share.get(kg, 0.0) if isinstance(share, Mapping) else share
                x, mask = data[kg][f"x_{modality}"], data[kg][f"mask_{modality}"]
                present = mask.nonzero().flatten()
                kept = mask.clone()
                kept[present[_some(present.numel(), part, random)]] = False
                data[kg][f"mask_{modality}"] = kept
                data[kg][f"x_{modality}"] = _masked(x, kept)
        return data


class WrongSeeds(BaseTransform):
    """Makes a share of the training pairs wrong: they exchange their targets.

    Validation and test pairs do not change.

    Args:
        share (float): Share of the training pairs, in [0, 1].
        seed (int, optional): Seed of the choice. (default: :obj:`0`)
    """

    def __init__(self, share: float, seed: int = 0):
        self.share = _checked(share)
        self.seed = seed

    def forward(self, data: HeteroData) -> HeteroData:
        """Works on a copy (PyG's transforms make it)."""
        random = torch.Generator().manual_seed(self.seed)
        for pair in linked_pairs(data):
            links = links_between(data, pair)
            train = links.train_mask.nonzero().flatten()
            chosen = train[_some(train.numel(), self.share, random)]
            edge_index = links.edge_index.clone()
            edge_index[1, chosen] = edge_index[1, _cycle(chosen, random)]
            links.edge_index = edge_index
        return data


class DensestPairs(BaseTransform):
    """Keeps the linked pairs with the most triples, for trials that take seconds.

    A pair counts as many triples as the side with fewer. All other entities are
    dropped, with their triples, and the links are split again.

    Args:
        num_pairs (int): Number of pairs to keep; links must be one-to-one.
        ratio (float, optional): Share of the links that are seed pairs.
            (default: :obj:`0.3`)
        split_seed (int, optional): Seed of the split. (default: :obj:`0`)
    """

    def __init__(self, num_pairs: int, ratio: float = 0.3, split_seed: int = 0):
        self.num_pairs = num_pairs
        self.ratio = ratio
        self.split_seed = split_seed

    def forward(self, data: HeteroData) -> HeteroData:
        """Works on a copy (PyG's transforms make it)."""
        pair = linked_pairs(data)[0]
        links = links_between(data, pair).edge_index
        if not 2 <= self.num_pairs <= links.size(1):
            raise ValueError(
                f"num_pairs must lie in [2, {links.size(1)}], got {self.num_pairs}"
            )
        sides = dict(zip(pair, links, strict=True))
        for side in sides.values():
            if side.unique().numel() < side.numel():
                raise ValueError("DensestPairs needs one-to-one links")
        degree = [
            torch.bincount(
                triples_of(data, kg).edge_index.flatten(), minlength=data[kg].num_nodes
            )[ids]
            for kg, ids in sides.items()
        ]
        poorer = torch.minimum(*degree)
        kept = poorer.argsort(descending=True, stable=True)[: self.num_pairs]
        kept = kept.sort().values
        small = HeteroData()
        small.uri = {}
        extra = data.to_dict().get("_global_store", {})
        if "relation_uri" in extra:
            small.relation_uri = extra["relation_uri"]
        new_links = []
        for kg, ids in sides.items():
            nodes = ids[kept].sort().values
            new_links.append(torch.searchsorted(nodes, ids[kept]))
            small[kg].num_nodes = nodes.numel()
            for modality in _modalities(data, None):
                for key in (f"x_{modality}", f"mask_{modality}"):
                    small[kg][key] = _rows(data[kg][key], nodes)
            small.uri[kg] = [data.uri[kg][node] for node in nodes.tolist()]
            if kg in extra.get("labels", {}):
                known = labels_of(data, kg)
                set_labels(small, kg, [known[node] for node in nodes.tolist()])
            number = torch.full((data[kg].num_nodes,), -1)
            number[nodes] = torch.arange(nodes.numel())
            edges = triples_of(data, kg)
            inside = number[edges.edge_index]
            both = (inside >= 0).all(dim=0)
            kept_triples = triples_of(small, kg)
            kept_triples.edge_index = inside[:, both]
            kept_triples.edge_type = edges.edge_type[both]
        edge_index = torch.stack(new_links)
        store = links_between(small, pair)
        store.edge_index = edge_index
        store.train_mask, store.val_mask, store.test_mask = split_links(
            edge_index, self.ratio, self.split_seed
        )
        return small


def _checked(share: float) -> float:
    if not 0 <= share <= 1:
        raise ValueError(f"a share must lie in [0, 1], got {share}")
    return share


def _modalities(data: HeteroData, wanted: Sequence[str] | None) -> list[str]:
    """The modalities of the data in their order, or the wanted ones, if they exist."""
    found = [
        key[2:]
        for key in data[data.node_types[0]].keys()  # noqa: SIM118 - a store is not a dict
        if key.startswith("x_")
    ]
    for modality in wanted or ():
        if modality not in found:
            raise ValueError(f"there is no modality {modality!r}; there are {found}")
    return list(found if wanted is None else wanted)


def _some(size: int, share: float, random: torch.Generator) -> Tensor:
    """A random share of the positions 0 to ``size - 1``."""
    return torch.randperm(size, generator=random)[: round(share * size)]


def _cycle(ids: Tensor, random: torch.Generator) -> Tensor:
    """Permutes the ids so that none keeps its place (unless it is alone)."""
    order = torch.randperm(ids.numel(), generator=random)
    swapped = ids.clone()
    swapped[order] = ids[order.roll(1)]
    return swapped


def _rows(x: Tensor, rows: Tensor) -> Tensor:
    """The given rows of a dense or sparse tensor."""
    chosen = x.index_select(0, rows)
    return chosen.coalesce() if chosen.is_sparse else chosen


def _masked(x: Tensor, mask: Tensor) -> Tensor:
    """The features, zero in the rows that are not present."""
    if not x.is_sparse:
        return torch.where(mask[:, None], x, x.new_zeros(()))
    x = x.coalesce()
    stays = mask[x.indices()[0]]
    kept = torch.sparse_coo_tensor(
        x.indices()[:, stays], x.values()[stays], x.shape, is_coalesced=True
    )
    assert isinstance(kept, Tensor)
    return kept
