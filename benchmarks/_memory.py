"""The memory and time of one step of a case, measured in a process of its own."""

import json
import subprocess
import sys
import time
from types import SimpleNamespace


def _status(field: str) -> int:
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(field))
    return int(line.split()[1])


def measure(name: str, size: SimpleNamespace) -> dict[str, float]:
    """Runs one step of a case in a fresh process.

    Args:
        name (str): The case's name in :mod:`benchmarks.cases`.
        size (SimpleNamespace): Its size.

    Returns:
        dict: ``seconds`` of the step, and ``extra_memory_mib``: its peak resident
        memory above what was there before it (on Linux).
    """
    command = [sys.executable, "-m", "benchmarks._memory", name]
    command.append(json.dumps(vars(size)))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main(name: str, size: str) -> None:
    """Prints the figures of one case as JSON."""
    from benchmarks import cases

    make = cases.BY_NAME[name]
    # What is compiled or set up on first use is not counted; a tiny first step leaves
    # hardly any memory for the measured one to reuse.
    make(cases.TINY)()
    step = make(SimpleNamespace(**json.loads(size)))
    on_linux = sys.platform == "linux"
    if on_linux:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # proc(5): resets the peak.
        before = _status("VmRSS")
    began = time.perf_counter()
    step()
    figures = {"seconds": time.perf_counter() - began}
    if on_linux:
        figures["extra_memory_mib"] = (_status("VmHWM") - before) / 1024
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
