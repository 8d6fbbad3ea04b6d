import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.train import PseudoSeeds
from pyg_ibmea.train.pseudo_seeds import JointPseudoSeeds


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


def test_of_contradicting_pairs_those_with_more_votes_stay():
    pseudo = JointPseudoSeeds(window=3)
    first = {("a", "b"): pairs((0, 0), (1, 1)), ("b", "c"): pairs((0, 0), (1, 2))}
    for _ in range(3):
        pseudo.update(first, {})
    # Around the cycle, a's 0 is c's 0 and a's 1 is c's 2.
    proposals = {**first, ("a", "c"): pairs((0, 0), (1, 1))}
    for _ in range(2):
        adopted = pseudo.update(proposals, {})
    assert as_set(adopted["a", "c"]) == {(0, 0)}
    assert as_set(pseudo.of(("a", "b"))) == {(0, 0), (1, 1)}
    assert as_set(pseudo.of(("b", "c"))) == {(0, 0), (1, 2)}


def test_known_pairs_are_not_contradicted():
    pseudo = JointPseudoSeeds(window=1)
    known = {("a", "b"): pairs((0, 0)), ("b", "c"): pairs((0, 0))}
    proposals = {("a", "b"): pairs((1, 1)), ("a", "c"): pairs((0, 2), (1, 1))}
    adopted = pseudo.begin(proposals, known)
    assert as_set(adopted["a", "b"]) == {(1, 1)}
    assert as_set(adopted["a", "c"]) == {(1, 1)}  # a's 0 is c's 0.


def test_joint_state_goes_through_a_file(tmp_path):
    pseudo = JointPseudoSeeds(window=2)
    pseudo.update({("a", "b"): pairs((0, 0))}, {})
    pseudo.update({("a", "b"): pairs((0, 0))}, {})
    torch.save(pseudo.state_dict(), tmp_path / "state.pt")
    other = JointPseudoSeeds(window=2)
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert as_set(other.of(("a", "b"))) == {(0, 0)}
    later = {("a", "b"): pairs((1, 1))}
    assert other.update(later, {}).keys() == pseudo.update(later, {}).keys()
    assert other.of(("a", "b")).equal(pseudo.of(("a", "b")))
    assert other.of(("b", "a")).shape == (2, 0)
    assert repr(other) == "JointPseudoSeeds(0 pairs, window=2)"
