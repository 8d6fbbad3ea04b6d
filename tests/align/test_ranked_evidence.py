"""Several matches of each row, and the evidence for any pair."""

import pytest
import torch

from pyg_ibmea.align import CSLS, Cosine, Similarity, Sinkhorn, csls, find_candidates
from pyg_ibmea.align._evidence import match_evidence
from pyg_ibmea.align._ranked_evidence import ranked_evidence

DECODERS = [Cosine(), CSLS(k=2), Sinkhorn(0.1, num_iters=2000, tolerance=1e-9)]


def sides(seed, n=11, m=9):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(n, 4, generator=generator, dtype=torch.double),
            torch.randn(m, 4, generator=generator, dtype=torch.double))  # fmt: skip


def scores(z, decoder):
    """All scores, from the definition of the decoder."""
    source, target = (torch.nn.functional.normalize(side) for side in z)
    cosine = source @ target.t()
    if isinstance(decoder, Cosine):
        return cosine
    if isinstance(decoder, CSLS):
        return csls(*z, k=decoder.k)
    log = cosine / decoder.temperature
    f, g = torch.zeros(len(source)), torch.zeros(len(target))
    f, g = f.double(), g.double()
    for _ in range(2000):  # More rows than columns: these need not be filled.
        f = (-(log + g).logsumexp(dim=1)).clamp(max=0.0)
        g = -(log + f[:, None]).logsumexp(dim=0)
    return decoder.temperature * (log + f[:, None] + g)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("among", ["all", "candidates"])
@pytest.mark.parametrize("k", [1, 3, 20])
def test_ranks_and_features_by_their_definitions(decoder, among, k):
    z = sides(1)
    found = find_candidates(*z, k=9) if among == "candidates" else None
    similarity = Similarity.of(*z, block_size=4, candidates=found)
    evidence = ranked_evidence(similarity, decoder, CSLS(3), Sinkhorn(0.05))
    ranked = evidence.ranked(k)
    every = scores(z, decoder)
    expected = every.topk(min(k, 9), dim=1)
    width = expected.indices.size(1)
    assert torch.equal(ranked.target[:, :width], expected.indices)
    assert bool((ranked.target[:, width:] == -1).all())
    torch.testing.assert_close(
        ranked.score[:, :width], expected.values, atol=2e-4, rtol=0
    )
    assert torch.equal(ranked.best, every.argmax(dim=1))
    pairs = torch.stack(
        [torch.arange(11).repeat_interleave(9), torch.arange(9).repeat(11)]
    )
    features = evidence.features(pairs)
    for (i, j), row in zip(pairs.t().tolist(), features, strict=True):
        in_row = [every[i, c] for c in range(9) if c != j]
        in_column = [every[r, j] for r in range(11) if r != i]
        expected_row = [
            scores(z, Cosine())[i, j], scores(z, CSLS(3))[i, j],
            every[i, j] - max(in_row), every[i, j] - max(in_column),
        ]  # fmt: skip
        torch.testing.assert_close(
            row[:4], torch.stack(expected_row), atol=2e-4, rtol=0
        )


@pytest.mark.parametrize("decoder", DECODERS)
def test_the_best_has_the_evidence_that_it_has_alone(decoder):
    z = sides(2)
    similarity = Similarity.of(*z)
    evidence = ranked_evidence(similarity, decoder, CSLS(3), Sinkhorn(0.05))
    ranked = evidence.ranked(2)
    [(alone, _)] = match_evidence(*z, [decoder], CSLS(3), Sinkhorn(0.05))
    assert torch.equal(ranked.target[:, 0], alone.target)
    assert torch.equal(ranked.target[:, 1], alone.runner_up)
    pairs = torch.stack([torch.arange(11), alone.target])
    torch.testing.assert_close(evidence.features(pairs), alone.features)


@pytest.mark.parametrize("among", ["all", "candidates"])
def test_only_what_is_allowed_is_ranked(among):
    z = sides(3)
    found = find_candidates(*z, k=9) if among == "candidates" else None
    similarity = Similarity.of(*z, block_size=5, candidates=found)
    evidence = ranked_evidence(similarity, Cosine(), CSLS(3), Sinkhorn(0.05))
    open_ = torch.rand(11, 9, generator=torch.Generator().manual_seed(0)) < 0.3
    open_[4] = False
    ranked = evidence.ranked(9, lambda i, j: open_[i, j])
    every = scores(z, Cosine())
    for i in range(11):
        expected = sorted(open_[i].nonzero().flatten().tolist(),
                          key=lambda j: -float(every[i, j]))  # fmt: skip
        assert [j for j in ranked.target[i].tolist() if j >= 0] == expected
    # The best of all does not depend on it.
    assert torch.equal(ranked.best, every.argmax(dim=1))
