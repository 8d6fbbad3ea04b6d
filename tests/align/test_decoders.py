"""Decoders as values, and one of a user's own."""

import math
from dataclasses import dataclass

import pytest
import torch
from scipy.special import logsumexp
from torch.utils.flop_counter import FlopCounterMode

from pyg_ibmea.align import (
    CSLS,
    Cosine,
    Scoring,
    Similarity,
    Sinkhorn,
    assignment,
    csls,
    match_probabilities,
    mutual_nearest,
    ranking_metrics,
    sinkhorn,
    topk,
)
from pyg_ibmea.align._evidence import match_evidence
from pyg_ibmea.align.decoders import as_decoder, score_blocks
from pyg_ibmea.align.ranks import ranks


@dataclass  # Not frozen, and so not hashable.
class InvertedSoftmax:
    """Log-probability of a source row among all of a target row (arXiv 1702.03859)."""

    temperature: float = 0.1
    name = "inverted softmax"

    def scoring(self, similarity):
        total = similarity.target.new_zeros(similarity.shape[1])
        for _, cosine in similarity.blocks():
            total += (cosine / self.temperature).exp().sum(dim=0)
        return Scoring(1.0, target=-self.temperature * total.log())


def sides(num_source=14, num_target=11):
    generator = torch.Generator().manual_seed(3)
    return [
        torch.randn(n, 5, dtype=torch.double, generator=generator)
        for n in (num_source, num_target)
    ]


def cosines(source, target):
    source, target = (z / z.norm(dim=1, keepdim=True) for z in (source, target))
    return source @ target.t()


def dense(source, target, decoder):
    cosine = cosines(source, target)
    if isinstance(decoder, CSLS):
        return csls(source, target, decoder.k)
    if isinstance(decoder, Sinkhorn):
        found = sinkhorn(source, target, decoder.temperature, decoder.num_iters)
        return cosine + found.source[:, None] + found.target
    if isinstance(decoder, InvertedSoftmax):
        total = logsumexp(cosine.numpy() / decoder.temperature, axis=0)
        return cosine - decoder.temperature * torch.from_numpy(total)
    return cosine


DECODERS = [Cosine(), CSLS(2), Sinkhorn(0.1, num_iters=50), InvertedSoftmax()]


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder.name)
@pytest.mark.parametrize("block_size", [None, 3])
def test_every_door_scores_alike(decoder, block_size):
    z = sides()
    expected = dense(*z, decoder)
    options = {"decoder": decoder, "block_size": block_size}
    score, column = topk(*z, k=3, **options)
    torch.testing.assert_close(score, expected.sort(descending=True)[0][:, :3])
    assert column[:, 0].equal(expected.argmax(dim=1))

    pairs, score = mutual_nearest(*z, **options)
    torch.testing.assert_close(score, expected[tuple(pairs)])
    pairs, score = assignment(*z, **options)
    torch.testing.assert_close(score, expected[tuple(pairs)])

    true = torch.stack([torch.arange(11), torch.arange(11)])
    forward, backward = ranks(*z, pairs=true, **options)
    own = expected[:11].diagonal()
    assert forward.greater.tolist() == (expected[:11] > own[:, None]).sum(1).tolist()
    assert backward.greater.tolist() == (expected > own).sum(0).tolist()
    metrics = ranking_metrics(*z, pairs=true, **options)
    assert metrics["hits@1"] == float((forward.greater == 0).double().mean())

    [(found, _)] = match_evidence(*z, [decoder], block_size=block_size)
    torch.testing.assert_close(found.score, expected.amax(dim=1))


@pytest.mark.parametrize("k", [1, 3, 50])
def test_csls_among_the_nearest_that_are_known(k):
    z = sides()
    similarity, fresh = Similarity.of(*z), Similarity.of(*z)
    similarity.nearest(k)
    with FlopCounterMode(display=False) as counted:
        found = CSLS(2).scoring(similarity)
    assert (counted.get_total_flops() == 0) == (k >= 2)
    for offsets, expected in zip(found[1:], CSLS(2).scoring(fresh)[1:], strict=True):
        torch.testing.assert_close(offsets, expected)


def test_a_bonus_reaches_a_decoder_of_ones_own():
    z = sides()
    bonus = torch.zeros(14, 11, dtype=torch.double)
    bonus[2, 5] = 3.0
    _, column = topk(*z, k=1, decoder=InvertedSoftmax(), bonus=bonus.to_sparse())
    assert column[2] == 5


@pytest.mark.parametrize("name", ["cosine", "csls", "sinkhorn"])
def test_a_name_stands_for_the_defaults(name):
    z, decoder = sides(), as_decoder(name)
    assert decoder == {"cosine": Cosine(), "csls": CSLS(), "sinkhorn": Sinkhorn()}[name]
    assert decoder.name == name
    for ours, theirs in zip(topk(*z, 2, name), topk(*z, 2, decoder), strict=True):
        assert ours.equal(theirs)


def test_one_temperature_by_every_door():
    z = sides(9, 9)
    score, column = topk(*z, k=9, decoder="sinkhorn")
    probability = torch.zeros(9, 9, dtype=torch.double)
    probability.scatter_(1, column, Sinkhorn().probability(score))
    found = match_probabilities(*z, least=1e-12).to_dense()
    torch.testing.assert_close(found, probability, atol=1e-11, rtol=1e-9)
    f, g, *_ = sinkhorn(*z)
    expected = ((cosines(*z) + f[:, None] + g) / Sinkhorn().temperature).exp()
    torch.testing.assert_close(probability, expected)


def test_what_is_no_decoder():
    z = sides()
    with pytest.raises(ValueError, match=r"one of 'cosine', 'csls', .* got 'dot'"):
        topk(*z, 1, "dot")
    with pytest.raises(ValueError, match=r"method scoring\(similarity\), got 3"):
        topk(*z, 1, 3)

    class Short(InvertedSoftmax):
        def scoring(self, similarity):
            return Scoring(source=similarity.source[:3, 0])

    with pytest.raises(ValueError, match=r"source offset .* 14 rows, got \[3\]"):
        topk(*z, 1, Short())


def test_scores_come_in_blocks():
    z = sides()
    similarity = Similarity.of(*z, block_size=4)
    rows = [rows for rows, _ in score_blocks(similarity, CSLS())]
    assert [rows.start for rows in rows] == [0, 3, 7, 10]
    assert similarity.shape == (14, 11)
    assert math.isclose(
        float(similarity.of_pairs(torch.tensor([[1], [2]]))), cosines(*z)[1, 2]
    )
