"""The problems: where they are, and what may identify their entities."""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch_geometric.data import HeteroData

from benchmarks.seedless.figures import Judged
from pyg_ibmea.data import encode_names, label_by_uri, read_jape, read_rdf
from pyg_ibmea.datasets import DBP15K, SRPRS, KnowledgeGraphs
from pyg_ibmea.problem import labels_of, linked_pairs, modalities_of, set_labels

# A cell of the Alignment API's format.
_CELL = re.compile(
    r'<entity1 rdf:resource="([^"]+)"/>\s*<entity2 rdf:resource="([^"]+)"/>'
)


def anatomy(folder: Path) -> HeteroData:
    """OAEI anatomy: labels and synonyms of two ontologies."""
    names = ("mouse", "human")
    graphs = [read_rdf(name, folder / "anatomy" / f"{name}.owl") for name in names]
    place = [{uri: i for i, uri in enumerate(graph.entities)} for graph in graphs]
    text = (folder / "anatomy" / "reference.rdf").read_text(encoding="utf-8")
    links = [[place[0][a], place[1][b]] for a, b in _CELL.findall(text)]
    if not links:
        raise ValueError(f"{folder}/anatomy/reference.rdf holds no cells")
    pairs = {names: torch.tensor(links).t().contiguous()}
    return KnowledgeGraphs(graphs, pairs, ratio=0)[0]


def dbp15k(folder: Path) -> HeteroData:
    """DBP15K zh-en with names that a machine translated."""
    with tempfile.TemporaryDirectory() as cache:
        return DBP15K(cache, "zh_en", raw=folder / "DBP15K", ratio=0)[0]


def srprs(pair: str, named: bool) -> Callable[[Path], HeteroData]:
    """SRPRS, with the last part of URIs as labels, or with none."""

    def read(folder: Path) -> HeteroData:
        with tempfile.TemporaryDirectory() as cache:
            data = SRPRS(cache, pair, raw=folder / "SRPRS", ratio=0)[0]
        return label_by_uri(data) if named else data

    return read


def fb15k(folder: Path) -> HeteroData:
    """FB15K-DB15K: names of one side that are given, and of the other from URIs."""
    graphs = read_jape(folder / "FB15K_DB15K", ("fb15k", "db15k"))
    pairs = {("fb15k", "db15k"): graphs.links}
    data = KnowledgeGraphs([graphs.source, graphs.target], pairs, ratio=0)[0]
    lines = (folder / "FB15K_DB15K" / "ent_names_1.txt").read_text(encoding="utf-8")
    names = dict(line.split("\t")[:2] for line in lines.splitlines() if "\t" in line)
    given = [[names[uri]] if uri in names else [] for uri in data.uri["fb15k"]]
    set_labels(data, "fb15k", given)
    return label_by_uri(data, ["db15k"])


CASES: dict[str, Callable[[Path], HeteroData]] = {
    "anatomy": anatomy,
    "dbp15k-zh-en": dbp15k,
    "srprs-en-fr": srprs("en_fr", True),
    "srprs-dbp-yg": srprs("dbp_yg", True),
    "srprs-en-fr-without-names": srprs("en_fr", False),
    "srprs-dbp-yg-without-names": srprs("dbp_yg", False),
    "fb15k-db15k": fb15k,
}


def with_names(data: HeteroData) -> HeteroData:
    """The problem with its first labels as the modality ``name``, if it has none."""
    labels = {kg: labels_of(data, kg) for kg in data.node_types}
    there = "name" in modalities_of(data)
    if there or not any(any(own) for own in labels.values()):
        return data
    texts = [(own or ("",))[0] for each in labels.values() for own in each]
    x = torch.from_numpy(encode_names(texts))
    for kg, rows in zip(labels, x.split([*map(len, labels.values())]), strict=True):
        data[kg].x_name, data[kg].mask_name = rows.clone(), rows.any(dim=1)
    return data


#: Of ontologies all counterparts of classes are known; other nodes are no classes.
JUDGED = {"anatomy": Judged({"mouse": "MA_", "human": "NCI_"})}


def read(case: str, folder: Path) -> HeteroData:
    """Reads a problem whose links are all test pairs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Gaps of the benchmarks are known.
        data = CASES[case](folder)
    assert len(linked_pairs(data)) == 1
    return data
