import importlib.util
from types import SimpleNamespace

import pytest
import torch

from pyg_ibmea.nn import set_backend, use_backend
from pyg_ibmea.nn.conv._backend import runs_numba, runs_triton


def test_choice_holds_for_the_block_only():
    x = torch.ones(1)
    with use_backend("numba"):
        with use_backend("torch"):
            assert not runs_numba(x)
        assert runs_numba(x)
        assert not runs_numba(x.to("meta"))


def test_unknown_backend():
    with pytest.raises(ValueError, match=r"one of .*, got 'cuda'"):
        set_backend("cuda")


@pytest.mark.parametrize("package", ["numba", "triton"])
def test_package_that_is_not_installed(monkeypatch, package):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        set_backend(package)
    with use_backend("auto"):
        assert not runs_numba(torch.ones(1))
        assert not runs_triton(on_cuda())


def on_cuda():
    """Stands for a tensor on a device that this machine may lack."""
    return SimpleNamespace(device=torch.device("cuda", 0))


@pytest.mark.parametrize(
    ("backend", "capability", "expected"),
    [
        ("auto", (9, 0), True),
        ("triton", (8, 0), True),
        ("auto", (7, 5), False),
        ("numba", (9, 0), False),
        ("torch", (9, 0), False),
    ],
)
def test_triton_on_cuda_devices(monkeypatch, backend, capability, expected):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    with use_backend(backend):
        assert runs_triton(on_cuda()) is expected


@pytest.mark.parametrize("interpret", ["0", "1"])
def test_triton_on_the_cpu_only_where_it_interprets(monkeypatch, interpret):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("TRITON_INTERPRET", interpret)
    x = torch.ones(1)
    with use_backend("triton"):
        assert runs_triton(x) is (interpret == "1")
        assert not runs_triton(x.to("meta"))
        assert not runs_numba(x)
    with use_backend("auto"):
        assert not runs_triton(x)
        assert runs_numba(x)
