"""Whom an alignment in a run folder asks about its matches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

from pyg_ibmea.align.explanation import Explanation
from pyg_ibmea.problem import Pair
from pyg_ibmea.run_files import CONFIG


def asked_of_run(table: Path) -> Callable[..., Explanation] | None:
    """What explains the matches of a table; ``None`` if it lies in no run folder.

    Args:
        table (Path): The table of matches.
    """
    folder = table.parent
    return partial(_ask, folder) if (folder / CONFIG).is_file() else None


def _ask(
    folder: Path,
    source: str,
    target: str | None = None,
    graphs: Pair | None = None,
    most: int = 5,
) -> Explanation:
    # By name: reading a run again is far above what an alignment needs.
    reader = import_module("pyg_ibmea.cli._explained_run")
    found: Explanation = reader.explain_run(folder, source, target, graphs, most)
    return found
