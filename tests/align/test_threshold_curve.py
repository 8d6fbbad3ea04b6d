import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pyg_ibmea.align._threshold_curve import THRESHOLDS, threshold_curve

MATCH = st.tuples(st.sampled_from([*THRESHOLDS, 0.05, 0.55, 1.0]), st.booleans())


@given(matches=st.lists(MATCH, min_size=1, max_size=40), more=st.integers(0, 9))
def test_equals_counting_and_the_intervals_of_scipy(matches, more):
    confidence = np.array([sure for sure, _ in matches])
    right = np.array([mark for _, mark in matches])
    num_true = max(1, int(right.sum()) + more)
    curve = {
        line["threshold"]: line for line in threshold_curve(confidence, right, num_true)
    }
    for threshold in THRESHOLDS:
        marks = [mark for sure, mark in matches if sure >= threshold]
        if not marks:
            assert threshold not in curve
            continue
        line = curve[threshold]
        assert (line["given"], line["right"]) == (len(marks), sum(marks))
        for name, asked in (("precision", len(marks)), ("recall", num_true)):
            assert line[name] == pytest.approx(sum(marks) / asked)
            exact = binomtest(sum(marks), asked).proportion_ci(0.95, method="wilson")
            found = line[f"{name}_interval"]
            assert found == pytest.approx([exact.low, exact.high], abs=1e-6)


def test_several_right_matches_of_an_entity():
    line = threshold_curve(np.array([0.9, 0.8]), np.array([True, True]), 1)[0]
    assert line["recall_interval"][1] == 1
