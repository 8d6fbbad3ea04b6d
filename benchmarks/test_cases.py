"""Times every case, and notes its peak memory and throughput."""

import pytest
import torch

from benchmarks import cases
from benchmarks._memory import extra_memory_mib
from pyg_ibmea.train import keep_freed_memory

ALL = [(group, case) for group, members in cases.GROUPS.items() for case in members]
CONV = cases.GROUPS["convolution"][0]


@pytest.mark.parametrize(("group", "case"), ALL, ids=[c.__name__ for _, c in ALL])
def test_case(benchmark, full, group, case):
    if full and case in cases.TOO_LARGE:
        pytest.skip("does not fit into memory at full size")
    size = cases.FULL if full else cases.QUICK
    benchmark.group = group
    step = case(size)
    slow = case in cases.SLOW
    benchmark.pedantic(step, rounds=1 if slow and full else 5, warmup_rounds=not slow)
    seconds = benchmark.stats.stats.median
    benchmark.extra_info |= {
        "extra_memory_mib": extra_memory_mib(case.__name__, size),
        "threads": torch.get_num_threads(),
        "size": vars(size),
    }
    if group == "convolution":
        benchmark.extra_info["edges_per_second"] = (size.edges + size.nodes) / seconds
    elif group in ("multi-similarity", "InfoNCE"):
        benchmark.extra_info["pairs_per_second"] = size.pairs / seconds
    elif group == "InfoNCE, many pairs":
        benchmark.extra_info["pairs_per_second"] = size.big / seconds


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
        "extra_memory_mib": extra_memory_mib(CONV.__name__, size),
        "nodes": nodes,
        "edges": 11 * nodes,
        "threads": torch.get_num_threads(),
    }
