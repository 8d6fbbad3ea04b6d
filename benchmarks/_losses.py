"""Cases of losses: value and gradient for pairs of random vectors."""

from collections.abc import Callable

import torch

from benchmarks import _textbook as textbook
from pyg_ibmea.nn import HybridContrastiveLoss

Step = Callable[[], object]


def _loss_step(loss, pairs, channels) -> Step:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, pairs, channels, generator=generator)
    a, b = a.requires_grad_(), (a + b).requires_grad_()

    def step():
        loss(a, b).backward()

    return step


def multi_similarity_ours(size) -> Step:
    return _loss_step(HybridContrastiveLoss(), size.pairs, 600)


def multi_similarity_dense(size) -> Step:
    return _loss_step(textbook.dense_multi_similarity, size.pairs, 600)


def multi_similarity_library(size) -> Step:
    """pytorch-metric-learning's loss."""
    from pytorch_metric_learning.losses import MultiSimilarityLoss

    loss = MultiSimilarityLoss(alpha=5, beta=40, base=0.5)
    labels = torch.arange(size.pairs).repeat(2)
    return _loss_step(lambda a, b: loss(torch.cat([a, b]), labels), size.pairs, 600)


def info_nce_ours(size) -> Step:
    return _loss_step(HybridContrastiveLoss("info_nce"), size.pairs, 600)


def info_nce_dense(size) -> Step:
    return _loss_step(textbook.dense_info_nce, size.pairs, 600)


def info_nce_big(size) -> Step:
    """More pairs than a dense matrix of logits has room for."""
    return _loss_step(HybridContrastiveLoss("info_nce"), size.big, 300)
