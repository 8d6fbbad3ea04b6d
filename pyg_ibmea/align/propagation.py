"""What an entity's neighbours look like, as a clue of its own."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


@torch.no_grad()
def append_neighbors(z: Tensor, edge_index: Tensor, weight: float) -> Tensor:
    r"""Appends to every embedding the mean direction of its neighbours.

    .. math::
        \mathbf{z}'_i = \hat{\mathbf{z}}_i \,\Vert\, w \, \hat{\mathbf{m}}_i,
        \qquad \mathbf{m}_i = \frac{1}{|\mathcal{N}(i)|} \sum_{j \in
        \mathcal{N}(i)} \hat{\mathbf{z}}_j

    where the hat scales to unit length. The cosine of two such rows adds up how alike
    the entities are and, with a factor :math:`w^2`, how alike their surroundings are.
    Self-loops are left out.

    Args:
        z: Embeddings :obj:`[N, C]`.
        edge_index: Edges between the rows, long :obj:`[2, E]`; the first row sends.
        weight: :math:`w`, at least 0; an entity without neighbours has a zero part.

    Returns:
        Embeddings :obj:`[N, 2 C]`.

    Raises:
        ValueError: If the weight is negative or an edge names a row that is not there.

    Example:
        >>> z = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
        >>> append_neighbors(z, torch.tensor([[1], [0]]), weight=0.5).tolist()
        [[1.0, 0.0, 0.0, 0.5], [0.0, 1.0, 0.0, 0.0]]
    """
    if not weight >= 0:
        raise ValueError(f"weight must be at least 0, got {weight}.")
    num_rows = z.size(0)
    outside = (edge_index < 0) | (edge_index >= num_rows)
    if outside.any():
        raise ValueError(
            f"edge_index names row {int(edge_index[outside][0])}, but z has rows 0 to "
            f"{num_rows - 1}."
        )
    z = F.normalize(z)
    source, target = edge_index[:, edge_index[0] != edge_index[1]]
    adjacency = torch.sparse_coo_tensor(
        torch.stack([target, source]),
        torch.ones_like(source, dtype=z.dtype),
        (num_rows, num_rows),
        check_invariants=True,
    )
    # The mean and the sum have the same direction.
    return torch.cat([z, weight * F.normalize(adjacency @ z)], dim=1)
