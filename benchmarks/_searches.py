"""Cases of search and ranking: two sides of which row i is a true pair."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from pyg_ibmea.align import topk
from pyg_ibmea.align.ranks import ranks

Step = Callable[[], object]


def _sides(size) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, size.rows, 300, generator=generator)
    return a, a + b


def ranks_ours(size) -> Step:
    a, b = _sides(size)
    return lambda: ranks(a, b, "csls")


def ranks_products(size) -> Step:
    """The two matrix products that CSLS ranks need, block by block, and no more."""
    a, b = _sides(size)
    block = max(1, 2**24 // len(b))
    buffer = torch.empty(block, len(b))

    def step():
        for _ in range(2):
            for rows in a.split(block):
                torch.mm(rows, b.t(), out=buffer[: len(rows)])

    return step


def ranks_dense(size) -> Step:
    """Cosines as one matrix, sorted: ranks without CSLS, in one direction."""
    a, b = _sides(size)

    def step():
        order = (a @ b.t()).argsort(1, descending=True)
        return (order == torch.arange(len(a))[:, None]).nonzero()[:, 1]

    return step


def topk_ours(size) -> Step:
    """The ten best target rows of every source row, exactly."""
    a, b = _sides(size)
    return lambda: topk(a, b, 10)


def topk_faiss(size) -> Step:
    """The same by faiss, exactly (its flat index)."""
    import faiss

    a, b = (F.normalize(side).numpy() for side in _sides(size))

    def step():
        index = faiss.IndexFlatIP(a.shape[1])
        index.add(b)
        return index.search(a, 10)

    return step
