"""Checks the feature files given to a dataset and reads them onto its graphs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from pyg_ibmea.data import KnowledgeGraph, read_features
from pyg_ibmea.large import room_for
from pyg_ibmea.problem import check_names

PathLike = str | os.PathLike[str]


def given_files(features: Mapping[str, PathLike | None]) -> dict[str, Path]:
    """The files that were given, by modality; None counts as not given.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a modality is one that is made from the graphs, or cannot be
            called so.
    """
    given = {m: Path(path) for m, path in features.items() if path is not None}
    check_given(given)
    for modality, path in given.items():
        if not path.is_file():
            raise FileNotFoundError(
                f"there is no file {path} for modality '{modality}'"
            )
    return given


def check_given(modalities: Iterable[str]) -> None:
    """Raises ValueError for a modality that cannot be given as features: one that is
    made from the graphs, or whose name cannot be used.
    """
    check_names(modalities=modalities)
    for modality in modalities:
        if modality in ("relation", "attribute"):
            raise ValueError(
                f"modality '{modality}' is made from the graphs, not from given "
                "features; give yours another name"
            )


def check_asked_for(features: Iterable[str], modalities: Sequence[str]) -> None:
    """Raises ValueError for the file of a modality that will not be used."""
    for modality in features:
        if modality not in modalities:
            raise ValueError(
                f"a file was given for modality '{modality}', which is not among "
                f"modalities={tuple(modalities)}; add it there or drop the file"
            )


def add_features(
    graphs: Sequence[KnowledgeGraph], files: Mapping[str, PathLike]
) -> None:
    """Reads files, each with the vectors of all graphs, onto the graphs, in place.

    Args:
        graphs (sequence of KnowledgeGraph): The graphs, whose ``entity_ids`` differ.
        files (dict): Feature file by modality; see
            :func:`~pyg_ibmea.data.read_features`.
    """
    ids = torch.cat([_ids(graph) for graph in graphs])
    uris = [uri for graph in graphs for uri in graph.entities]
    for modality, path in files.items():
        x, mask = read_features(path, ids, uris)
        start = 0
        for graph in graphs:
            rows = slice(start, start + graph.num_nodes)
            # Copies, or saving one side would write the storage of both.
            own = room_for(tuple(x[rows].shape), x.dtype).copy_(x[rows])
            graph.features[modality] = (own, mask[rows].clone())
            start += graph.num_nodes


def _ids(graph: KnowledgeGraph) -> Tensor:
    assert graph.entity_ids is not None  # A graph sets them itself.
    return graph.entity_ids
