import pytest
import torch
from pretended_cuda import on_pretended_cuda

from pyg_ibmea.devices import usable_device


def test_device_that_is_there():
    assert usable_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["abacus", "cuda:99", ""])
def test_device_that_is_not_there(name):
    with pytest.raises(ValueError, match=f"device '{name}' cannot be used: "):
        usable_device(name)


def default_device():
    return str(usable_device())


def test_the_default_is_a_gpu_if_there_is_one():
    assert on_pretended_cuda(default_device) == "cuda:0"
