import numpy as np
import pytest
from tiny_graphs import SAME, facts, inclusion_by_hand, tiny_matches, tiny_problem

from pyg_ibmea.anchors._entries import Pairs
from pyg_ibmea.anchors._inclusion import ANY, SAME_URI, inclusions


@pytest.mark.parametrize("seed", range(5))
def test_inclusions_follow_their_definition(seed):
    left, right = facts(tiny_problem(seed))
    matches = tiny_matches(seed)
    forward, backward = inclusions(matches, left, right, SAME)
    back = np.array([-1, 0, -1, -1, 2, -1])
    for found, ours, theirs, same, to in (
        (forward, left, right, SAME, (matches.row, matches.column)),
        (backward, right, left, back, (matches.column, matches.row)),
    ):
        r, s = np.indices((ours.num_relations, theirs.num_relations)).reshape(2, -1)
        expected = inclusion_by_hand((*to, matches.value), ours, theirs, same)
        np.testing.assert_allclose(found.at(r, s), expected.ravel())


def test_without_matches_there_is_what_was_expected():
    left, right = facts(tiny_problem(0))
    forward, _ = inclusions(Pairs.none((7, 8)), left, right, SAME)
    found = forward.at(np.array([0, 0, 2]), np.array([1, 0, 4]))
    np.testing.assert_allclose(found, [SAME_URI, ANY, SAME_URI])
