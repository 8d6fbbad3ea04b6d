import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.train import PseudoSeeds


def pairs(*items):
    return torch.tensor(items, dtype=torch.long).reshape(-1, 2).t()


def as_set(tensor):
    return {tuple(pair) for pair in tensor.t().tolist()}


@st.composite
def _matchings(draw):
    """A one-to-one proposal among six entities a side."""
    targets = draw(st.permutations(range(6)))
    kept = draw(st.sets(st.integers(0, 5)))
    return pairs(*[(i, targets[i]) for i in sorted(kept)])


@given(st.lists(_matchings(), max_size=8), st.integers(1, 5))
def test_counts_over_the_window_by_hand(proposals, window):
    pseudo = PseudoSeeds(window)
    for done, proposal in enumerate(proposals, start=1):
        adopted = pseudo.update(proposal)
        recent = [as_set(p) for p in proposals[:done][-window:]]
        needed = max(window // 2 + 1, min(2, window))
        expected = {
            pair
            for pair in set().union(*recent)
            if sum(pair in r for r in recent) >= needed
        }
        assert as_set(adopted) == expected
        for side in adopted:
            assert side.unique().numel() == side.numel()


def test_a_pair_must_come_again_and_goes_when_it_stays_away():
    pseudo = PseudoSeeds(window=3)
    assert pseudo.update(pairs((1, 2))).numel() == 0
    assert as_set(pseudo.update(pairs((1, 2)))) == {(1, 2)}
    assert as_set(pseudo.update(pairs((1, 3)))) == {(1, 2)}
    # The rival has been proposed as often of late.
    assert as_set(pseudo.update(pairs((1, 3)))) == {(1, 3)}
    assert as_set(pseudo.update(pairs())) == {(1, 3)}
    assert as_set(pseudo.update(pairs())) == set()


def test_window_of_one_takes_each_proposal_as_it_is():
    pseudo = PseudoSeeds(window=1)
    assert as_set(pseudo.update(pairs((4, 4)))) == {(4, 4)}
    assert as_set(pseudo.update(pairs((5, 5)))) == {(5, 5)}


def test_state_goes_on_where_it_was():
    first, second = PseudoSeeds(3), PseudoSeeds(3)
    first.update(pairs((0, 1)))
    second.load_state_dict(first.state_dict())
    assert as_set(second.update(pairs((0, 1)))) == {(0, 1)}


def test_bad_input():
    with pytest.raises(ValueError, match="window must be at least 1"):
        PseudoSeeds(0)
    with pytest.raises(ValueError, match="target entity 7 is in two pairs"):
        PseudoSeeds().update(pairs((1, 7), (2, 7)))
    with pytest.raises(ValueError, match=r"long \[2, L\], got \[3\]"):
        PseudoSeeds().update(torch.arange(3))
