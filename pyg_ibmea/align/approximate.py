"""Approximate search for sides with millions of rows."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_ibmea.align.backends import IVFSearch


@torch.no_grad()
def approximate_topk(
    z_source: Tensor,
    z_target: Tensor,
    k: int,
    num_cells: int | None = None,
    num_probes: int = 16,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    r"""Finds most of the ``k`` best target rows of every source row by cosine.

    Target rows are grouped into cells around centres (`faiss
    <https://github.com/facebookresearch/faiss>`_, ``IndexIVFFlat``); a source row is
    compared only with those in the nearest cells. It is :class:`IVFSearch` by another
    name; :func:`find_candidates` makes what all other functions read.

    Args:
        z_source (torch.Tensor): Source embeddings ``[N, C]``, any scale.
        z_target (torch.Tensor): Target embeddings ``[M, C]``.
        k (int): Number of candidates per source row, at most ``M``.
        num_cells (int, optional): Number of cells; :obj:`None` takes about
            :math:`4 \sqrt{M}`. (default: :obj:`None`)
        num_probes (int, optional): Number of cells searched per source row; if all are,
            the search is exact. (default: :obj:`16`)
        seed (int, optional): Seed of the centres. (default: :obj:`0`)

    Returns:
        tuple: Cosines ``[N, k]``, sorted descending, and target rows ``[N, k]``, on the
        CPU; ``-inf`` and -1 where the searched cells hold fewer than ``k`` rows.

    Raises:
        ImportError: If faiss is not installed.
        ValueError: As for :func:`topk`.
    """
    search = IVFSearch(num_cells, num_probes, z_target.size(-1), seed)
    scores, candidates = search.nearest(z_source, z_target, k)
    return scores.cpu(), candidates.long().cpu()
