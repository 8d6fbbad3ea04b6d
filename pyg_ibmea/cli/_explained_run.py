"""Explains matches of a run folder, whose graphs are read again."""

from __future__ import annotations

from pathlib import Path

from pyg_ibmea.align import Explanation
from pyg_ibmea.aligner import Aligner
from pyg_ibmea.cli._problem import read_again
from pyg_ibmea.problem import Pair
from pyg_ibmea.run_files import CONFIG, read_config


def aligner_of(run: Path, device: str | None = None) -> Aligner:
    """The aligner of a run, with its data.

    Args:
        run (Path): The run folder.
        device (str, optional): Where to encode. (default: CUDA if it is available, else
            the CPU)

    Raises:
        ValueError: If the run does not say which files it read; the message says what
            to do.
    """
    config = read_config(run)
    if "graphs" not in config:
        raise ValueError(
            f"{run / CONFIG} names no files of graphs to read again, so the matches "
            "cannot be explained from the folder alone; in Python, give the data: "
            f"Aligner.load({str(run)!r}, data).explain(SOURCE)"
        )
    return Aligner.load(run, read_again(run, config, device), device=device)


def explain_run(
    run: Path,
    source: str,
    target: str | None = None,
    graphs: Pair | None = None,
    most: int = 5,
    device: str | None = None,
) -> Explanation:
    """Explains a match of a run; see :meth:`pyg_ibmea.Aligner.explain`.

    Args:
        run (Path): The run folder.
        source (str): URI of the source entity.
        target (str, optional): URI of a target entity. (default: the match)
        graphs (tuple, optional): Names of the two graphs. (default: by the entities)
        most (int, optional): How many facts are told one by one. (default: :obj:`5`)
        device (str, optional): Where to encode. (default: CUDA if it is available, else
            the CPU)
    """
    aligner = aligner_of(run, device)
    return aligner.explain(source, target, graphs, most=most)
