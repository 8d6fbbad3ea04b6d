import importlib.util

import pytest
import torch

from pyg_ibmea.nn import set_backend, use_backend
from pyg_ibmea.nn.conv._backend import runs_numba


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


def test_numba_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install numba"):
        set_backend("numba")
    with use_backend("auto"):
        assert not runs_numba(torch.ones(1))
