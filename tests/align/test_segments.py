import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.align import _segments
from pyg_ibmea.align._segments import Segments

entries = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from([-1.0, 0.0, 0.5, 0.5, 2.0])),
    max_size=60,
)


@pytest.fixture(autouse=True, params=[1, 8, 2**22])
def small_blocks(request, monkeypatch):
    monkeypatch.setattr(_segments, "_BLOCK_ENTRIES", request.param)


@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
@pytest.mark.parametrize("is_sorted", [False, True])
def test_reductions_are_those_of_plain_loops(is_sorted):
    @given(entries, st.integers(1, 4))
    def check(found, k):
        found = sorted(found, key=lambda entry: entry[0]) if is_sorted else found
        index = torch.tensor([row for row, _ in found], dtype=torch.int32)
        values = torch.tensor([value for _, value in found])
        make = Segments.of_sorted if is_sorted else Segments.of
        segments = make(index, 8)
        best, places = segments.best(values, k)
        means, largest = segments.mean_of_best(values, k), segments.largest(values)
        sums = segments.log_sum_exp(values)
        for row in range(8):
            # The sort is stable: the first of those that tie stays first.
            mine = [n for n, (r, _) in enumerate(found) if r == row]
            order = sorted(mine, key=lambda n: -found[n][1])[:k]
            missing = [-1] * (k - len(order))
            assert places[row].tolist() == order + missing
            top = [found[n][1] for n in order]
            assert best[row].tolist() == top + [-torch.inf] * len(missing)
            expected = sum(top) / len(top) if top else 0.0
            assert float(means[row]) == pytest.approx(expected)
            assert float(largest[row]) == max(top, default=-torch.inf)
            expected = torch.tensor([found[n][1] for n in mine]).logsumexp(0)
            torch.testing.assert_close(sums[row], expected)

    check()
