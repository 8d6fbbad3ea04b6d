"""The memory that a case needs beyond its inputs, measured in a process of its own."""

import json
import subprocess
import sys
from types import SimpleNamespace


def _status(field: str) -> int:
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(field))
    return int(line.split()[1])


def extra_memory_mib(name: str, size: SimpleNamespace) -> float | None:
    """Peak resident memory of one step above what was there before it, in MiB.

    Args:
        name (str): The case's name in :mod:`benchmarks.cases`.
        size (SimpleNamespace): Its size.

    Returns:
        float: ``None`` where the system does not tell (Linux does).
    """
    if sys.platform != "linux":
        return None
    command = [sys.executable, "-m", "benchmarks._memory", name]
    command.append(json.dumps(vars(size)))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def main(name: str, size: str) -> None:
    """Prints the figure for one case."""
    from benchmarks import cases

    make = cases.BY_NAME[name]
    # What is compiled or set up on first use is no memory of the step.
    make(cases.QUICK)()
    step = make(SimpleNamespace(**json.loads(size)))
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # proc(5): resets the peak.
    before = _status("VmRSS")
    step()
    print((_status("VmHWM") - before) / 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
