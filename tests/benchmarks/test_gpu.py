"""The benchmark for GPUs, tried on a CPU."""

import pytest
import torch

from benchmarks import gpu

TINY = gpu.SIZES["tiny"]


def test_writes_a_table(tmp_path):
    out = tmp_path / "gpu.md"
    options = [
        "--device",
        "cpu",
        "--size",
        "tiny",
        "--backends",
        "torch",
        "--rounds",
        "2",
    ]
    gpu.main([*options, "--out", str(out)])
    lines = out.read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ")][1:]
    assert [row.split("|")[1].strip() for row in rows] == [
        "two GATConv",
        "VariationalIBConv, torch",
        "VariationalIBConv, torch, hub",
        "VariationalIBConv, torch, bfloat16",
        "VariationalIBConv, torch, float16",
    ]
    assert rows[0].split("|")[4].strip() == "1.0 x"
    assert all(float(row.split("|")[2]) > 0 for row in rows)


def test_cases_of_one_layer_compute_the_same():
    x = torch.randn(TINY.nodes, TINY.channels)
    found = {case.name: case for case in gpu.cases(TINY, "cpu", ["torch", "numba"])}
    outs = []
    for backend in ("torch", "numba"):
        case = found[f"VariationalIBConv, {backend}"]
        with gpu.use_backend(backend):
            outs.append(case.layer(x, case.graph))
    torch.testing.assert_close(*outs)


def test_a_hub_receives_a_tenth_of_all_edges():
    counts = gpu.graph(TINY, hub=True).as_tensor()[1].bincount(minlength=TINY.nodes)
    assert counts.argmax() == TINY.nodes // 2
    assert counts.max() >= TINY.edges // 10
    assert gpu.graph(TINY).as_tensor()[1].bincount().max() < TINY.edges // 10


def test_without_a_gpu_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        gpu.main([])
    assert "no CUDA device here" in capsys.readouterr().err
