"""Times every case, and notes its peak memory and throughput."""

import pytest
import torch

from benchmarks import _layers, cases
from benchmarks._memory import measure
from pyg_ibmea.train._memory import keep_freed_memory

ALL = [(group, case) for group, members in cases.GROUPS.items() for case in members]
CONV = cases.GROUPS["convolution"][0]


@pytest.mark.parametrize(("group", "case"), ALL, ids=[c.__name__ for _, c in ALL])
def test_case(benchmark, full, group, case):
    if full and case in cases.LARGE:
        pytest.skip("takes minutes at full size: python -m benchmarks.large")
    size = cases.FULL if full else cases.QUICK
    benchmark.group = group
    step = case(size)
    slow = full and case is _layers.conv_published
    rounds = 1 if slow else 5 if full else 3
    benchmark.pedantic(step, rounds=rounds, warmup_rounds=not slow)
    if benchmark.disabled:  # By --benchmark-disable: there are no times to note.
        return
    seconds = benchmark.stats.stats.median
    benchmark.extra_info |= {
        "extra_memory_mib": measure(case.__name__, size).get("extra_memory_mib"),
        "threads": torch.get_num_threads(),
        "size": vars(size),
    }
    if group == "convolution":
        benchmark.extra_info["edges_per_second"] = (size.edges + size.nodes) / seconds
    elif group in ("multi-similarity", "InfoNCE"):
        benchmark.extra_info["pairs_per_second"] = size.pairs / seconds


NODES = (10_000, 30_000, 100_000, 300_000, 1_000_000)


@pytest.mark.parametrize("nodes", NODES)
def test_scaling(benchmark, full, nodes):
    """The layer at 10 edges a node and 32 channels.

    Freed memory is kept, as in training: otherwise the larger tensors, and only
    those, pay for the clearing of their pages in every step.
    """
    if nodes > 100_000 and not full:
        pytest.skip("full sizes only")
    keep_freed_memory()
    benchmark.group = "scaling"
    size = type(cases.FULL)(nodes=nodes, edges=10 * nodes, channels=32)
    rounds = 15 if nodes <= 100_000 else 5
    benchmark.pedantic(CONV(size), rounds=rounds, warmup_rounds=1)
    benchmark.extra_info |= {
        "extra_memory_mib": measure(CONV.__name__, size).get("extra_memory_mib"),
        "nodes": nodes,
        "edges": 11 * nodes,
        "threads": torch.get_num_threads(),
    }
