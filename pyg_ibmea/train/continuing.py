"""What a training that goes on from an earlier run starts with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.align.forbidding import is_among
from pyg_ibmea.problem import Pair, different_of, linked_pairs, pair_problems, uris_of
from pyg_ibmea.run_files import METRICS
from pyg_ibmea.tab_fields import name_of_field
from pyg_ibmea.train.answered import Answered, with_answers
from pyg_ibmea.train.answers import ANSWERS, Answer, answers_text, read_answers
from pyg_ibmea.train.proposals import outside_seed_pairs

PSEUDO_SEEDS = "pseudo_seeds.tsv"
"""The pairs that a run adopted while it trained."""

_HEADER = ["source", "target", "source_graph", "target_graph"]


@dataclass
class Start:
    """What a training starts with.

    Attributes:
        problem (Answered): The problem with all answers.
        pseudo_seeds (dict): By pair of graphs, the pairs that the earlier run was sure
            of and that no answer and no training pair contradicts, long ``[2, L]``;
            ``None`` if it adopted none.
        about (dict): What the configuration of the new run says of it.
        files (dict): What the new run folder holds before the first epoch.
    """

    problem: Answered
    pseudo_seeds: dict[Pair, Tensor] | None
    about: dict[str, Any]
    files: dict[str, str]


def start_from(
    run: Path, data: HeteroData, answers: Iterable[Answer] | None = None
) -> Start:
    """Reads what a finished run leaves to the next.

    Args:
        run (Path): The run folder.
        data (HeteroData): Its problem, without answers.
        answers (iterable of Answer, optional): All answers. (default: those in the run
            folder)

    Raises:
        FileNotFoundError: If the run has not ended.
        ValueError: If a file is damaged, or the data are of another problem.
    """
    if not (run / METRICS).is_file():
        raise FileNotFoundError(
            f"{run / METRICS} is missing: the run has not ended; resume it first"
        )
    given = list(read_answers(run) if answers is None else answers)
    answered = with_answers(data, given)
    found = None
    if (run / PSEUDO_SEEDS).is_file():
        found = _undisputed(answered.data, read_pseudo_seeds(run / PSEUDO_SEEDS, data))
    about = {"continues": str(run.absolute()), "answers": len(given)}
    return Start(answered, found, about, {ANSWERS: answers_text(given)})


def known_answers(
    run: Path, config: Mapping[str, Any], before: Path | None = None
) -> list[Answer]:
    """The answers that a run learned from; those given about it are not among them.

    Args:
        run (Path): The run folder.
        config (dict): Its configuration.
        before (Path, optional): The run that it goes on from, which has the same
            answers if this one was killed before it wrote them. (default: none)

    Raises:
        ValueError: If they are not in the folder any more.
    """
    count = int(config.get("answers", 0))
    written = before is None or (run / ANSWERS).exists()
    found = read_answers(run if written or before is None else before) if count else []
    if len(found) < count:
        raise ValueError(
            f"{run / ANSWERS} has {len(found)} answers, but the run learned from "
            f"{count}; restore the file"
        )
    return found[:count]


def read_pseudo_seeds(path: Path, data: HeteroData) -> dict[Pair, Tensor]:
    """Reads pairs of entities as :meth:`RunFolder.write_pairs` writes them.

    Args:
        path (Path): The file.
        data (HeteroData): The problem.

    Returns:
        dict: By linked pair of graphs, node ids, long ``[2, L]``.

    Raises:
        ValueError: If the file was damaged, or names what the data do not have; the
            message names the line.
    """
    names = uris_of(data)
    number = {kg: {uri: i for i, uri in enumerate(names[kg])} for kg in names}
    found: dict[Pair, list[tuple[int, int]]] = {p: [] for p in linked_pairs(data)}
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    if not lines or lines[0].split("\t") != _HEADER:
        raise ValueError(f"{path}, line 1: expected the columns {', '.join(_HEADER)}")
    for place, line in enumerate(lines[1:], 2):
        cells = [name_of_field(cell) for cell in line.split("\t")]
        if len(cells) != len(_HEADER) or (cells[2], cells[3]) not in found:
            raise ValueError(f"{path}, line {place}: not a pair of linked graphs")
        source, target, a, b = cells
        for kg, uri in ((a, source), (b, target)):
            if uri not in number[kg]:
                raise ValueError(
                    f"{path}, line {place}: graph {kg!r} has no entity {uri!r}; are "
                    "the data those of the run?"
                )
        found[a, b].append((number[a][source], number[b][target]))
    return {
        pair: torch.tensor(ids, dtype=torch.long).view(-1, 2).t()
        for pair, ids in found.items()
    }


def _undisputed(data: HeteroData, pairs: Mapping[Pair, Tensor]) -> dict[Pair, Tensor]:
    """Those pairs that share no entity with a training pair and are not different."""
    kept = {}
    for pair, problem in pair_problems(data):
        free = outside_seed_pairs(problem, pairs[pair])
        kept[pair] = free[:, ~is_among(free, different_of(problem))]
    return kept
