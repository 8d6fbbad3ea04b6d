"""Splits of the links between two graphs into training, validation and test."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor


def split_links(
    edge_index: Tensor,
    ratio: float,
    split_seed: int = 0,
    val_ratio: float = 0.1,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Splits links at random into training, validation and test pairs.

    The share :obj:`ratio` of the links are the seed pairs; the share
    :obj:`val_ratio` of those is kept for validation and the rest is for training.
    All other links are test pairs.

    Links that share an entity (many-to-one links) are never separated: whole
    connected components of the link graph are drawn, so a test pair never repeats
    an entity of a seed pair. Counts are exact where every component is one link;
    a larger component that straddles a border goes to the part it starts in.

    Args:
        edge_index (torch.Tensor): Links, long :obj:`[2, L]`; row 0 holds node ids of
            one graph and row 1 node ids of the other.
        ratio (float): Share of the links that are seed pairs, in (0, 1]; with 1, no
            link is left for a test.
        split_seed (int, optional): Seed of the split. The global random state is
            neither read nor changed. (default: :obj:`0`)
        val_ratio (float, optional): Share of the seed pairs kept for validation, in
            [0, 1]. (default: :obj:`0.1`)

    Returns:
        Bool masks :obj:`(train, val, test)`, each :obj:`[L]`; they do not overlap
        and cover every link.

    Raises:
        ValueError: If a share is out of range, or a part whose share is not zero
            would be empty.

    Example:
        >>> links = torch.arange(100).repeat(2, 1)
        >>> train, val, test = split_links(links, ratio=0.3)
        >>> int(train.sum()), int(val.sum()), int(test.sum())
        (27, 3, 70)
    """
    _check_links(edge_index)
    if not 0.0 < ratio <= 1.0:
        raise ValueError(f"ratio must lie in (0, 1], got {ratio}")
    num_links = edge_index.size(1)
    num_seeds = round(ratio * num_links)
    num_val = _num_validation(num_seeds, val_ratio)
    part = _draw_parts(edge_index, (num_seeds - num_val, num_val), split_seed)
    if ratio == 1.0:  # A component that straddles the last border stays a seed.
        part = part.clamp(max=1)
    train, val, test = part == 0, part == 1, part == 2
    _check_parts(train, val, val_ratio)
    if ratio < 1.0 and not bool(test.any()):
        raise ValueError(
            f"{num_links} links and ratio={ratio} leave no test pair: "
            "lower the ratio or give more links"
        )
    return train, val, test


def all_test(edge_index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The split in which no link is a seed pair, for links that only judge.

    Args:
        edge_index (torch.Tensor): Links, long :obj:`[2, L]`.

    Returns:
        Bool masks :obj:`(train, val, test)`, each :obj:`[L]`.

    Example:
        >>> [mask.tolist() for mask in all_test(torch.tensor([[0], [1]]))]
        [[False], [False], [True]]
    """
    _check_links(edge_index)
    none = torch.zeros_like(edge_index[0], dtype=torch.bool)
    return none, none.clone(), ~none


def split_folds(
    edge_index: Tensor,
    seed_mask: Tensor,
    split_seed: int = 0,
    val_ratio: float = 0.1,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Splits links by published folds, which give the seed pairs.

    Args:
        edge_index (torch.Tensor): Links, long :obj:`[2, L]`.
        seed_mask (torch.Tensor): The published seed pairs, bool :obj:`[L]`.
        split_seed (int, optional): Seed of the choice of validation pairs among the
            seed pairs. (default: :obj:`0`)
        val_ratio (float, optional): Share of the seed pairs kept for validation, in
            [0, 1]. (default: :obj:`0.1`)

    Returns:
        Bool masks :obj:`(train, val, test)`, each :obj:`[L]`; test is
        :obj:`~seed_mask`.

    Raises:
        ValueError: If :obj:`val_ratio` is out of range, the mask does not fit the
            links, or a part whose share is not zero would be empty.

    Example:
        >>> links = torch.arange(100).repeat(2, 1)
        >>> train, val, test = split_folds(links, torch.arange(100) < 40)
        >>> int(train.sum()), int(val.sum()), bool(test[40:].all())
        (36, 4, True)
    """
    _check_links(edge_index)
    if seed_mask.dtype != torch.bool or seed_mask.shape != edge_index.shape[1:]:
        raise ValueError(
            f"seed_mask must be bool [{edge_index.size(1)}] (one entry per link), got "
            f"{seed_mask.dtype} {list(seed_mask.shape)}"
        )
    num_seeds = int(seed_mask.sum())
    num_val = _num_validation(num_seeds, val_ratio)
    seeds = edge_index[:, seed_mask]
    part = _draw_parts(seeds, (num_seeds - num_val, num_val), split_seed)
    train, val = torch.zeros_like(seed_mask), torch.zeros_like(seed_mask)
    # A component that straddles the last border may not leave the seed pairs.
    train[seed_mask], val[seed_mask] = part == 0, part != 0
    _check_parts(train, val, val_ratio)
    if bool(seed_mask.all()):
        raise ValueError("every link is a published seed pair, so no test pair is left")
    return train, val, ~seed_mask


def _draw_parts(edge_index: Tensor, counts: tuple[int, ...], split_seed: int) -> Tensor:
    """Draws components in random order into parts of about the given link counts.

    Returns the part of each link, long ``[L]``; ``len(counts)`` is the remainder.
    """
    component = _link_components(edge_index)
    sizes = torch.bincount(component)
    generator = torch.Generator().manual_seed(split_seed)
    order = torch.randperm(sizes.numel(), generator=generator)
    start = torch.empty_like(sizes)
    start[order] = sizes[order].cumsum(0) - sizes[order]
    borders = torch.tensor(counts).cumsum(0)
    part = torch.bucketize(start, borders, right=True)
    return part[component].to(edge_index.device)


def _link_components(edge_index: Tensor) -> Tensor:
    """Labels every link with its connected component, long ``[L]`` on the CPU."""
    source, target = edge_index.cpu().numpy()
    if source.size == 0:
        return torch.empty(0, dtype=torch.long)
    offset = int(source.max()) + 1
    num_nodes = offset + int(target.max()) + 1
    labels = components(source, target + offset, num_nodes)
    # Labels in order of first use, so that isolated nodes take none.
    _, component = np.unique(labels[source], return_inverse=True)
    return torch.from_numpy(component.astype(np.int64))


def components(
    source: NDArray[np.int64], target: NDArray[np.int64], num_nodes: int
) -> NDArray[np.int32]:
    """Labels every node with its connected component, ``[num_nodes]``."""
    links = coo_array(
        (np.ones(source.size, dtype=np.int8), (source, target)),
        shape=(num_nodes, num_nodes),
    )
    labels: NDArray[np.int32] = connected_components(links, directed=False)[1]
    return labels


def _num_validation(num_seeds: int, val_ratio: float) -> int:
    if not 0.0 <= val_ratio <= 1.0:
        raise ValueError(f"val_ratio must lie in [0, 1], got {val_ratio}")
    return round(val_ratio * num_seeds)


def _check_links(edge_index: Tensor) -> None:
    if edge_index.dim() != 2 or edge_index.size(0) != 2:
        raise ValueError(f"links must be long [2, L], got {list(edge_index.shape)}")
    if edge_index.dtype != torch.long:
        raise ValueError(f"links must be long node ids, got {edge_index.dtype}")
    if edge_index.numel() > 0 and int(edge_index.min()) < 0:
        raise ValueError(
            f"links must be non-negative node ids, got {int(edge_index.min())}"
        )


def _check_parts(train: Tensor, val: Tensor, val_ratio: float) -> None:
    num_links = train.numel()
    if val_ratio < 1.0 and not bool(train.any()):
        raise ValueError(
            f"{num_links} links leave no training pair: raise the ratio, lower "
            "val_ratio or give more links"
        )
    if val_ratio > 0.0 and not bool(val.any()):
        raise ValueError(
            f"{num_links} links leave no validation pair: give more seed pairs, "
            "raise val_ratio, or turn validation off with val_ratio=0"
        )
