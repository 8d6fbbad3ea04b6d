import numpy as np
import pytest
from tiny_graphs import SAME, facts, identifying, said, tiny_matches, tiny_problem

from pyg_ibmea.anchors._evidence import LEAST, MOST, evidence
from pyg_ibmea.anchors._facts import Descriptions
from pyg_ibmea.anchors._inclusion import inclusions


@pytest.mark.parametrize("seed", range(5))
def test_evidence_is_the_product_over_all_pairs_of_facts(seed):
    left, right = facts(tiny_problem(seed))
    matches = tiny_matches(seed)
    within = inclusions(matches, left, right, SAME)
    sure = {
        (i, j): v for i, j, v in zip(*map(np.ndarray.tolist, matches[:3]), strict=True)
    }
    weights = identifying(left), identifying(right)
    unlikely = np.ones(matches.size)
    for x, r, y in said(left):
        for other, s, z in said(right):
            if (y, z) not in sure:
                continue
            ids = np.array([r]), np.array([s])
            one = sure[y, z] * within[0].at(*ids)[0] * weights[0][r, y]
            two = sure[y, z] * within[1].at(*ids[::-1])[0] * weights[1][s, z]
            both = min(1 - (1 - one) * (1 - two), MOST)
            unlikely[x, other] *= 1 - both if both > LEAST else 1
    sides = Descriptions.of(left, 100), Descriptions.of(right, 100)
    found = evidence(matches, *sides, within)
    dense = np.zeros(matches.size)
    dense[found.row, found.column] = found.value
    np.testing.assert_allclose(np.exp(-dense), unlikely)
    assert (unlikely < 0.9).any()
