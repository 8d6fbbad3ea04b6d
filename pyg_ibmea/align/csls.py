"""Cross-domain similarity local scaling (CSLS)."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_ibmea.align._blocks import check_neighbors, cosine_blocks, unit_sides


@torch.no_grad()
def csls(z_source: Tensor, z_target: Tensor, k: int = 3) -> Tensor:
    r"""Computes the dense matrix of CSLS scores.

    From the `"Word Translation Without Parallel Data"
    <https://arxiv.org/abs/1710.04087>`_ paper:

    .. math::
        \mathrm{csls}(i, j) = 2 \cos(i, j) - r_T(i) - r_S(j)

    where :math:`r_T(i)` is the mean cosine of source row :math:`i` to its :math:`k`
    nearest target rows, and :math:`r_S(j)` that of target row :math:`j` to its
    :math:`k` nearest source rows. It lowers the scores of hubs: rows that are close to
    everything.

    The result has :math:`N \cdot M` entries: 420 MiB for 10,500 rows per side in
    float32. If only the best candidates are needed, use :func:`topk`, which never holds
    the matrix.

    Args:
        z_source (torch.Tensor): Source embeddings ``[N, C]``.
        z_target (torch.Tensor): Target embeddings ``[M, C]``.
        k (int, optional): Number of neighbours in the means. (default: :obj:`3`)

    Returns:
        torch.Tensor: Scores ``[N, M]``, in [-4, 4]; higher is better.

    Raises:
        ValueError: As for :func:`topk`.

    Example:
        >>> z = torch.eye(3)
        >>> csls(z, z, k=1)
        tensor([[ 0., -2., -2.],
                [-2.,  0., -2.],
                [-2., -2.,  0.]])
    """
    source, target = unit_sides(z_source, z_target)
    check_neighbors("k", k)
    neighborhoods = RunningNeighborhoods(source, target, k)
    for rows, cosine in cosine_blocks(source, target):
        neighborhoods.update(rows, cosine)
    source_means, target_means = neighborhoods.means()
    _, scores = next(cosine_blocks(source, target, block_size=source.size(0)))
    return scores.mul_(2).sub_(source_means[:, None]).sub_(target_means)


@torch.no_grad()
def neighborhood_means(
    z_source: Tensor, z_target: Tensor, k: int = 3, block_size: int | None = None
) -> tuple[Tensor, Tensor]:
    r"""Computes the mean cosine of every row to its nearest rows on the other side.

    These are :math:`r_T` and :math:`r_S` of :func:`csls`, in one sweep over blocks
    of source rows.

    Args:
        z_source (torch.Tensor): Source embeddings ``[N, C]``.
        z_target (torch.Tensor): Target embeddings ``[M, C]``.
        k (int, optional): Number of neighbours in the means; all if the other side has
            fewer rows. (default: :obj:`3`)
        block_size (int, optional): See :func:`topk`. (default: :obj:`None`)

    Returns:
        tuple: The means of the source rows ``[N]`` and of the target rows ``[M]``.

    Raises:
        ValueError: As for :func:`topk`.

    Example:
        >>> neighborhood_means(torch.eye(2), torch.eye(2), k=2)
        (tensor([0.5000, 0.5000]), tensor([0.5000, 0.5000]))
    """
    source, target = unit_sides(z_source, z_target)
    check_neighbors("k", k)
    neighborhoods = RunningNeighborhoods(source, target, k)
    for rows, cosine in cosine_blocks(source, target, block_size):
        neighborhoods.update(rows, cosine)
    return neighborhoods.means()


class RunningNeighborhoods:
    """Accumulates the neighbourhood means of both sides, block by block of cosines.

    Args:
        source (torch.Tensor): Unit rows ``[N, C]``.
        target (torch.Tensor): Unit rows ``[M, C]``.
        k (int): Number of neighbours in the means; all if the other side has fewer
            rows.
    """

    def __init__(self, source: Tensor, target: Tensor, k: int) -> None:
        self.k = k
        self._source_means = source.new_empty(source.size(0))
        # The k largest cosines of every target row so far, [at most k, M].
        self._target_nearest = target.new_empty(0, target.size(0))

    def update(self, rows: slice, cosine: Tensor) -> None:
        """Adds the cosines ``[B, M]`` of some source rows."""
        k = min(self.k, cosine.size(1))
        self._source_means[rows] = cosine.topk(k, dim=1, sorted=False)[0].mean(dim=1)
        if self._target_nearest.size(0) < self.k:
            self._target_nearest = self._merged(self._target_nearest, cosine)
            return
        # Later blocks change few columns: those with an entry above the k-th so far.
        changed = cosine.amax(dim=0) > self._target_nearest.amin(dim=0)
        columns = changed.nonzero().view(-1)
        nearest = self._target_nearest[:, columns]
        self._target_nearest[:, columns] = self._merged(nearest, cosine[:, columns])

    def _merged(self, nearest: Tensor, cosine: Tensor) -> Tensor:
        """The k largest entries of each column of both matrices."""
        both = torch.cat([nearest, cosine])
        return both.topk(min(self.k, both.size(0)), dim=0, sorted=False)[0]

    def means(self) -> tuple[Tensor, Tensor]:
        """Returns the means of the source ``[N]`` and target rows ``[M]``."""
        return self._source_means, self._target_nearest.mean(dim=0)
