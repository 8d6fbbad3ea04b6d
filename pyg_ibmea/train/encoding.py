"""Embeddings and candidates of a pair of graphs, made once for a state of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pyg_ibmea.align import Candidates, Search, find_candidates
from pyg_ibmea.align.candidates import compares_all
from pyg_ibmea.large import ranges, room_for
from pyg_ibmea.options import NUM_QUERIES
from pyg_ibmea.train._divided_search import divided_candidates
from pyg_ibmea.train._team import team


@dataclass(frozen=True, eq=False)
class Encoding:
    """Entities of two graphs, their embeddings, and the pairs to choose among.

    Attributes:
        entities (tuple): Node ids of both sides, ascending, long ``[n]`` and ``[m]``.
        z (tuple): Their embeddings, ``[n, C]`` and ``[m, C]``.
        candidates (Candidates): The pairs; ``None`` for all.
    """

    entities: tuple[Tensor, Tensor]
    z: tuple[Tensor, Tensor]
    candidates: Candidates | None

    def among(self, entities: Sequence[Tensor]) -> Encoding:
        """The encoding of some of its entities; few enough have no candidates, as all
        of their pairs are compared.

        Args:
            entities (sequence of torch.Tensor): Node ids of both sides, ascending.

        Raises:
            ValueError: If one of them is not encoded.
        """
        if all(map(torch.equal, entities, self.entities)):
            return self
        rows, z = [], []
        for own, ids, side in zip(self.entities, entities, self.z, strict=True):
            row = torch.searchsorted(own, ids.contiguous())
            if not torch.equal(own[row.clamp(max=own.numel() - 1)], ids):
                raise ValueError("an entity that is asked about was not encoded")
            rows.append(row)
            z.append(rows_of(side, row))
        candidates = self.candidates
        size = rows[0].numel(), rows[1].numel()
        if candidates is not None:
            candidates = None if compares_all(size) else candidates.of(*rows)
        return Encoding((entities[0], entities[1]), (z[0], z[1]), candidates)


def candidates_for(
    z_source: Tensor, z_target: Tensor, search: Search | str = "auto", k: int = 0
) -> Candidates | None:
    """The pairs to choose among; ``None`` for all, where that is what is asked for, and
    in processes that help the first to find them.

    Args:
        z_source (torch.Tensor): Source embeddings ``[N, C]``.
        z_target (torch.Tensor): Target embeddings ``[M, C]``.
        search (Search or str, optional): See
            :func:`~pyg_ibmea.align.find_candidates`. (default: :obj:`'auto'`)
        k (int, optional): Number of nearest entities of each; 0: by size.
            (default: :obj:`0`)
    """
    if takes_all((z_source.size(0), z_target.size(0)), search, k):
        return None
    own = team()
    if own is not None and own.together:
        return divided_candidates(z_source, z_target, k or None, search, own)
    return find_candidates(z_source, z_target, k or None, search)


def takes_all(size: tuple[int, int], search: Search | str, k: int) -> bool:
    """Whether all pairs are candidates; see :func:`candidates_for`."""
    return compares_all(size) and not k and search in ("auto", "exact")


def rows_of(z: Tensor, rows: Tensor) -> Tensor:
    """Some rows; those of large tensors are copied to where there is room for them."""
    chosen = room_for((rows.numel(), z.size(1)), z.dtype, z.device)
    for part in ranges(rows.numel()):
        torch.index_select(z, 0, rows[part], out=chosen[part])
    return chosen


def asked_links(
    links: Tensor, entities: Sequence[Tensor], most: int = NUM_QUERIES
) -> Tensor:
    """The links that are ranked: all, or where not all pairs are compared some, always
    the same, with those that share an entity with them.

    Args:
        links (torch.Tensor): Node ids, long ``[2, L]``.
        entities (sequence of torch.Tensor): What they are ranked among on both sides.
        most (int, optional): Number of links that are drawn. (default: :obj:`5000`)
    """
    all_pairs = compares_all((entities[0].numel(), entities[1].numel()))
    if all_pairs or links.size(1) <= most:
        return links
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randperm(links.size(1), generator=generator)[:most]
    chosen = links[:, drawn.to(links.device)]
    kept = [torch.isin(*sides) for sides in zip(links, chosen, strict=True)]
    return links[:, kept[0] | kept[1]]


def search_figures(
    encoding: Encoding, links: Tensor, ranked: Mapping[str, int]
) -> dict[str, Any]:
    """How the candidates were found.

    Args:
        encoding (Encoding): The entities outside the training pairs.
        links (torch.Tensor): Validation pairs, by node ids, long ``[2, L]``.
        ranked (dict): How many pairs were ranked, by part.

    Returns:
        dict: ``search``, the backend; ``nearest``, the number of nearest entities of
        each; ``pairs``, the number of candidates; ``ranked``; and ``recall``, the share
        of the validation pairs among the candidates, if there are any.
    """
    found = encoding.candidates
    if found is None:
        return {}
    figures: dict[str, Any] = {
        "search": found.backend,
        "nearest": found.k,
        "pairs": len(found),
        "ranked": dict(ranked),
    }
    if links.size(1):
        sides = zip(encoding.entities, links, strict=True)
        rows = [torch.searchsorted(ids, side.contiguous()) for ids, side in sides]
        figures["recall"] = found.recall(torch.stack(rows))
    return figures
