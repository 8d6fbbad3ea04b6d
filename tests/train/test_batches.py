import pytest
import torch

from pyg_ibmea.train import seed_batches


@pytest.mark.parametrize(
    ("num_pairs", "batch_size", "withhold", "sizes"),
    [
        (10, 100, 0.0, [10]),
        (10, 4, 0.0, [4, 3, 3]),
        (10, 100, 0.5, [5, 5]),
        (10, 100, 0.3, [3, 3, 2, 2]),
        (9, 100, 1 / 3, [3, 3, 3]),
        (10, 2, 0.5, [2, 2, 2, 2, 2]),
        (2, 100, 0.1, [1, 1]),
    ],
)
def test_every_pair_once_in_batches_of_like_size(
    num_pairs, batch_size, withhold, sizes
):
    batches = seed_batches(num_pairs, batch_size, withhold)
    assert [len(batch) for batch in batches] == sizes
    assert sorted(torch.cat(batches).tolist()) == list(range(num_pairs))


def test_order_is_drawn_anew():
    first, second = (torch.cat(seed_batches(50, 7)) for _ in range(2))
    assert not first.equal(second)
