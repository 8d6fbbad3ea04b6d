"""The runs of the table by size, and what each may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scale.problems import Problem, ncbi, synthetic, wordnet


@dataclass(frozen=True)
class Case:
    """A problem that is trained, aligned and exported.

    Attributes:
        name (str): Its name.
        make (callable): Makes the problem: its arguments are the folders of raw data
            and of what is made.
        flags (tuple): Of ``pyg-ibmea train``.
        cpu_minutes (float): All stages together may take so many minutes of CPU; they
            are stopped there.
        gibibytes (float): The peak memory that is asked for.
    """

    name: str
    make: Callable[[Path, Path], Problem]
    flags: tuple[str, ...]
    cpu_minutes: float
    gibibytes: float


def _synthetic(size: int) -> Callable[[Path, Path], Problem]:
    return lambda raw, work: synthetic(work / f"synthetic-{size}", size)


def _ncbi(name: str, root: int) -> Callable[[Path, Path], Problem]:
    def made(raw: Path, work: Path) -> Problem:
        old, new = (raw / "ncbi" / year for year in ("2021", "2024"))
        return ncbi(work / name, old, new, root)

    return made


# One training with pseudo-seeds, of vectors half as wide as by default.
_SHORT = (
    *("--refits", "0", "--graph-channels", "150", "--epochs", "16"),
    *("--propose-from", "5", "--propose-every", "3", "--eval-every", "3"),
)
# Names tell nearly all; a million entities a side have to fit into 20 GiB.
_ONE_EPOCH = (
    *("--refits", "0", "--epochs", "1", "--graph-channels", "64"),
    *("--num-candidates", "20"),
)

CASES = {
    case.name: case
    for case in (
        Case("wordnet", lambda raw, work: wordnet(raw / "wordnet"), _SHORT, 60, 8),
        Case("synthetic-20000", _synthetic(20_000), _SHORT, 90, 10),
        Case("synthetic-100000", _synthetic(100_000), ("--refits", "0"), 90, 10),
        Case("synthetic-1000000", _synthetic(1_000_000), _SHORT, 900, 24),
        Case("ncbi", _ncbi("ncbi", 1), _ONE_EPOCH, 300, 20),
        # The animals alone.
        Case("ncbi-33208", _ncbi("ncbi-33208", 33208), _ONE_EPOCH, 300, 20),
    )
}
