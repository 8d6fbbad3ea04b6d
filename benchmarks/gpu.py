"""The variational layer on one GPU: milliseconds, beside what else there is.

python -m benchmarks.gpu --out benchmarks/results/gpu.md

Medians of single passes, taken by the device's own clock (CUDA events). The bandwidth
of a copy is measured in the same run: a layer without reuse of neighbours cannot be
faster than its bytes at that rate. ``--device cpu --size tiny`` tries the script.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import torch
from torch_geometric import EdgeIndex
from torch_geometric.nn import GATConv

from pyg_ibmea.nn import VariationalIBConv, use_backend

SIZES = {
    "tiny": SimpleNamespace(nodes=60, edges=300, channels=8, heads=2, copied=2**16),
    "medium": SimpleNamespace(
        nodes=40_000, edges=300_000, channels=300, heads=2, copied=2**30
    ),
    "large": SimpleNamespace(
        nodes=1_000_000, edges=10_000_000, channels=300, heads=2, copied=2**31
    ),
}


class Passes(NamedTuple):
    """Median times of one case, in milliseconds."""

    forward: float
    backward: float


class Case(NamedTuple):
    """A layer on a graph, and in which precision and by which kernels it runs."""

    name: str
    layer: Callable[[torch.Tensor, EdgeIndex], tuple[torch.Tensor, ...]]
    graph: EdgeIndex
    dtype: torch.dtype = torch.float32
    backend: str | None = None


def graph(size: SimpleNamespace, hub: bool = False) -> EdgeIndex:
    """A random graph, sorted, with its structure; a tenth of the edges of one with a
    ``hub`` arrive at a single node.
    """
    generator = torch.Generator().manual_seed(0)
    pairs = torch.randint(size.nodes, (2, size.edges), generator=generator)
    if hub:
        pairs[1, : size.edges // 10] = size.nodes // 2
    pairs = pairs[:, pairs[1].argsort(stable=True)]
    shape = (size.nodes, size.nodes)
    return EdgeIndex(pairs, sparse_size=shape, sort_order="col").fill_cache_()


def variational(size: SimpleNamespace, device: str, dtype: torch.dtype) -> Callable:
    """Mean and log sigma by our layer."""
    torch.manual_seed(0)
    conv = VariationalIBConv(
        size.channels,
        size.channels,
        heads=size.heads,
        add_self_loops=False,
        bias=False,
        weight="diagonal",
    ).to(device, dtype)
    torch.nn.init.normal_(conv.scale)

    def layer(x, edge_index):
        posterior = conv.encode(x, edge_index)
        return posterior.mean, posterior.logstd

    return layer


def two_gats(size: SimpleNamespace, device: str) -> Callable:
    """Mean and log sigma by two of PyG's layers."""
    torch.manual_seed(0)
    convs = [
        GATConv(
            size.channels,
            size.channels,
            heads=size.heads,
            concat=False,
            add_self_loops=False,
        ).to(device)
        for _ in range(2)
    ]
    return lambda x, edge_index: tuple(
        conv(x, edge_index.as_tensor()) for conv in convs
    )


def cases(size: SimpleNamespace, device: str, backends: list[str]) -> Iterator[Case]:
    """What is measured; the first is what the others are compared with."""
    random, hub = graph(size).to(device), graph(size, hub=True).to(device)
    fused = backends[0]
    ours = variational(size, device, torch.float32)
    yield Case("two GATConv", two_gats(size, device), random)
    for backend in backends:
        yield Case(f"VariationalIBConv, {backend}", ours, random, backend=backend)
    yield Case(f"VariationalIBConv, {fused}, hub", ours, hub, backend=fused)
    for dtype in (torch.bfloat16, torch.float16):
        layer = variational(size, device, dtype)
        name = f"VariationalIBConv, {fused}, {str(dtype).removeprefix('torch.')}"
        yield Case(name, layer, random, dtype, fused)


def measure(case: Case, size: SimpleNamespace, device: str, rounds: int) -> Passes:
    """Times forward and backward apart, after passes that compile the kernels."""
    x = torch.randn(
        size.nodes, size.channels, device=device, dtype=case.dtype, requires_grad=True
    )
    times: list[tuple[float, float]] = []
    with use_backend(case.backend) if case.backend else nullcontext():
        grads = [torch.randn_like(out) for out in case.layer(x, case.graph)]
        for _ in range(rounds + 3):
            out, forward = _timed(lambda: case.layer(x, case.graph), device)
            x.grad = None
            _, backward = _timed(partial(torch.autograd.backward, out, grads), device)
            times.append((forward, backward))
    medians = [statistics.median(column) for column in zip(*times[3:], strict=True)]
    return Passes(*medians)


def copy_bandwidth(size: SimpleNamespace, device: str, rounds: int) -> float:
    """Bytes a millisecond that a copy reads and writes."""
    source = torch.empty(size.copied, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    times = [_timed(lambda: target.copy_(source), device)[1] for _ in range(rounds + 3)]
    return 2 * size.copied / statistics.median(times[3:])


def least_bytes(size: SimpleNamespace, dtype: torch.dtype) -> Passes:
    """Bytes that must be moved where no neighbour's row is read from a cache: rows of
    features over the edges, results and gradients of both stacks, and the coefficients.
    """
    element = torch.finfo(dtype).bits // 8
    rows = size.edges * size.channels * element
    results = 2 * size.nodes * size.channels * element
    alpha = size.edges * 2 * size.heads * 4
    forward = rows + results + alpha
    # By receivers: rows of x; by senders: rows of both gradients.
    backward = rows + 2 * rows + results + 3 * alpha
    return Passes(forward, backward)


def _timed(run: Callable[[], object], device: str) -> tuple[object, float]:
    """What ``run`` returns, and the milliseconds that it takes."""
    if not device.startswith("cuda"):
        begin = time.perf_counter()
        result = run()
        return result, 1000 * (time.perf_counter() - begin)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    result = run()
    end.record()
    end.synchronize()
    return result, start.elapsed_time(end)


def table(size: SimpleNamespace, device: str, backends: list[str], rounds: int) -> str:
    """A Markdown table of all cases at one size."""
    bandwidth = copy_bandwidth(size, device, rounds)
    lines = [
        f"{size.nodes:,} nodes, {size.edges:,} edges, {size.channels} channels, "
        f"{size.heads} heads; a copy moves {bandwidth / 1e6:.0f} GB/s.",
        "",
        "| layer | forward, ms | backward, ms | two GATConv take | bytes at the rate "
        "of a copy, forward / backward |",
        "|---|---|---|---|---|",
    ]
    first: Passes | None = None
    for case in cases(size, device, backends):
        took = measure(case, size, device, rounds)
        first = first or took
        share = [
            f"{least / bandwidth / time:.0%}"
            for least, time in zip(least_bytes(size, case.dtype), took, strict=True)
        ]
        lines.append(
            f"| {case.name} | {took.forward:.3f} | {took.backward:.3f} | "
            f"{sum(first) / sum(took):.1f} x | {' / '.join(share)} |"
        )
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    """Measures, prints, and writes ``--out``."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", nargs="+", choices=SIZES, default=["medium", "large"])
    parser.add_argument("--backends", nargs="+", default=["triton", "torch"])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args(argv)
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("there is no CUDA device here; --device cpu --size tiny tries it")
    on_cuda = args.device.startswith("cuda")
    name = torch.cuda.get_device_name() if on_cuda else "CPU"
    parts = [f"{name}, PyTorch {torch.__version__}, medians of {args.rounds} passes."]
    for size in args.size:
        parts.append(table(SIZES[size], args.device, args.backends, args.rounds))
        print(parts[-1], flush=True)
    if args.out is not None:
        args.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
