"""Compiled code on disk that was damaged: compiled again, with the right numbers."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

numba = pytest.importorskip("numba")

from numba.core.caching import CompileResultCacheImpl  # noqa: E402

from pyg_ibmea.nn.conv import _compiled  # noqa: E402
from pyg_ibmea.nn.conv._compiled import compiled  # noqa: E402

LAYER = """
import torch
from pyg_ibmea.nn import DiagonalGATConv, use_backend

torch.manual_seed(0)
x, edge_index = torch.randn(9, 4), torch.randint(0, 9, (2, 30))
conv = DiagonalGATConv(4, 4, heads=2)
found = []
for name in ("numba", "torch"):
    with use_backend(name):
        inputs = x.clone().requires_grad_()
        out = conv(inputs, edge_index)
        out.square().sum().backward()
        found.append((out, inputs.grad))
torch.testing.assert_close(*found)
"""


def double(x):
    return 2.0 * x


def doubled() -> object:
    """Compiles as a new process would, and says how often code was loaded."""
    function = compiled()(double)
    assert function(1.5) == 3.0
    assert function(np.full(3, 1.5)).tolist() == [3.0] * 3
    return sum(function.stats.cache_hits.values())


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*.nb[ic]"))}


def flipped(content: bytes, place: int) -> bytes:
    changed = bytearray(content)
    changed[place] ^= 16
    return bytes(changed)


DAMAGE = {
    "empty": lambda content: b"",
    "cut short": lambda content: content[: len(content) // 2],
    "a byte short": lambda content: content[:-1],
    "a bit at the beginning": lambda content: flipped(content, 3),
    "a bit in the middle": lambda content: flipped(content, len(content) // 2),
    "a bit at the end": lambda content: flipped(content, -2),
    "other content": lambda content: bytes(range(256)) * 9,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(_compiled, "_told", False)
    return tmp_path


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("number", range(3))
def test_damaged_code_is_compiled_again(
    folder: Path, damage: str, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert doubled() == 0
    whole = contents(folder)
    assert [path.suffix for path in whole] == [".nbc", ".nbc", ".nbi"]
    path = [*whole][number]
    path.write_bytes(DAMAGE[damage](whole[path]))
    assert doubled() == (0 if path.suffix == ".nbi" else 1)
    [message] = caplog.messages
    assert str(path) in message
    # What is there now is sound.
    assert doubled() == 2
    assert contents(folder).keys() == whole.keys()
    assert len(caplog.messages) == 1


def test_code_that_cannot_be_kept_is_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_compiled, "seal", full)
    assert doubled() == 0
    assert contents(folder) == {}
    [message] = caplog.messages
    assert "No space left" in message


def test_code_without_a_folder_to_keep_it_in_is_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CompileResultCacheImpl, "_locator_classes", [])
    assert doubled() == 0


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LAYER],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "NUMBA_CACHE_DIR": str(folder),
        },
    )


@pytest.mark.slow
def test_kernels_of_attention(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    whole = contents(tmp_path)
    assert len(whole) == 6
    for number, path in enumerate(whole):
        path.write_bytes([*DAMAGE.values()][number](whole[path]))
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("compiling anew")
