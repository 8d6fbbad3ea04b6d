"""Exports of a run beside its matches: embeddings, and the aligned graphs as one."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import torch
from torch import Tensor

from pyg_ibmea.align import Alignment, Clusters, cluster_matches
from pyg_ibmea.cli._problem import graph_files
from pyg_ibmea.data import KnowledgeGraph, merge_graphs
from pyg_ibmea.data.features.labels import labels_in
from pyg_ibmea.data.merging import single_hetero_data
from pyg_ibmea.data.readers.rdf import SAME_AS
from pyg_ibmea.files import replacing
from pyg_ibmea.large import ranges
from pyg_ibmea.rdf_terms import (
    iri_term,
    is_blank,
    literal_term,
    node_term,
    warn_of_blank,
)
from pyg_ibmea.tab_fields import field_of

_AT_A_TIME = 1 << 18
_TEXT: Any = {"encoding": "utf-8", "newline": ""}


def write_embeddings(
    folder: str | os.PathLike[str],
    z: Mapping[str, Tensor],
    uris: Mapping[str, Sequence[str]],
) -> list[Path]:
    r"""Writes, for each graph, ``<graph>.npy`` (float32 ``[N, C]``) and
    ``<graph>.ids.txt``, the URI of each row.

    Args:
        folder (str or Path): The folder; it is created if it does not exist.
        z (dict): Embeddings by graph, ``[N, C]``.
        uris (dict): URIs by graph. A line ends at a line feed only; tabs, line ends
            and backslashes in a URI are written ``\t``, ``\n``, ``\r``, ``\\``.

    Returns:
        list: The files.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for kg, rows in z.items():
        name = quote(kg, safe="")
        vectors, ids = folder / f"{name}.npy", folder / f"{name}.ids.txt"
        with replacing(vectors) as unfinished, unfinished.open("wb") as file:
            header = {
                "descr": "<f4",
                "fortran_order": False,
                "shape": tuple(rows.shape),
            }
            np.lib.format.write_array_header_1_0(file, header)
            for part in ranges(len(rows)):
                some = rows[part].detach().cpu().float().contiguous()
                file.write(some.numpy().astype("<f4", copy=False).data)
        with replacing(ids) as unfinished, unfinished.open("w", **_TEXT) as text:
            text.writelines(f"{field_of(uri)}\n" for uri in uris[kg])
        files += [vectors, ids]
    return files


def read_labels(config: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What the entities of a run are called, by graph and URI.

    Nothing where the run was not made from files, or they cannot be read again; a
    warning tells of that.

    Args:
        config (dict): The configuration of the run.
    """
    labels: dict[str, dict[str, str]] = {}
    if "graphs" not in config:
        return labels
    try:
        for file in graph_files(config):
            graph = file.read()
            found = labels_in(graph, file.read_names(graph))
            labels[file.name] = {
                entity: names[0]
                for entity, names in zip(graph.entities, found, strict=True)
                if names
            }
    except (OSError, ValueError) as error:
        warnings.warn(f"matches are without labels: {error}", stacklevel=2)
        return {}
    return labels


def join_known(
    graphs: Sequence[KnowledgeGraph],
    known: Mapping[tuple[str, str], Sequence[tuple[str, str]]],
    matches: Alignment,
) -> Clusters:
    """The clusters of known pairs and matches; see
    :func:`~pyg_ibmea.align.cluster_matches`.

    Args:
        graphs (sequence of KnowledgeGraph): The graphs.
        known (dict): By pair of graphs, the known pairs by URI.
        matches (Alignment): The matches.

    Raises:
        ValueError: If a pair names an entity or a graph that is not there.
    """
    number = {g.name: {uri: i for i, uri in enumerate(g.entities)} for g in graphs}
    stated = [(pair, *two, float("inf")) for pair, ids in known.items() for two in ids]
    stated += [(m.graphs, m.source, m.target, m.confidence) for m in matches]
    pairs: dict[tuple[str, str], list[tuple[int, int]]] = {}
    scores: dict[tuple[str, str], list[float]] = {}
    for pair, source, target, score in stated:
        try:
            two = number[pair[0]][source], number[pair[1]][target]
        except KeyError as error:
            raise ValueError(
                f"the alignment names {error}, which is not in the graphs; are the "
                "files those of the training?"
            ) from error
        pairs.setdefault(pair, []).append(two)
        scores.setdefault(pair, []).append(score)
    ids = {pair: torch.tensor(both).t() for pair, both in pairs.items()}
    sure = {pair: torch.tensor(values) for pair, values in scores.items()}
    return cluster_matches([g.name for g in graphs], ids, sure)


def write_merged(
    path: str | os.PathLike[str], graphs: Sequence[KnowledgeGraph], clusters: Clusters
) -> KnowledgeGraph:
    """Writes the aligned graphs as one.

    Args:
        path (str or Path): ``.nt`` for N-Triples, with ``owl:sameAs`` from each entity
            to its other URIs (blank nodes aside, which have none), or ``.pt`` for what
            ``HeteroData.from_dict(torch.load(path))`` reads.
        graphs (sequence of KnowledgeGraph): The graphs.
        clusters (Clusters): The entities that are the same.

    Returns:
        KnowledgeGraph: The merged graph.

    Raises:
        ValueError: If the file ends in neither.
    """
    path = Path(path)
    if path.suffix not in (".nt", ".pt"):
        raise ValueError(f"{path} must end in .nt or .pt to hold a merged graph")
    merged, members = merge_graphs(graphs, clusters.members)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        if path.suffix == ".pt":
            torch.save(single_hetero_data(merged).to_dict(), unfinished)
        else:
            with unfinished.open("w", **_TEXT) as text:
                text.writelines(_statements(merged, members))
    return merged


def _statements(
    graph: KnowledgeGraph, members: Sequence[Sequence[str]]
) -> Iterator[str]:
    """N-Triples of a graph, line by line."""
    entity = _nodes(graph.entities, members)
    relation = [iri_term(uri) for uri in graph.relations]
    for rows in ranges(len(graph.triples), _AT_A_TIME):
        for h, r, t in graph.triples[rows].tolist():
            yield f"{entity[h]} {relation[r]} {entity[t]} .\n"
    if graph.attributes is not None and graph.values is not None:
        kind = [iri_term(uri) for uri in graph.attribute_names]
        for i, a, value in zip(*graph.attributes.tolist(), graph.values, strict=True):
            if value:
                yield f"{entity[i]} {kind[a]} {literal_term(value)} .\n"
    blank = 0
    for name, uris in zip(entity, members, strict=True):
        others = [
            other for other in dict.fromkeys(map(node_term, uris)) if other != name
        ]
        stated = [o for o in others if not (is_blank(name) or is_blank(o))]
        for other in stated:
            yield f"{name} <{SAME_AS}> {other} .\n"
        # A blank node alone may have got another label, by which nothing is lost.
        blank += len(others) - len(stated) if len(uris) > 1 else 0
    warn_of_blank(blank)


def _nodes(entities: Sequence[str], members: Sequence[Sequence[str]]) -> list[str]:
    """Entities as terms; a blank node is named by a member that has an IRI, if any."""
    taken = set(entities)
    nodes = []
    for number, (name, uris) in enumerate(zip(entities, members, strict=True)):
        if is_blank(uris[0]):
            free = (uri for uri in uris if not is_blank(uri) and uri not in taken)
            label = f"_:m{number}"
            while label in taken:
                label += "x"
            # One that was prefixed, since two graphs use its label, is blank still.
            name = next(free, name if is_blank(name) else label)
            taken.add(name)
        nodes.append(node_term(name))
    return nodes
