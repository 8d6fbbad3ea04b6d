"""Examples of wrong matches for a report, with what a reader needs to judge them."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Alignment
from pyg_ibmea.data.builder import UNNAMED
from pyg_ibmea.data.readers.image_files import find_images
from pyg_ibmea.datasets import GraphFiles
from pyg_ibmea.problem import links_of, pair_problems, triples_of

_PIXELS = 72
_NEIGHBOURS = 8


def hard_examples(
    data: HeteroData,
    matches: Alignment,
    files: Sequence[GraphFiles],
    most: int = 24,
) -> list[dict[str, Any]]:
    """The surest of the wrong matches, judged by the test pairs.

    Args:
        data (HeteroData): The problem.
        matches (Alignment): The matches.
        files (sequence of GraphFiles): Where the graphs came from, for names and
            images.
        most (int, optional): How many, at most. (default: :obj:`24`)

    Returns:
        list: For each its ``confidence`` and the entities ``source``, ``target`` (what
        was found) and ``truth``, each with ``uri``, ``neighbours`` (texts) and, where
        it has them, ``name`` and ``image`` (a ``data:`` URI).
    """
    true: dict[tuple[str, str, str], list[str]] = {}
    for pair, problem in pair_problems(data):
        left, right = (data.uri[kg] for kg in pair)
        for i, j in links_of(problem, "test").t().tolist():
            true.setdefault((*pair, left[i]), []).append(right[j])
    wrong = []
    for match in matches:
        targets = true.get((*match.graphs, match.source))
        if targets and match.target not in targets:
            wrong.append((match, targets[0]))
    wrong.sort(key=lambda found: -found[0].confidence)
    views = {f.name: _View(data, f.name, f) for f in files}
    return [
        {
            "confidence": match.confidence,
            "source": views[match.source_graph].describe(match.source),
            "target": views[match.target_graph].describe(match.target),
            "truth": views[match.target_graph].describe(truth),
        }
        for match, truth in wrong[:most]
    ]


class _View:
    """Describes entities of a graph by what there is to see of them."""

    def __init__(self, data: HeteroData, kg: str, files: GraphFiles) -> None:
        self.data, self.kg = data, kg
        self.number = {uri: i for i, uri in enumerate(data.uri[kg])}
        graph = files.read()
        self.names = files.read_names(graph)
        source = files.image_source()
        self.images = {} if source is None else find_images(source, data.uri[kg])

    def describe(self, uri: str) -> dict[str, Any]:
        store = triples_of(self.data, self.kg)
        node = self.number[uri]
        uris, relations = self.data.uri[self.kg], self.data.relation_uri[self.kg]
        near = []
        for mine, other, arrow in ((0, 1, "→"), (1, 0, "←")):
            edges = torch.nonzero(store.edge_index[mine] == node).flatten()
            for edge in edges.tolist():
                relation = relations[int(store.edge_type[edge])]
                far = uris[int(store.edge_index[other, edge])]
                named = "" if relation == UNNAMED else f"{_short(relation)} "
                near.append(f"{named}{arrow} {self._label(far)}")
        more = len(near) - _NEIGHBOURS
        near = near[:_NEIGHBOURS] + ([f"… and {more} more"] if more > 0 else [])
        found: dict[str, Any] = {"uri": uri, "neighbours": near}
        if uri in self.names:
            found["name"] = self.names[uri]
        if uri in self.images:
            picture = _thumbnail(self.images[uri])
            found |= {"image": picture} if picture else {}
        return found

    def _label(self, uri: str) -> str:
        return self.names.get(uri) or _short(uri)


def _short(uri: str) -> str:
    """The last part of a URI."""
    return uri.rstrip("/").replace("#", "/").rsplit("/", 1)[-1] or uri


def _thumbnail(path: Any) -> str | None:
    """A small picture as a ``data:`` URI; ``None`` if it cannot be read."""
    from PIL import Image

    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")
            if image.width * image.height > 100_000_000:
                return None
            picture = image.convert("RGBA")
    except Exception:  # Whatever a decoder raises; the training has reported it.
        return None
    picture.thumbnail((_PIXELS, _PIXELS))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
