"""A learnable vector for every entity, shared by those known to be the same."""

from __future__ import annotations

import torch
from scipy.sparse import coo_array, coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from pyg_ibmea.nn._sparse import rows_of
from pyg_ibmea.problem import (
    entity_counts,
    first_numbers,
    linked_pairs,
    links_between,
)


class EntityEmbedding(nn.Module):
    """The table of entity embeddings.

    Args:
        rows (torch.Tensor): Row of the table for each entity, long ``[N]``; entities of
            one row share their embedding.
        channels (int): Channels :math:`C`.
        weight (Parameter, optional): The table ``[R, C]``, used as it is.
            (default: random vectors of length about 1)

    Shapes:
        - **output:** :math:`(N, C)`

    Example:
        >>> embedding = EntityEmbedding(torch.tensor([0, 1, 0]), channels=4)
        >>> x = embedding()
        >>> bool((x[0] == x[2]).all()), bool((x[0] == x[1]).all())
        (True, False)
    """

    seed_row: Tensor
    row: Tensor

    def __init__(self, rows: Tensor, channels: int, weight: nn.Parameter | None = None):
        super().__init__()
        self.register_buffer("seed_row", rows)
        self.register_buffer("row", rows.clone())
        if weight is not None:
            self.weight = weight
            return
        num_rows = int(rows.max()) + 1 if rows.numel() else 0
        self.weight = nn.Parameter(torch.empty(num_rows, channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Resets the embeddings to random vectors of length about 1."""
        nn.init.normal_(self.weight, std=self.weight.size(1) ** -0.5)

    def share(self, first: Tensor, second: Tensor) -> None:
        """Lets pairs of entities share an embedding, beyond those that share from the
        start and in place of those of an earlier call.

        Entities that are connected over several pairs share one, which is that of the
        lowest row among theirs.

        Args:
            first (torch.Tensor): Entities, long ``[L]``.
            second (torch.Tensor): Their partners, long ``[L]``.
        """
        count = self.weight.size(0)
        ends = (self.seed_row[first].cpu().numpy(), self.seed_row[second].cpu().numpy())
        joined = coo_array(([True] * len(ends[0]), ends), shape=(count, count))
        label = torch.from_numpy(connected_components(joined, directed=False)[1]).long()
        lowest = torch.full((count,), count).scatter_reduce(
            0, label, torch.arange(count), "amin"
        )
        self.row.copy_(lowest[label].to(self.seed_row.device)[self.seed_row])

    def forward(self, withheld: Tensor | None = None) -> Tensor:
        """The embedding of every entity.

        Args:
            withheld (torch.Tensor, optional): Entities, long ``[n]``, whose embeddings
                (also as the embeddings of entities that share them) are replaced by
                zeros.
        """
        weight: Tensor = self.weight
        if withheld is not None:
            weight = weight.index_fill(0, self.row[withheld], 0.0)
        return rows_of(weight, self.row)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.row.numel()}, channels={self.weight.size(1)})"
        )


def seed_rows(data: HeteroData) -> Tensor:
    """Numbers the entities so that those joined by seed pairs have the same number.

    Only training pairs (``train_mask``) join entities; links without a split do not.

    Args:
        data (HeteroData): The problem.

    Returns:
        torch.Tensor: Long ``[N]``, for all entities, graph after graph: the row of the
        table of embeddings, shared by entities that are known to be the same.
    """
    counts = entity_counts(data)
    size, first = sum(counts.values()), first_numbers(counts)
    pairs = [torch.empty(2, 0, dtype=torch.long)]
    for a, b in linked_pairs(data):
        store = links_between(data, (a, b))
        if "train_mask" in store:
            source, target = store.edge_index[:, store.train_mask].cpu()
            pairs.append(torch.stack([source + first[a], target + first[b]]))
    source, target = torch.cat(pairs, dim=1).numpy()
    joined = coo_matrix(([True] * len(source), (source, target)), (size, size))
    return torch.from_numpy(connected_components(joined, directed=False)[1]).long()
