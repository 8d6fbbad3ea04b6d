"""Turns the JSON of pytest-benchmark into a table and a plot.

pytest benchmarks --benchmark-only --full --benchmark-json=results.json
python -m benchmarks.large large.json
python -m benchmarks.report results.json large.json --out benchmarks/results

A group that is measured alone (-k) is added to earlier results in the same way.
"""

import argparse
import json
import math
from pathlib import Path


def machine(results: dict) -> str:
    """One line on where the figures come from."""
    info = results["machine_info"]
    cpu = info.get("cpu", {})
    threads = {b["extra_info"].get("threads") for b in results["benchmarks"]} - {None}
    name = cpu.get("brand_raw", info["machine"])
    return (
        f"{name}, {max(threads, default='?')} threads, "
        f"Python {info['python_version']}, PyTorch {results['torch']}, "
        f"{measured(results)}"
    )


def measured(results: dict) -> str:
    """When, and at which commit of the code."""
    return f"{results['datetime'][:10]}, commit {results['commit_info']['id'][:8]}"


def noted(benchmark: dict, results: dict) -> dict:
    """A benchmark of another run, with the date and commit of that run."""
    if "commit_info" not in results:
        return benchmark
    info = {**benchmark["extra_info"], "measured": measured(results)}
    return {**benchmark, "extra_info": info}


def groups(results: dict) -> dict[str, list[dict]]:
    """The benchmarks by group, in the order in which they ran."""
    out: dict[str, list[dict]] = {}
    for benchmark in results["benchmarks"]:
        out.setdefault(benchmark["group"], []).append(benchmark)
    return out


def table(members: list[dict]) -> str:
    """A Markdown table of one group; ratios are to its first member."""
    lines = [
        "| case | median | ratio | extra memory | throughput |",
        "|---|---|---|---|---|",
    ]
    first = members[0]["stats"]["median"]
    for member in members:
        name = member["name"].split("[")[-1].rstrip("]")
        median, info = member["stats"]["median"], member["extra_info"]
        memory = info.get("extra_memory_mib")
        rate = next(
            (
                f"{value:.3g} {key.split('_')[0]}/s"
                for key, value in info.items()
                if key.endswith("_per_second")
            ),
            "",
        )
        lines.append(
            f"| {name} | {1000 * median:,.0f} ms | {median / first:.2f} | "
            f"{'' if memory is None else f'{memory:,.0f} MiB'} | {rate} |"
        )
    return "\n".join(lines)


def exponent(nodes: list[float], cost: list[float]) -> float:
    """The slope of the logarithm of a cost over that of nodes, by least squares."""
    points = [(math.log(n), math.log(c)) for n, c in zip(nodes, cost, strict=True)]
    x, y = (sum(axis) / len(points) for axis in zip(*points, strict=True))
    return sum((a - x) * (b - y) for a, b in points) / sum(
        (a - x) ** 2 for a, _ in points
    )


def exponents(members: list[dict]) -> str:
    """How time and, where it is known, memory grow with the number of nodes."""
    nodes = [m["extra_info"]["nodes"] for m in members]
    text = f"Time grows with exponent {exponent(nodes, medians(members)):.2f}"
    memory = [m["extra_info"].get("extra_memory_mib") for m in members]
    if all(memory):
        text += f", extra memory with {exponent(nodes, memory):.2f}"
    return text + " (least squares)."


def medians(members: list[dict]) -> list[float]:
    """The median of each, in seconds."""
    return [m["stats"]["median"] for m in members]


def plot_scaling(members: list[dict], path: Path) -> None:
    """Time over nodes, both logarithmic."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    nodes = [m["extra_info"]["nodes"] for m in members]
    seconds = medians(members)
    figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    axes.loglog(nodes, seconds, "o-", label="VariationalIBConv, 32 channels")
    linear = [seconds[0] * n / nodes[0] for n in nodes]
    axes.loglog(nodes, linear, "--", color="grey", label="proportional")
    axes.set(xlabel="nodes, at 10 edges each", ylabel="forward + backward (s)")
    axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Writes ``report.md``, ``scaling.png`` and ``results.json`` into the folder."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "results", type=Path, nargs="+", help="JSON of pytest-benchmark, then others"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    args = parser.parse_args()
    results, *others = (json.loads(path.read_text()) for path in args.results)
    for other in others:
        results["benchmarks"] += [noted(b, other) for b in other["benchmarks"]]
    parts = [
        f"# Benchmarks\n\n{machine(results)}. Medians; ratios are to the first row."
    ]
    args.out.mkdir(parents=True, exist_ok=True)
    for group, members in groups(results).items():
        parts.append(f"## {group[0].upper()}{group[1:]}")
        if group == "scaling":
            plot_scaling(members, args.out / "scaling.png")
            parts.append(f"![time over nodes](scaling.png)\n\n{exponents(members)}")
        if later := members[0]["extra_info"].get("measured"):
            parts.append(f"Measured {later}.")
        parts.append(table(members))
    (args.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (args.out / "report.md").write_text("\n\n".join(parts) + "\n")
    print(args.out / "report.md")


if __name__ == "__main__":
    main()
