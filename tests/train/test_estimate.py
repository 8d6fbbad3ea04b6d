"""What a training is said to take."""

import pytest
import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.problem import links_between, triples_of
from pyg_ibmea.train import Estimate, Options, _estimate, estimate
from pyg_ibmea.train._estimate import memory_of_machine


def problem(size, degree=8, links=0.3):
    """The sizes alone of two graphs."""
    data = HeteroData()
    for kg in ("left", "right"):
        data[kg].num_nodes = size
        store = triples_of(data, kg)
        store.edge_index = torch.zeros(2, size * degree // 2, dtype=torch.long)
        store.edge_type = torch.zeros(size * degree // 2, dtype=torch.long)
    store = links_between(data, ("left", "right"))
    store.edge_index = torch.arange(size).repeat(2, 1)
    for number, part in enumerate(("train", "val", "test")):
        ends = (0, round(0.9 * links * size), round(links * size), size)
        mask = torch.zeros(size, dtype=torch.bool)
        mask[ends[number] : ends[number + 1]] = True
        store[f"{part}_mask"] = mask
    return data


def test_grows_about_linearly_once_large():
    small, large = (estimate(problem(size)) for size in (200_000, 1_000_000))
    for name in ("seconds", "memory", "disk"):
        ratio = getattr(large, name) / getattr(small, name)
        assert 1.5 < ratio < 5**1.2, name


def test_published_problem():
    # DBP15K zh-en without features: measured are minutes and about 2 GiB.
    found = estimate(problem(19_500, degree=8), Options.of(iterative=True))
    assert 60 < found.seconds < 3600
    assert 1 < found.memory / 2**30 < 5


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"graph_channels": 100}, "memory"),
        ({"graph_channels": 100}, "disk"),
        ({"graph_channels": 100}, "seconds"),
        ({"num_candidates": 20}, "memory"),
        ({"num_candidates": 20}, "seconds"),
        ({"epochs": 3}, "seconds"),
    ],
)
def test_options_that_bring_it_down(options, name):
    data = problem(500_000)
    before, after = (estimate(data, Options.of(**o)) for o in ({}, options))
    assert getattr(after, name) < getattr(before, name)


def test_each_switch_that_is_named_helps():
    data, options = problem(500_000), Options.of(refits=2)
    before = estimate(data, options)
    assert len(before.switches) == 3
    for switch in before.switches:
        flag, value = switch.split()
        changed = options.replace(**{flag[2:].replace("-", "_"): int(value)})
        assert estimate(data, changed).memory < before.memory


def test_what_the_machine_lacks(monkeypatch, tmp_path):
    found = Estimate(7200.0, 2.0**36, 2.0**60, ("--graph-channels 150",))
    assert found.line() == (
        "estimate, within a factor of two: 2.0 hours of one core, 64.0 GiB of memory, "
        "1073741824.0 GiB of disk"
    )
    monkeypatch.setattr(_estimate, "memory_of_machine", lambda: 2.0**34)
    memory, disk = found.warnings(tmp_path / "new" / "run")
    assert memory == (
        "about 64 GiB of memory are needed, and this machine has 16; "
        "--graph-channels 150 brings it down"
    )
    assert disk.startswith("about 1073741824 GiB of disk are needed, and ")
    monkeypatch.setattr(_estimate, "memory_of_machine", lambda: 0.0)  # Unknown.
    assert len(found.warnings(tmp_path)) == 1
    assert Estimate(60.0, 1.0, 1.0).warnings(tmp_path) == []


def test_memory_of_this_machine():
    assert memory_of_machine() > 2**27
