"""Approximate search, for sides of millions of rows."""

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
    r"""Finds most of the :obj:`k` best target rows of every source row by cosine.

    Target rows are sorted into cells around centres (`faiss
    <https://github.com/facebookresearch/faiss>`_, :obj:`IndexIVFFlat`); a source row
    is compared with those of the nearest cells only. Use it where :func:`topk`, which
    compares all pairs and misses none, takes too long: beyond a million rows, say.

    Args:
        z_source: Source embeddings :obj:`[N, C]`, any scale.
        z_target: Target embeddings :obj:`[M, C]`.
        k: Candidates a source row, at most :obj:`M`.
        num_cells: Cells; :obj:`None` takes about :math:`4 \sqrt{M}`. (default:
            :obj:`None`)
        num_probes: Cells a source row looks into; with all of them the search is
            exact. (default: :obj:`16`)
        seed: Seed of the centres. (default: :obj:`0`)

    Returns:
        Cosines :obj:`[N, k]`, sorted descending, and target rows :obj:`[N, k]`, on
        the CPU; where the cells held fewer than :obj:`k` rows, :obj:`-inf` and -1.

    Raises:
        ImportError: If faiss is not installed.
        ValueError: If the embeddings do not fit each other (see :func:`topk`) or an
            option is out of range.
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
            f"k must lie between 1 and the {num_rows} rows of z_target, got {k}."
        )
    check_neighbors("num_probes", num_probes)
    if num_cells is None:
        num_cells = max(1, min(round(4 * num_rows**0.5), num_rows // 39))
    if not 1 <= num_cells <= num_rows:
        raise ValueError(
            f"num_cells must lie between 1 and the {num_rows} rows of z_target, got "
            f"{num_cells}."
        )
    rows = [side.float().cpu().contiguous().numpy() for side in (source, target)]
    centres = faiss.IndexFlatIP(target.size(1))
    metric = faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexIVFFlat(centres, target.size(1), num_cells, metric)
    index.cp.seed = seed
    index.cp.spherical = True  # Centres of unit length, like the rows.
    # faiss warns on its own stream where a cell has fewer rows than this.
    index.cp.min_points_per_centroid = 1
    index.train(rows[1])
    index.add(rows[1])
    index.nprobe = min(num_probes, num_cells)
    scores, candidates = (torch.from_numpy(out) for out in index.search(rows[0], k))
    scores[candidates < 0] = -torch.inf
    return scores, candidates
