import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_ibmea.align import CSLS, Sinkhorn, csls, sinkhorn
from pyg_ibmea.align._evidence import FEATURES, match_evidence


def sides(num_source: int, num_target: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    z = [
        torch.randn(n, 5, generator=generator, dtype=torch.double)
        for n in (num_source, num_target)
    ]
    return [torch.nn.functional.normalize(x) for x in z]


def scores(source, target, decoder: str) -> torch.Tensor:
    if decoder == "cosine":
        return source @ target.t()
    if decoder == "csls":
        return csls(source, target, k=3)
    potentials = sinkhorn(source, target, 0.02)
    return source @ target.t() + potentials.source[:, None] + potentials.target


@settings(max_examples=30, deadline=None)
@given(
    num_source=st.integers(1, 9),
    num_target=st.integers(2, 9),
    seed=st.integers(0, 99),
    decoder=st.sampled_from(["cosine", "csls", "sinkhorn"]),
    lost=st.booleans(),
    block=st.integers(1, 4),
)
def test_against_whole_matrices(num_source, num_target, seed, decoder, lost, block):
    source, target = sides(num_source, num_target, seed)
    score = scores(source, target, decoder)
    without = None
    allowed = score.clone()
    if lost:
        without = torch.arange(num_source) % num_target
        without[0] = -1
        for row in range(1, num_source):
            allowed[row, without[row]] = -torch.inf
    options = {"without": without, "block_size": block}
    [(_, found)] = match_evidence(source, target, [decoder], **options)
    rows = torch.arange(num_source)
    best = allowed.argmax(dim=1)
    assert found.target.equal(best)
    torch.testing.assert_close(found.score, allowed[rows, best])
    ordered = allowed.sort(dim=1, descending=True)
    if num_target > (2 if lost else 1):
        # A row that has lost nothing still has a runner-up.
        assert found.runner_up.equal(ordered[1][:, 1])
        torch.testing.assert_close(found.margin, ordered[0][:, 0] - ordered[0][:, 1])
    for row in rows.tolist():
        others = [score[i, best[row]] for i in rows.tolist() if i != row]
        gap = score[row, best[row]] - max(others) if others else 0.0
        assert float(found.features[row, 3]) == pytest.approx(float(gap), abs=1e-9)
    cosine = (source @ target.t())[rows, best]
    torch.testing.assert_close(found.features[:, 0], cosine)
    torch.testing.assert_close(
        found.features[:, 1], csls(source, target, k=3)[rows, best]
    )
    log_probability = scores(source, target, "sinkhorn")[rows, best] / 0.02
    torch.testing.assert_close(found.features[:, 4], log_probability)
    assert found.features.shape == (num_source, len(FEATURES))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 1)])
def test_several_decoders_at_once_are_each_alone(order):
    decoders = [("cosine", "csls", "sinkhorn")[i] for i in order]
    z, without = sides(12, 15), torch.arange(12)
    options = (CSLS(4), Sinkhorn(0.1), without, 5)
    found = match_evidence(*z, decoders, *options)
    for decoder, (every, some) in zip(decoders, found, strict=True):
        [(alone, _)] = match_evidence(*z, [decoder], *options[:2], block_size=5)
        for ours, theirs in zip(every, alone, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
        [(_, lost)] = match_evidence(*z, [decoder], *options)
        for ours, theirs in zip(some, lost, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_one_target_row() -> None:
    source, target = sides(3, 1)
    [(found, _)] = match_evidence(source, target, ["csls"])
    assert found.runner_up.tolist() == [-1, -1, -1]
    assert not found.margin.any()
    with pytest.raises(ValueError, match="at least two target rows"):
        match_evidence(
            source, target, ["csls"], without=torch.zeros(3, dtype=torch.long)
        )
