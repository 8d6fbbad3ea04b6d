"""The problem that a command line names, and how to read it again."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch_geometric.data import HeteroData

from pyg_ibmea.data import label_by_uri
from pyg_ibmea.datasets import GraphFiles, KnowledgeGraphs, read_problem
from pyg_ibmea.json_shapes import (
    FLAG,
    NULL,
    NUMBER,
    TEXT,
    WHOLE,
    ListOf,
    OneOf,
    Record,
    check_shape,
)
from pyg_ibmea.problem import GRAPH, Pair
from pyg_ibmea.run_files import CONFIG, RESTORE
from pyg_ibmea.train.answered import with_answers
from pyg_ibmea.train.continuing import known_answers

# Keys of a run's configuration that say what was read and how.
_READ = (
    *("ratio", "val_ratio", "split_seed", "modalities", "num_features"),
    *("image_encoder", "name_encoder"),
)
REMEMBERED = ("graphs", "links", "alone", *_READ, "cache")
"""Keys of a run's configuration that say what its problem is."""

_PROBLEM = Record(
    {"graphs": ListOf(ListOf(TEXT, 1), 2), "links": ListOf(ListOf(TEXT, 3, 3))},
    {
        "alone": ListOf(ListOf(TEXT, 3, 3)),
        "ratio": NUMBER,
        "val_ratio": NUMBER,
        "split_seed": WHOLE,
        "modalities": OneOf("null or a list of names", (NULL, ListOf(TEXT))),
        "num_features": WHOLE,
        "image_encoder": TEXT,
        "name_encoder": TEXT,
        "cache": TEXT,
        "labels_from_uris": FLAG,
    },
)
"""What a configuration says of the problem that was read."""


def remembered_problem(args: argparse.Namespace) -> dict[str, Any]:
    """What a run remembers of the problem that a command line names."""
    if len(args.graph) < 2:
        raise ValueError("give two graphs with --graph (see --help)")
    if args.alone and not args.links:
        raise ValueError("--alone needs --links between the same graphs")
    links, alone = (
        [[a, b, str(Path(file).absolute())] for a, b, file in given]
        for given in (args.links, args.alone)
    )
    return {
        "graphs": [[name, *map(_absolute, words)] for name, *words in args.graph],
        "links": links,
        "alone": alone,
        **{name: getattr(args, name) for name in _READ},
        "image_encoder": _absolute(args.image_encoder, ":"),
        "name_encoder": _absolute(args.name_encoder, ":"),
        "modalities": args.modalities.split(",") if args.modalities else None,
        "cache": str(args.cache.absolute()),
        # Earlier runs do not have it, and can still be resumed.
        **({"labels_from_uris": True} if args.labels_from_uris else {}),
    }


def read_remembered(
    remembered: Mapping[str, Any],
    progress: bool = False,
    allow_dropped: bool = False,
    device: str | None = None,
) -> KnowledgeGraphs:
    """The problem that a run remembers.

    Args:
        remembered (dict): What :func:`remembered_problem` returned.
        progress (bool, optional): Whether to show the progress of encoding.
            (default: :obj:`False`)
        allow_dropped (bool, optional): Whether more than a tenth of a table may name
            unknown entities. (default: :obj:`False`)
        device (str, optional): Where models encode images and names. (default: CUDA if
            it is available, else the CPU)
    """
    files = graph_files(remembered)
    names = [f.name for f in files]
    if len(set(names)) != len(names):
        raise ValueError(f"graphs need different names, got {', '.join(names)}")
    links = _by_pair("links", remembered["links"])
    alone = _by_pair("alone", remembered.get("alone", []))
    options = {name: remembered[name] for name in _READ if name in remembered}
    if options.get("modalities"):
        features = [m for m in options["modalities"] if m != GRAPH]
        options["modalities"] = features
    cache = Path(remembered["cache"]) if "cache" in remembered else None
    options |= {"allow_dropped": allow_dropped, "device": device}
    problem = read_problem(files, links, cache, progress, alone, **options)
    if remembered.get("labels_from_uris"):
        label_by_uri(problem._data)
    return problem


def read_again(
    run: Path,
    config: Mapping[str, Any],
    device: str | None = None,
    with_answered: bool = True,
) -> HeteroData:
    """The problem of a run, read again from the files that it was read from.

    Args:
        run (Path): The run folder.
        config (dict): Its configuration.
        device (str, optional): Where models encode images and names. (default: CUDA if
            it is available, else the CPU)
        with_answered (bool, optional): Whether with the answers that the run learned
            from. (default: :obj:`True`)
    """
    if "graphs" not in config:
        raise ValueError(
            f"{run / CONFIG} names no graphs: it was not written by `pyg-ibmea train`, "
            "or was edited"
        )
    check_shape(config, str(run / CONFIG), _PROBLEM, RESTORE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The training has given the warnings.
        try:
            data = read_remembered(config, allow_dropped=True, device=device)[0]
            answers = known_answers(run, config) if with_answered else []
            return with_answers(data, answers).data if answers else data
        except ValueError as error:
            raise ValueError(f"{run / CONFIG}: {error}") from error


def graph_files(config: Mapping[str, Any]) -> list[GraphFiles]:
    """Where the graphs of a run came from."""
    return [GraphFiles.parse(words) for words in config["graphs"]]


def _by_pair(option: str, given: Sequence[Sequence[str]]) -> dict[Pair, Path]:
    """File by pair of graphs, each pair once (of links, in one direction)."""
    found: dict[Pair, Path] = {}
    for a, b, file in given:
        twice = (a, b) in found or (option == "links" and (b, a) in found)
        if twice or a == b:
            why = "is given twice; join the tables" if twice else "names a graph twice"
            raise ValueError(f"--{option} {a} {b} {why}")
        found[a, b] = Path(file)
    return found


def _absolute(word: str, sign: str = "=") -> str:
    key, found, value = word.partition(sign)
    if not found or key == "leaves":
        return word
    return f"{key}{sign}{Path(value).absolute()}"
