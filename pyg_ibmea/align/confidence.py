"""Greedy alignment of every source row, with a confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from pyg_ibmea.align._best import top_columns
from pyg_ibmea.align.alignment import Alignment
from pyg_ibmea.align.decoders import Decoder, Similarity, as_decoder, score_blocks
from pyg_ibmea.problem import Pair


@torch.no_grad()
def align_greedy(
    z_source: Tensor,
    z_target: Tensor,
    decoder: Decoder | str = "csls",
    temperature: float = 0.05,
    block_size: int | None = None,
    bonus: Tensor | None = None,
    uris: Mapping[str, Sequence[str]] | None = None,
    pair: Pair = ("source", "target"),
) -> Alignment:
    r"""Aligns every source row with its best target row, each on its own.

    A target row may be chosen more than once. At equal scores the lower target row
    is chosen. The confidence of the choice :math:`j^*` is

    .. math::
        p_i = \frac{\exp(s_{i j^*} / \tau)}{\sum_j \exp(s_{ij} / \tau)}

    It is uncalibrated: it orders choices from doubtful to clear, but a confidence
    of 0.9 does not mean that nine in ten are right, and it is never low for want of
    a counterpart, only for want of a clear winner. Fit the temperature on
    validation pairs before reading it as a probability.

    Args:
        z_source: Source embeddings :obj:`[N, C]`.
        z_target: Target embeddings :obj:`[M, C]`.
        decoder (Decoder or str, optional): What makes scores of cosines:
            :class:`Cosine`, :class:`CSLS`, :class:`Sinkhorn`, one of your own, or a
            name in lower case for one of ours with its defaults.
            (default: :obj:`"csls"`)
        temperature: :math:`\tau`, in units of the score. (default: :obj:`0.05`)
        block_size: Most source rows scored at once; :obj:`None` keeps a block near
            64 MiB. (default: :obj:`None`)
        bonus: What is added to the cosines of some pairs before anything else, sparse
            :obj:`[N, M]`, such as :func:`neighborhood_agreement` gives.
            (default: :obj:`None`)

        uris (dict, optional): By graph, the name of each row. (default: the numbers of
            the rows)
        pair (tuple, optional): Names of the two graphs.
            (default: :obj:`("source", "target")`)

    Returns:
        The :class:`Alignment`.

    Raises:
        ValueError: If a side is no finite, floating, non-empty matrix, the channels
            or devices differ, or an option is out of range.

    Example:
        >>> z_target = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> z_source = torch.tensor([[0.0, 3.0], [1.0, 1.0]])
        >>> alignment = align_greedy(z_source, z_target, decoder="cosine")
        >>> alignment.target, alignment.confidence.round(4)
        (array([1, 0]), array([1. , 0.5]))
    """
    similarity = Similarity.of(z_source, z_target, bonus, block_size)
    source = similarity.source
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature must be positive and finite, got {temperature}.")
    num_rows, num_targets = similarity.shape
    width = min(2, num_targets)
    choice = torch.full((num_rows, 2), -1, device=source.device)
    score = source.new_empty(num_rows, width)
    confidence = source.new_empty(num_rows)
    for rows, block in score_blocks(similarity, decoder):
        score[rows], choice[rows, :width] = top_columns(block, k=width)
        # Relative to the best score no exponential overflows and the best is 1.
        relative = block.sub_(score[rows, :1]).div_(temperature).exp_()
        confidence[rows] = relative.sum(dim=1).reciprocal()
    names = dict(zip(pair, similarity.shape, strict=True))
    return Alignment.of_pair(
        pair,
        torch.arange(num_rows),
        choice[:, 0],
        score[:, 0],
        score[:, 0] - score[:, -1],
        confidence,
        choice[:, 1],
        uris or {kg: [str(i) for i in range(size)] for kg, size in names.items()},
        as_decoder(decoder).name,
        calibrated=False,
    )
