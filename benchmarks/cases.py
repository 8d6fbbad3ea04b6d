"""What is measured: each case builds its inputs and returns one step to repeat.

A case is a function of a size (quick or full), so that the time can be taken in one
process and the peak memory in a fresh one.
"""

from collections.abc import Callable
from types import SimpleNamespace

from benchmarks import _agreement, _layers, _losses, _searches, _steps

TINY = SimpleNamespace(
    nodes=30, edges=90, channels=6, pairs=8, rows=12, big=9, entities=60
)
QUICK = SimpleNamespace(
    nodes=10_000, edges=75_000, channels=300, pairs=1_500, rows=5_000, big=5_000,
    entities=3_000,
)  # fmt: skip
FULL = SimpleNamespace(
    nodes=40_000, edges=300_000, channels=300, pairs=4_500, rows=100_000, big=100_000,
    entities=20_000,
)  # fmt: skip


GROUPS: dict[str, list[Callable]] = {
    "convolution": [
        _layers.conv_ours,
        _layers.conv_ours_torch,
        _layers.conv_textbook,
        _layers.conv_published,
        _layers.conv_gat,
        _layers.conv_gcn,
    ],
    "modal encoder": [_layers.modal_sparse, _layers.modal_dense],
    "multi-similarity": [
        _losses.multi_similarity_ours,
        _losses.multi_similarity_dense,
        _losses.multi_similarity_library,
    ],
    "InfoNCE": [_losses.info_nce_ours, _losses.info_nce_dense],
    "InfoNCE, many pairs": [_losses.info_nce_big],
    "ranks": [_searches.ranks_ours, _searches.ranks_products, _searches.ranks_dense],
    "search": [_searches.topk_ours, _searches.topk_faiss],
    "agreement of neighbours": [
        _agreement.agreement_ours,
        _agreement.agreement_loops,
    ],
    "rounds of agreement": [_agreement.rounds_ours, _agreement.rounds_by_sweeps],
    "training step": [_steps.step_ours, _steps.step_textbook],
}
"""Cases by group; the first of a group is what the others are compared with."""

LARGE = {
    _losses.info_nce_big,
    _searches.ranks_ours,
    _searches.ranks_products,
    _searches.ranks_dense,
    _searches.topk_ours,
    _searches.topk_faiss,
}
"""Cases that take minutes at full size, where each runs once in a process of its own
(:mod:`benchmarks.large`)."""

TOO_LARGE = {_searches.ranks_dense}
"""Cases that do not fit into memory at full size."""

BY_NAME = {case.__name__: case for members in GROUPS.values() for case in members}
"""All cases."""
