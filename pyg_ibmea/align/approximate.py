"""Approximate search for sides with millions of rows."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_ibmea.align._blocks import check_neighbors, unit_sides


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
    compared only with those in the nearest cells. Use it where :func:`topk`, which
    compares all pairs and misses none, takes too long, e.g. beyond a million rows.

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
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            "approximate_topk needs faiss: pip install faiss-cpu, or search exactly "
            "with topk"
        ) from error
    source, target = unit_sides(z_source, z_target)
    num_rows = target.size(0)
    if not 1 <= k <= num_rows:
        raise ValueError(
            f"k must lie between 1 and the {num_rows} rows of z_target, got {k}"
        )
    check_neighbors("num_probes", num_probes)
    if num_cells is None:
        num_cells = max(1, min(round(4 * num_rows**0.5), num_rows // 39))
    if not 1 <= num_cells <= num_rows:
        raise ValueError(
            f"num_cells must lie between 1 and the {num_rows} rows of z_target, got "
            f"{num_cells}"
        )
    rows = [side.float().cpu().contiguous().numpy() for side in (source, target)]
    centres = faiss.IndexFlatIP(target.size(1))
    metric = faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexIVFFlat(centres, target.size(1), num_cells, metric)
    index.cp.seed = seed
    index.cp.spherical = True  # Centres have unit length, like the rows.
    # Below this number of rows per cell, faiss prints a warning.
    index.cp.min_points_per_centroid = 1
    index.train(rows[1])
    index.add(rows[1])
    index.nprobe = min(num_probes, num_cells)
    scores, candidates = (torch.from_numpy(out) for out in index.search(rows[0], k))
    scores[candidates < 0] = -torch.inf
    return scores, candidates
