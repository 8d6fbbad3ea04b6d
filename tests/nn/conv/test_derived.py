"""What is derived from a tensor is derived once, and again after a change."""

import gc

import pytest
import torch

from pyg_ibmea.nn.conv import _derived
from pyg_ibmea.nn.conv._derived import Derived


@pytest.fixture
def sums():
    """A sum that is remembered, and of which tensors it was taken."""
    derived, taken = Derived(), []

    def total(x, key=None):
        def derive():
            taken.append(key)
            return int(x.sum())

        return derived.of(x, key, derive)

    return total, taken


def test_is_derived_once(sums):
    total, taken = sums
    x, y = torch.tensor([1, 2]), torch.tensor([1, 2])
    assert [total(x), total(x), total(y), total(x, "other")] == [3] * 4
    assert taken == [None, None, "other"]


def test_is_derived_again_after_a_change(sums):
    total, taken = sums
    x = torch.tensor([1, 2])
    assert total(x) == 3
    x[0] = 5
    assert total(x) == 7
    assert len(taken) == 2


def test_nothing_is_kept_of_tensors_that_do_not_count_their_changes(sums):
    total, taken = sums
    with torch.inference_mode():
        x = torch.tensor([1, 2])
        assert total(x) == 3
        x[0] = 5
        assert total(x) == 7
    assert len(taken) == 2


def test_nor_while_a_graph_is_captured(sums, monkeypatch):
    total, taken = sums
    x = torch.tensor([1, 2])
    monkeypatch.setattr(_derived, "_is_captured", lambda tensor: tensor is x)
    assert total(x) == total(x) == 3
    assert len(taken) == 2


def test_results_go_with_their_tensor():
    derived = Derived()
    x = torch.zeros(2)
    derived.of(x, None, lambda: torch.ones(1))
    del x
    gc.collect()
    assert len(derived._known) == 0
