"""The Triton kernels, compiled for graphics processors that need not be there."""

import os
import re
import subprocess

import pytest
import torch

triton = pytest.importorskip("triton", reason="Triton is not installed")
if os.environ.get("TRITON_INTERPRET") == "1":
    pytest.skip("TRITON_INTERPRET=1 interprets the kernels", allow_module_level=True)

from triton.backends.compiler import GPUTarget  # noqa: E402

from pyg_ibmea.nn.conv import _attention_triton  # noqa: E402


class Driver:
    """Tells Triton of a device that is not there."""

    def __init__(self, capability):
        self.capability = capability

    def get_current_device(self):
        return self.capability  # Triton keeps compiled kernels by device.

    def get_current_stream(self, device):
        return 0

    def get_current_target(self):
        return GPUTarget("cuda", self.capability, 32)


def compiled(
    monkeypatch,
    capability,
    stacks,
    heads,
    channels,
    dtype,
    optional=True,
    index=torch.int64,
    num_nodes=5,
    num_edges=600,
):
    """The kernels that forward and backward of a graph with a hub launch."""
    kernels = []

    def compile_only(kernel, grid, *args, warps=1):
        assert all(isinstance(size, int) and size > 0 for size in grid)
        kernels.append(kernel.run(*args, grid=grid, warmup=True, num_warps=warps))

    monkeypatch.setattr(_attention_triton, "_launch", compile_only)
    monkeypatch.setattr(triton.runtime.driver, "_active", Driver(capability))
    columns = stacks * heads
    wide = torch.promote_types(dtype, torch.float32)
    per_node, per_edge = (
        torch.zeros(size, columns, dtype=wide) for size in (num_nodes, num_edges)
    )
    given = (per_node, per_edge, per_edge, per_edge) if optional else (None,) * 4
    edges = torch.zeros(num_edges, dtype=index)
    ptr = torch.tensor([0] + num_nodes * [num_edges], dtype=index)
    x = torch.zeros(num_nodes, channels, dtype=dtype)
    scale = torch.zeros(columns, channels, dtype=wide)
    features = [x, scale, per_node, *given]
    out, alpha = _attention_triton.forward(*features, edges, ptr, heads, 0.2)
    del features[-2]  # The outer scores.
    _attention_triton.backward(
        *(out, alpha, *features, edges, ptr, edges, ptr, edges, heads, 0.2)
    )
    return kernels


def usage(kernel, folder):
    """What the machine code uses: ``{'REG': ..., 'STACK': ..., ...}``."""
    file = folder / "kernel.cubin"
    file.write_bytes(kernel.asm["cubin"])
    tool = triton.knobs.nvidia.cuobjdump.path
    command = [tool, "--dump-resource-usage", str(file)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {name: int(value) for name, value in re.findall(r"([A-Z]+):(\d+)", said)}


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("stacks", "heads"), [(1, 2), (2, 2)])
@pytest.mark.parametrize("channels", [64, 300])
def test_no_kernel_spills(
    monkeypatch, tmp_path, channels, stacks, heads, dtype, capability
):
    kernels = compiled(monkeypatch, capability, stacks, heads, channels, dtype)
    assert len({kernel.metadata.name for kernel in kernels}) == 9
    for kernel in kernels:
        used = usage(kernel, tmp_path)
        assert used["STACK"] == used["LOCAL"] == 0
        # Twelve warps or more on a multiprocessor.
        assert used["REG"] <= 168


@pytest.mark.parametrize("index", [torch.int32, torch.int64])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_types_and_no_optional_terms(monkeypatch, tmp_path, dtype, index):
    for kernel in compiled(monkeypatch, 80, 2, 3, 7, dtype, False, index):
        assert usage(kernel, tmp_path)["STACK"] == 0


@pytest.mark.parametrize(("stacks", "heads"), [(2, 4), (4, 4)])
def test_many_columns(monkeypatch, tmp_path, stacks, heads):
    for kernel in compiled(monkeypatch, 90, stacks, heads, 300, torch.float32):
        assert usage(kernel, tmp_path)["STACK"] == 0


def test_no_atomics_and_wide_reads(monkeypatch):
    reading = ("weighted_sums", "edge_products", "feature_gradients")
    for kernel in compiled(monkeypatch, 90, 2, 2, 300, torch.float32):
        code = kernel.asm["ptx"]
        assert not re.search(r"^\s*(@%p\d+ )?(atom|red)\.", code, re.MULTILINE)
        if kernel.metadata.name in reading:
            # Four channels of one neighbour in one instruction.
            assert re.search(r"ld\.global\S*\.v4\.\w32", code)


def test_double_precision_throughout(monkeypatch):
    """Triton's constants are of single precision unless they meet a double."""
    for kernel in compiled(monkeypatch, 80, 1, 3, 7, torch.float64):
        code = kernel.asm["ptx"]
        assert not re.search(r"\bcvt\S*\.f64\.f32\b|\b(add|mul|fma)\S*\.f32\b", code)


def test_numbers_that_are_one(monkeypatch, tmp_path):
    """Triton compiles kernels anew for an argument of 1, as a constant."""
    sizes = {"num_nodes": 1, "num_edges": 200}  # One piece at most.
    for kernel in compiled(monkeypatch, 90, 1, 1, 1, torch.float32, **sizes):
        assert usage(kernel, tmp_path)["STACK"] == 0
