import pytest
import torch

from pyg_ibmea.train._device import usable_device


def test_device_that_is_there():
    assert usable_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["abacus", "cuda:99", ""])
def test_device_that_is_not_there(name):
    with pytest.raises(ValueError, match=f"device '{name}' cannot be used: "):
        usable_device(name)
